"""Asking a remote: one call of git, on a checked way, and what its answer means."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from gitops import layout
from gitops.errors import GitError, RemoteUnavailableError
from gitops.git.command import Answer, SafeGit
from gitops.git.failures import remote_failure
from gitops.git.remote import Remote
from gitops.git.transport import route_to
from gitops.git.walls import Walls
from gitops.model import BranchName, CommitId
from gitops.process import Limits, ProcessTimeoutError

_HEAD: Final = "HEAD"
_ALL: Final = "refs/heads/*"


def ask_remote(
    remote: Remote,
    command: str,
    *words: str,
    at: Path | None,
    limits: Limits | None = None,
    more: tuple[str, ...] = (),
) -> Answer:
    """Run a git command that talks to a remote; how it ended is part of the answer.

    Args:
        remote: whom.
        command: the subcommand.
        *words: its arguments.
        at: the repository here; None where none is needed.
        limits: instead of the remote's own.
        more: words before the subcommand.

    Raises:
        RemoteDeniedError: an address of the remote must not be reached.
        RemoteUnavailableError: it has no address, or did not answer in time.
        CredentialError: a key or a credential cannot be used.
        ToolError: git or ssh is not there.
    """
    with route_to(remote, SafeGit.search_path) as route:
        walls = Walls(
            git_dir=at,
            cwd=route.folder,
            protocol=remote.protocol,
            limits=limits or remote.limits,
            more=(*more, *route.words),
            variables=route.variables,
            hidden=route.hidden,
        )
        try:
            return SafeGit(walls=walls).ask(command, *words)
        except GitError as error:
            if isinstance(error.__cause__, ProcessTimeoutError):
                raise RemoteUnavailableError(
                    f"{remote.name}: {error.message}",
                    hint="is the remote there? It is asked again",
                ) from error
            raise


def failed(remote: Remote, answer: Answer) -> GitError:
    """Make the error of a remote that did not do what we asked."""
    return remote_failure(f"{remote.name}: git {answer.command}", answer.words)


def nothing_there(remote: Remote) -> GitError:
    """Make the error of a remote that shows no branch at all."""
    return GitError(
        f"{remote.name} has no commits",
        hint="push a first commit, or let `directus-gitops init` make one; "
        "if there are some, is it a page to sign in that answers?",
    )


def remote_refs(remote: Remote, *patterns: str, at: Path | None) -> dict[str, CommitId]:
    """Return the refs of a remote with these names, or below `name/*`.

    A branch is only believed to be gone where something else is there: over HTTP git
    reads any page as a list of refs, and that to sign in has none.

    Raises:
        GitError: the remote is not there, refuses, or shows no branch at all; or see
            ask_remote.
    """
    shown = _list(remote, *patterns, _HEAD, at=at)
    if not shown and not _list(remote, _ALL, at=at):
        raise nothing_there(remote)
    # ls-remote also takes refs/heads/x/refs/heads/b for refs/heads/b
    return {
        ref: commit
        for ref, commit in shown.items()
        if any(_matches(ref, pattern) for pattern in patterns)
    }


def remote_tip(
    remote: Remote, branch: BranchName, *, at: Path | None = None
) -> CommitId | None:
    """Ask a remote where a branch is now; None when it has no such branch.

    Raises:
        GitError: see remote_refs.
    """
    name = f"refs/heads/{layout.branch_name(branch)}"
    return remote_refs(remote, name, at=at).get(name)


def _list(remote: Remote, *patterns: str, at: Path | None) -> dict[str, CommitId]:
    words = ("--end-of-options", remote.url, *patterns)
    answer = ask_remote(remote, "ls-remote", *words, at=at)
    if answer.code != 0:
        raise failed(remote, answer)
    lines = answer.stdout.decode("utf-8", "backslashreplace").splitlines()
    pairs = (line.partition("\t") for line in lines)
    return {ref: CommitId(commit) for commit, _, ref in pairs}


def _matches(ref: str, pattern: str) -> bool:
    below = pattern.removesuffix("*")
    return ref == pattern or (below != pattern and ref.startswith(below))
