"""secrets generate, secrets rotate: keys of a stack, encrypted or into a pipe.

Promise: a value comes by a prompt or by standard input, and leaves encrypted in a pull
request, by standard output, or in a private file; never by an argument or in a remark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gitops.errors import InputError
from service.cli.options import AsJson, Data, DryRun, Env, Reason, Repo, Stack

if TYPE_CHECKING:
    from gitops.model import Finding, Plan, Target
    from gitops.scaffold import SecretsChoice
    from gitops.workflow import World
    from service.cli.session import RepositorySession
    from service.sealing import Ground, Means, Standing
    from service.secrets import RequiredKey
    from service.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="Keys of a stack: made, asked for, and sealed. Values that you bring come by "
    "a prompt, or by standard input when that is no terminal.",
)

Certificate = Annotated[
    Path | None,
    typer.Option(
        "--certificate",
        metavar="FILE",
        help="With Sealed Secrets: the public certificate of the cluster.",
    ),
]
Age = Annotated[
    list[str] | None,
    typer.Option(
        "--age",
        metavar="KEY",
        help="With SOPS: an age public key that can decrypt. Repeat for more.",
        show_default="what .sops.yaml says",
    ),
]
ToFile = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE",
        help="With existing or external-secrets: a new private file outside Git.",
        show_default="standard output",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What both commands are told."""

    target: Target
    certificate: Path | None
    age: tuple[str, ...]
    output: Path | None
    reason: str
    repo: str
    data: Path | None
    as_json: bool
    dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What is there, and where."""

    ground: Ground
    settings: Settings
    repository: str


@app.command()
def generate(
    stack: Stack,
    env: Env,
    *,
    ask: Annotated[
        list[str] | None,
        typer.Option(
            "--ask",
            metavar="KEY",
            help="Bring the value of this key, though it could be made. Repeat.",
        ),
    ] = None,
    certificate: Certificate = None,
    age: Age = None,
    output: ToFile = None,
    reason: Reason = "",
    repo: Repo = ".",
    data: Data = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Make the keys that a stack needs, once.

    With sops and sealed-secrets they are proposed, encrypted; with existing a Secret is
    printed, with external-secrets the entry for the store.
    """
    from gitops import target
    from service.cli.handout import values_for
    from service.sealing import keys_to_generate, prepare

    request = _Request(
        target=target(stack, env),
        certificate=certificate,
        age=tuple(age or ()),
        output=output,
        reason=reason,
        repo=repo,
        data=data,
        as_json=as_json,
        dry_run=dry_run,
    )
    found = _look(request)
    ground, file = found.ground, found.ground.file
    keys = keys_to_generate(ground, ask or ())
    if file is None:
        _hand_out(request, found, keys, is_new=True)
    elif file.body is not None:
        # A pull request that is still open makes them: ask for the same again.
        _propose(request, ground, file, file.content, file.findings)
    else:
        sealer = prepare(ground, file, _means(request, found.settings))
        _propose(request, ground, file, sealer.seal(values_for(keys)), ())


@app.command()
def rotate(
    stack: Stack,
    env: Env,
    keys: Annotated[list[str], typer.Argument(metavar="KEY ...", show_default=False)],
    *,
    done_elsewhere: Annotated[
        bool,
        typer.Option(
            "--done-elsewhere",
            help="Whatever else keeps the old value knows the new one, or will.",
        ),
    ] = False,
    certificate: Certificate = None,
    age: Age = None,
    output: ToFile = None,
    reason: Reason = "",
    repo: Repo = ".",
    data: Data = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Give keys of a stack new values; the others stay as they are.

    Random ones where the cluster alone has to learn them, yours for the rest. A key
    that is not there yet is added.
    """
    from gitops import target
    from service.cli.handout import values_for
    from service.sealing import keys_to_rotate, prepare, rotation_findings

    if any("=" in key for key in keys):
        raise InputError(
            "a value was given as an argument, where others and the shell's history "
            "see it",
            hint="name the key alone; the value comes by standard input or a prompt",
        )
    request = _Request(
        target=target(stack, env),
        certificate=certificate,
        age=tuple(age or ()),
        output=output,
        reason=reason,
        repo=repo,
        data=data,
        as_json=as_json,
        dry_run=dry_run,
    )
    found = _look(request)
    ground, file = found.ground, found.ground.file
    wanted = keys_to_rotate(ground, keys, done_elsewhere=done_elsewhere)
    if file is None:
        _hand_out(request, found, wanted, is_new=False)
    else:
        sealer = prepare(ground, file, _means(request, found.settings))
        content = sealer.seal(values_for(wanted))
        _propose(request, ground, file, content, rotation_findings(file, wanted))


# --- what is there ---


def _look(request: _Request) -> _Found:
    """Look at the overlay on the base branch; refuse options that say otherwise."""
    from gitops.workflow import look
    from service.cli.output import remark
    from service.cli.session import in_repository
    from service.sealing import survey_keys

    with in_repository(request.repo, request.data, as_json=request.as_json) as here:
        ground = survey_keys(here.place, look(here.place), request.target)
        if ground.file is not None:
            here.check_running()
    _check_options(request, ground.choice)
    if ground.recorded not in (None, ground.choice):
        remark(
            f"note: the repository was made with {ground.recorded}, "
            f"but this overlay has {ground.choice}"
        )
    return _Found(ground=ground, settings=here.settings, repository=here.located.name)


def _check_options(request: _Request, choice: SecretsChoice) -> None:
    from gitops.scaffold import SecretsChoice

    clear = (SecretsChoice.EXISTING, SecretsChoice.EXTERNAL_SECRETS)
    given: tuple[tuple[str, bool, tuple[SecretsChoice, ...]], ...] = (
        ("--certificate", bool(request.certificate), (SecretsChoice.SEALED_SECRETS,)),
        ("--age", bool(request.age), (SecretsChoice.SOPS,)),
        ("--output", bool(request.output), clear),
    )
    for option, is_given, good in given:
        if is_given and choice not in good:
            raise typer.BadParameter(f"{option} is not for an overlay with {choice}")


def _means(request: _Request, settings: Settings) -> Means:
    from service.sealing import Means

    certificate = None
    if request.certificate is not None:
        try:
            certificate = request.certificate.read_bytes()
        except OSError as error:
            raise InputError(
                f"{request.certificate}: cannot be read: {error.strerror}",
                hint="kubeseal --fetch-cert writes the certificate of a cluster",
            ) from error
    return Means(settings=settings, age=request.age, certificate=certificate)


# --- what comes of it ---


def _hand_out(
    request: _Request, found: _Found, keys: Sequence[RequiredKey], *, is_new: bool
) -> None:
    from service.cli.handout import hand_out, tell_keys
    from service.cli.output import Output

    out = Output(as_json=request.as_json)
    if request.dry_run:
        tell_keys(out, found.ground, keys)
        return
    hand_out(
        out,
        found.ground,
        keys,
        path=request.output,
        is_new=is_new,
        record=lambda names: _audit(request, found, names),
    )


def _audit(request: _Request, found: _Found, names: Sequence[str]) -> None:
    """Record that values were handed out: which, never what."""
    from service.cli.session import session

    with session(request.data, as_json=request.as_json) as here:
        here.store.audit.append(
            by=here.settings.login,
            action="keys handed out",
            repository=found.repository,
            details={
                "stack": request.target.stack,
                "environment": request.target.environment,
                "keys": ", ".join(names),
            },
        )


def _propose(
    request: _Request,
    ground: Ground,
    file: Standing,
    content: bytes,
    findings: Sequence[Finding],
) -> None:
    """Propose the one file, if it is still the one that was looked at."""
    from service.cli.changing import propose_plan
    from service.cli.handout import restart_hint
    from service.cli.output import Output

    def plan(world: World, here: RepositorySession) -> Plan:
        from gitops.errors import PlanError
        from gitops.promotion import plan_secrets
        from service.sealing import standing_file

        now = standing_file(here.place, world, request.target, file.name)
        if now.content != file.content:
            raise PlanError(
                f"{file.path}: has changed while its keys were made",
                hint="run the command again; nothing was proposed",
            )
        return plan_secrets(
            world.tree,
            world.fleet,
            request.target,
            name=file.name,
            content=content,
            findings=findings,
            requested_by=here.settings.login,
            reason=request.reason,
            holds=here.store.holds.holds(here.located.name),
        )

    propose_plan(
        plan,
        repo=request.repo,
        data=request.data,
        as_json=request.as_json,
        dry_run=request.dry_run,
    )
    out = Output(as_json=request.as_json)
    for finding in findings:
        out.line(finding.message + (f"; {finding.hint}" if finding.hint else ""))
    if file.kept:
        out.line(f"After the merge: {restart_hint(ground)}")
