"""What git needs of each repository on a forge: a way in, and a key that signs."""

from __future__ import annotations

from collections.abc import Iterator

from gitops import branch_name
from gitops.errors import GitopsError, InputError
from gitops.git import SigningFormat, fingerprint_of, remote_tip, use_git
from service.clock import Clock
from service.configuration import ForgeKind, RepositorySettings
from service.doctor.checks import Check
from service.forges import Forges
from service.repository import remote_of, scratch_of
from service.settings import Settings


def look(settings: Settings, _clock: Clock) -> Iterator[Check]:
    """Ask each remote where its branch is, and open each key that signs."""
    try:
        described_ones = settings.repositories
    except InputError:
        return  # told by the check of service.toml
    use_git(settings.search_path)
    for described in described_ones:
        if described.forge is not ForgeKind.EMBEDDED:
            yield _reached(settings, described)
        if described.git.signing is not None:
            yield _signs(settings, described, described.git.signing)


def _reached(settings: Settings, described: RepositorySettings) -> Check:
    name = f"{described.name}/git"
    branch = branch_name(described.branch)
    try:
        with Forges() as forges:
            remote = remote_of(settings, described, forges)
            tip = remote_tip(remote, branch)
    except GitopsError as error:
        return Check.problem(name, error.message, error.hint or "see docs/git.md")
    if tip is None:
        return Check.problem(
            name,
            f"git gets in over {remote.protocol}, but there is no branch {branch}",
            "name the branch that pull requests go to as `branch` of the repository",
        )
    return Check.ok(
        name, f"git gets in over {remote.protocol}; {branch} is at {tip[:12]}"
    )


def _signs(
    settings: Settings, described: RepositorySettings, form: SigningFormat
) -> Check:
    name = f"{described.name}/signing"
    try:
        signer = described.git.signer(None, scratch_of(settings))
        shown = fingerprint_of(signer) if signer is not None else "no key"
    except GitopsError as error:
        return Check.problem(name, error.message, error.hint or "see docs/git.md")
    return Check.ok(name, f"commits are signed with {form.value}: {shown}")
