"""hold, release, pause, resume, token, audit, repository, tools, schema."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gitops.errors import InputError
from service.cli.options import AsJson, Data, Reason, Repo

if TYPE_CHECKING:
    from gitops.model import EnvironmentName, StackName

token = typer.Typer(no_args_is_help=True, help="Tokens for the API and for clones.")
audit = typer.Typer(no_args_is_help=True, help="The audit trail.")
repository = typer.Typer(no_args_is_help=True, help="Repositories.")
tools = typer.Typer(no_args_is_help=True, help="The programs that we run.")
schema = typer.Typer(no_args_is_help=True, help="Published schemas.")

MaybeStack = Annotated[
    str | None, typer.Argument(metavar="[STACK]", show_default=False)
]
MaybeEnv = Annotated[str | None, typer.Argument(metavar="[ENV]", show_default=False)]


def hold(
    stack: MaybeStack = None,
    env: MaybeEnv = None,
    *,
    reason: Reason = "",
    repo: Repo = ".",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Stop changes: of a stack, of a stack in one environment, or of everything."""
    from service.cli import shapes
    from service.cli.session import in_repository

    with in_repository(repo, data, as_json=as_json) as here:
        name, place = _named(stack, env)
        here.check_names(name, place)
        placed = here.store.holds.hold(
            here.located.name,
            stack=name,
            environment=place,
            reason=reason,
            by=here.settings.login,
        )
        here.audit("hold placed", stack=name, environment=place, reason=reason)
        here.out.document({"hold": shapes.hold(placed)})
        here.out.line(f"Held: {_what(name, place)}.")


def release(
    stack: MaybeStack = None,
    env: MaybeEnv = None,
    *,
    reason: Reason = "",
    repo: Repo = ".",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """End exactly one hold; of a stack in an environment, its pin as well."""
    from gitops.model import Target
    from service.cli.session import in_repository

    with in_repository(repo, data, as_json=as_json) as here:
        name, place = _named(stack, env)
        ended = here.store.holds.release(
            here.located.name, stack=name, environment=place
        )
        if ended:
            here.audit("hold released", stack=name, environment=place, reason=reason)
        unpinned = (
            name is not None
            and place is not None
            and here.store.pins.release(
                here.located.name, Target(environment=place, stack=name)
            )
        )
        if unpinned:
            here.audit("pin released", stack=name, environment=place, reason=reason)
        done = ended or unpinned
        here.out.document({"outcome": "released" if done else "unchanged"})
        here.out.line(
            f"Released: {_what(name, place)}." if done else "There was no such hold."
        )


def _named(
    stack: str | None, env: str | None
) -> tuple[StackName | None, EnvironmentName | None]:
    """Return what a hold is for; "" as a stack, before an environment, is every one.

    Alone it is refused: a variable that is empty by mistake must not mean everything.
    """
    from gitops import environment_name, stack_name

    is_every = stack is None or (stack == "" and bool(env))
    return (
        None if is_every or stack is None else stack_name(stack),
        None if env is None else environment_name(env),
    )


def _what(stack: str | None, env: str | None) -> str:
    return " in ".join(name for name in (stack, env) if name) or "everything"


def pause(repo: Repo = ".", data: Data = None, as_json: AsJson = False) -> None:
    """Stop every write to the repository and its forge."""
    _switch(repo, data, as_json=as_json, on=True)


def resume(repo: Repo = ".", data: Data = None, as_json: AsJson = False) -> None:
    """End the pause."""
    _switch(repo, data, as_json=as_json, on=False)


def _switch(repo: str, data: Data, *, as_json: bool, on: bool) -> None:
    from service.cli.session import in_repository

    with in_repository(repo, data, as_json=as_json) as here:
        holds, name = here.store.holds, here.located.name
        changed = (
            holds.pause(name, by=here.settings.login) if on else holds.resume(name)
        )
        if changed:
            here.audit("paused" if on else "resumed")
        here.out.document({"paused": on, "changed": changed})
        here.out.line(f"{name} is {'paused' if on else 'running'}.")


@token.command("create")
def token_create(
    *,
    role: Annotated[
        str,
        typer.Option("--role", help="viewer, operator, approver, releaser or admin."),
    ],
    name: Annotated[str, typer.Option("--name", help="Shown in the list.")] = "",
    stack: Annotated[
        str, typer.Option("--stack", help="Good for this stack only.")
    ] = "",
    environment: Annotated[
        str, typer.Option("--environment", help="Good for this environment only.")
    ] = "",
    expires: Annotated[
        str, typer.Option("--expires", metavar="DATE", help="Such as 2027-01-31.")
    ] = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a token. Its text is shown once, and is not kept."""
    from gitops import environment_name, stack_name
    from service.cli.session import session
    from service.store import Role

    if role not in set(Role):
        raise InputError(f"{role[:40]!a} is no role", hint=f"one of {', '.join(Role)}")
    with session(data, as_json=as_json) as here:
        secret, made = here.store.tokens.create(
            role=Role(role),
            name=name,
            stack=stack_name(stack) if stack else "",
            environment=environment_name(environment) if environment else "",
            expires_at=_day(expires) if expires else None,
        )
        here.store.audit.append(
            by=here.settings.login,
            action="token created",
            repository="",
            details={"id": made.id, "role": made.role.value},
        )
        ends = made.expires_at.isoformat() if made.expires_at else None
        here.out.document(
            {"token": secret, "id": made.id, "role": made.role.value, "expires": ends}
        )
        here.out.line(secret)


def _day(text: str) -> datetime:
    """Read a date or a time with zone; a bare date ends with its day in UTC."""
    from datetime import UTC, timedelta

    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{text[:40]!a} is not a date", hint="write 2027-01-31"
        ) from None
    if at.tzinfo is not None:
        return at.astimezone(UTC)
    day_only = len(text) == len("2027-01-31")
    return at.replace(tzinfo=UTC) + timedelta(days=1 if day_only else 0)


@token.command("list")
def token_list(data: Data = None, as_json: AsJson = False) -> None:
    """List the tokens, without their texts."""
    from service.cli.session import session

    with session(data, as_json=as_json) as here:
        known = here.store.tokens.list()
        here.out.document(
            {
                "tokens": [
                    {
                        "id": t.id,
                        "name": t.name,
                        "role": t.role.value,
                        "stack": t.stack or None,
                        "environment": t.environment or None,
                        "created": t.created_at.isoformat(),
                        "expires": t.expires_at.isoformat() if t.expires_at else None,
                        "revoked": t.revoked,
                    }
                    for t in known
                ]
            }
        )
        here.out.table(
            ["id", "name", "role", "expires", "revoked"],
            [
                [
                    t.id,
                    t.name,
                    t.role.value,
                    f"{t.expires_at:%Y-%m-%d %H:%M %Z}" if t.expires_at else "never",
                    "yes" if t.revoked else "",
                ]
                for t in known
            ],
        )


@token.command("revoke")
def token_revoke(
    identity: Annotated[str, typer.Argument(metavar="ID")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take a token back."""
    from service.cli.session import session

    with session(data, as_json=as_json) as here:
        here.store.tokens.revoke(identity)
        here.store.audit.append(
            by=here.settings.login,
            action="token revoked",
            repository="",
            details={"id": identity},
        )
        here.out.document({"outcome": "revoked", "id": identity})
        here.out.line(f"Revoked {identity}.")


@audit.command("export")
def audit_export(data: Data = None, as_json: AsJson = False) -> None:
    """Print the audit trail: JSON lines, or one document with --json."""
    import json
    from dataclasses import asdict

    from service.cli.session import session

    with session(data, as_json=as_json) as here:
        entries = [asdict(entry) for entry in here.store.audit.entries()]
        here.out.document({"entries": entries})
        for entry in entries:
            here.out.line(json.dumps(entry, sort_keys=True))


@audit.command("verify")
def audit_verify(data: Data = None, as_json: AsJson = False) -> None:
    """Check the chain of hashes; exit code 1 when it is broken."""
    from gitops.errors import StoreError
    from service.cli.session import session
    from service.store import broken_at

    with session(data, as_json=as_json) as here:
        entries = here.store.audit.entries()
        broken = broken_at(entries)
        if broken is not None:
            raise StoreError(
                f"the audit trail is broken at entry {broken} of {len(entries)}",
                hint="a row was changed or removed outside this program",
            )
        here.out.document({"entries": len(entries), "verified": True})
        here.out.line(f"{len(entries)} entries, unbroken.")


@repository.command("add")
def repository_add(
    folder: Annotated[Path, typer.Argument(metavar="DIR")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Give a work tree without an origin one of the embedded forge."""
    from service.cli.session import session
    from service.creation import add_repository

    with session(data, as_json=as_json) as here:
        made = add_repository(here.settings, folder)
        here.store.audit.append(
            by=here.settings.login,
            action="repository added",
            repository=made.name,
            details={"commit": made.commit},
        )
        here.out.document(
            {"outcome": "added", "repository": made.name, "commit": made.commit}
        )
        here.out.line(f"Added {made.name}; its origin is the embedded forge now.")


@repository.command("list")
def repository_list(data: Data = None, as_json: AsJson = False) -> None:
    """List the repositories of the embedded forge."""
    from service.cli.session import session
    from service.origins import repository_names

    with session(data, as_json=as_json) as here:
        names = repository_names(here.settings)
        here.out.document(
            {
                "repositories": [
                    {"name": n, "paused": here.store.holds.is_paused(n)} for n in names
                ]
            }
        )
        for name in names:
            here.out.line(name)


@tools.command("install")
def tools_install(data: Data = None, as_json: AsJson = False) -> None:
    """Fetch the pinned kustomize, check its SHA-256, and keep it in the cache."""
    from gitops.toolchain import install_kustomize
    from service import settings as settings_module
    from service.cli.output import Output
    from service.folders import prepare

    out = Output(as_json=as_json)
    settings = settings_module.load(data=data)
    prepare(settings.data)
    with out.progress() as progress:
        tool = install_kustomize(
            settings.cache,
            environment=settings.index_environment,
            progress=lambda done, total: progress("fetch", done, total),
        )
    out.document({"path": str(tool.path), "version": tool.version})
    out.line(f"kustomize {tool.version}: {tool.path}")


@schema.command("gitops")
def schema_gitops() -> None:
    """Print the JSON Schema of gitops.yaml."""
    from gitops.fleet import fleet_schema
    from service.cli.output import Output

    Output(as_json=True).document(fleet_schema())
