"""What a target says of its Secret: who makes it, which keys, what is there already.

An open pull request counts as there, so that a second change adds to it. It must not
ask a person for anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from gitops.errors import ForgeNotFoundError, GitopsError, PlanError, UnknownNameError
from gitops.model import (
    Finding,
    Intent,
    Json,
    Manifest,
    PlanKind,
    PullRequest,
    PullRequestState,
    Target,
    TargetScope,
    WriteFile,
)
from gitops.overlay import read_overlay
from gitops.reach import reached
from gitops.scaffold import SecretsChoice, read_generated
from gitops.secretfile import (
    SEALED_FILE,
    SECRET_NAME,
    SOPS_FILE,
    keys_in,
    read_secret_file,
)
from gitops.workflow import Workplace, World
from service.secrets import RequiredKey, required_keys

RULES_FILE: Final = ".sops.yaml"
_FILES: Final = {
    SecretsChoice.SOPS: SOPS_FILE,
    SecretsChoice.SEALED_SECRETS: SEALED_FILE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An overlay's file of encrypted keys, as it is or as a pull request proposes it.

    Attributes:
        name: SOPS_FILE or SEALED_FILE.
        path: in the repository.
        content: its bytes; those of the open pull request if one changes it.
        body: the Secret in it; None while there is none.
        kept: the names of the keys that it has on the base branch.
        pull_request: the open one that changes it; None without one, or while an
            interrupted change has not come so far.
        findings: what that one tells its reviewers of the new values.
    """

    name: str
    path: str
    content: bytes
    body: Mapping[str, Json] | None
    kept: frozenset[str]
    pull_request: PullRequest | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What one target says of its Secret.

    Attributes:
        target: the stack in its environment.
        choice: who makes the Secret, as the overlay says it.
        recorded: what `init` was told; None where there is no record.
        namespace: where the pods look for it.
        required: the keys that the overlay refers to, by name.
        file: the file of encrypted keys; None where there is none in Git.
        rules: the repository's .sops.yaml; None without one.
    """

    target: Target
    choice: SecretsChoice
    recorded: SecretsChoice | None
    namespace: str
    required: tuple[RequiredKey, ...]
    file: Standing | None
    rules: bytes | None

    def key(self, name: str) -> RequiredKey:
        """Find a key that the overlay refers to.

        Raises:
            UnknownNameError: it refers to none of that name, which is not shown: it
                may be a value in the wrong place.
        """
        found = {key.spec.name: key for key in self.required}
        if name in found:
            return found[name]
        raise UnknownNameError(
            f"{self.target}: one of the names given is not a key of its Secret",
            hint=f"the overlay refers to {', '.join(found)}",
        )


# --- looking ---


def survey_keys(place: Workplace, world: World, target: Target) -> Ground:
    """Look at a target's rendered overlay: who makes its Secret, with which keys.

    Raises:
        UnknownNameError: no such environment, or no such stack there.
        RenderError: the overlay does not build.
        PlanError: the overlay refers to no key, or it cannot be told where its Secret
            comes from.
        TreeError: the overlay, or the file of encrypted keys, cannot be read.
    """
    overlay = read_overlay(world.tree, world.fleet, target)
    objects = place.renderer.render(world.tree, [overlay.path])[overlay.path].objects
    required = required_keys(objects)
    if not required:
        raise PlanError(
            f"{overlay.path}: nothing in it refers to a key of {SECRET_NAME}",
            hint="only keys that the pods take by secretKeyRef are made",
        )
    files = reached(world.tree, overlay.path)
    choice = _choice(objects, frozenset(files), overlay.path)
    name = _FILES.get(choice)
    return Ground(
        target=target,
        choice=choice,
        recorded=_recorded(world),
        namespace=_namespace(objects, overlay.path),
        required=required,
        file=standing_file(place, world, target, name) if name else None,
        rules=world.tree.read(RULES_FILE) if RULES_FILE in world.tree else None,
    )


def standing_file(
    place: Workplace, world: World, target: Target, name: str
) -> Standing:
    """Return an overlay's file of encrypted keys, as an open pull request has it.

    Raises:
        TreeError: there is none, or it cannot be read.
    """
    path = f"{read_overlay(world.tree, world.fleet, target).path}/{name}"
    standing = world.tree.read(path)
    body = read_secret_file(standing, path)
    kept = keys_in(body) if body is not None else frozenset()
    for intent in reversed(place.log.live(place.name)):
        content = _proposed(intent, target, path)
        if content is None:
            continue
        shown = _open_request(place, intent)
        if shown is None and intent.pull_request is not None:
            continue  # merged or closed since we last looked
        return Standing(
            name=name,
            path=path,
            content=content,
            body=read_secret_file(content, path),
            kept=kept,
            pull_request=shown,
            findings=intent.plan.findings,
        )
    return Standing(name=name, path=path, content=standing, body=body, kept=kept)


def _proposed(intent: Intent, target: Target, path: str) -> bytes | None:
    if intent.plan.kind is not PlanKind.SECRETS or intent.plan.scope != TargetScope(
        target=target
    ):
        return None
    return next(
        (
            change.content
            for change in intent.plan.changes
            if isinstance(change, WriteFile) and change.path == path
        ),
        None,
    )


def _open_request(place: Workplace, intent: Intent) -> PullRequest | None:
    if intent.pull_request is None:
        return None
    try:
        shown = place.forge.read(intent.pull_request)
    except ForgeNotFoundError:
        return None
    return shown if shown.state is PullRequestState.OPEN else None


def _choice(
    objects: Iterable[Manifest], files: frozenset[str], folder: str
) -> SecretsChoice:
    """Tell who makes the Secret, by what the overlay holds."""
    found = [c for c, name in _FILES.items() if f"{folder}/{name}" in files]
    ours = [m for m in objects if _makes_secret(m)]
    if any(m.kind == "ExternalSecret" for m in ours):
        found.append(SecretsChoice.EXTERNAL_SECRETS)
    if len(found) > 1:
        ways = ", ".join(sorted(found))
        raise PlanError(
            f"{folder}: makes {SECRET_NAME} in more than one way: {ways}",
            hint="keep one of them",
        )
    if not found and ours:
        raise PlanError(
            f"{folder}: has {SECRET_NAME} from a file of its own",
            hint=f"only {SOPS_FILE} and {SEALED_FILE} in its folder are written",
        )
    return found[0] if found else SecretsChoice.EXISTING


def _makes_secret(manifest: Manifest) -> bool:
    if manifest.kind == "ExternalSecret":
        spec = manifest.body.get("spec")
        target = spec.get("target") if isinstance(spec, Mapping) else None
        name = target.get("name") if isinstance(target, Mapping) else None
        return (name or manifest.name) == SECRET_NAME
    return manifest.kind in ("Secret", "SealedSecret") and manifest.name == SECRET_NAME


def _namespace(objects: Iterable[Manifest], folder: str) -> str:
    """Return where the pods look for the Secret; sealing binds the values to it."""
    found = sorted({m.namespace for m in objects if required_keys((m,))})
    if len(found) != 1 or not found[0]:
        told = ", ".join(name or "(none)" for name in found)
        raise PlanError(
            f"{folder}: the objects that need {SECRET_NAME} are not in one namespace: "
            f"{told}",
            hint="set namespace: in the overlay's kustomization",
        )
    return found[0]


def _recorded(world: World) -> SecretsChoice | None:
    try:
        return read_generated(world.tree).choices.secrets
    except GitopsError:
        return None  # made by hand, and the overlay says what counts
