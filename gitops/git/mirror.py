"""The mirror: our bare copy of a user's repository, and the way to its remote.

A cache (rule R6): everything in it can be fetched again, so what is damaged is moved
aside and fetched again, and nothing of it is ever repaired. Branches of the remote move
only by a push with an explicit lease (rule R3); no text of a user is in a refspec that
has not passed layout.branch_name.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from gitops import layout
from gitops.errors import (
    GitError,
    MirrorError,
    PushRejectedError,
)
from gitops.git.asking import (
    ask_remote,
    failed,
    nothing_there,
    remote_refs,
    remote_tip,
)
from gitops.git.command import Answer, SafeGit
from gitops.git.remote import Credential, Remote, check_url
from gitops.git.repository import Repository, checked_commit, prefix_blocked
from gitops.git.reviews import FETCHED_BYTES, ROOM_BYTES, ReviewRoom
from gitops.model import BranchName, CommitId
from gitops.process import Limits

_NAMESPACE: Final = "refs/remotes/origin/"
_HEAD: Final = b"ref: refs/heads/none\n"  # a mirror has no branches of its own
_FETCH: Final = (
    "--prune",
    "--no-tags",
    "--no-auto-maintenance",
    "--no-write-fetch-head",
    "--no-recurse-submodules",
    "--end-of-options",
)
_AS_MADE: Final = "--format=create %(refname) %(objectname)"
_PUSH: Final = ("--porcelain", "--no-verify", "--no-follow-tags", "--no-signed")
_REJECTED: Final = re.compile(r"^!\t.*\t\[(.*rejected\] .*)$", re.MULTILINE)
_RACE_WORDS: Final = ("stale info", "cannot lock ref", "failed to update ref")


class Mirror(Repository):
    """One remote repository and our copy of it.

    Args:
        path: the folder of the copy; it may not exist yet.
        remote: where the original is.
    """

    def __init__(self, path: Path, remote: Remote) -> None:
        super().__init__(path, namespace=_NAMESPACE)
        self._remote = remote
        self._was_mended = False

    @classmethod
    def open_or_clone(
        cls,
        path: Path,
        url: str = "",
        *,
        credential: Credential | None = None,
        allow_file: bool = False,
        remote: Remote | None = None,
    ) -> Mirror:
        """Open our copy of a repository; fetch it anew where it is not whole.

        Args:
            path: the folder of the copy, in our data directory.
            url: the original's address; that of the remote, where one is given.
            credential: for the address.
            allow_file: whether the original may be a folder of this machine.
            remote: the original, and how it is reached; instead of the others.

        Raises:
            GitError: the original is not there, refuses, or has no commits.
            InputError: the address is none that we use.
        """
        checked = check_url(remote.url if remote else url, allow_file=allow_file)
        if remote is None:
            remote = Remote(url=checked, credential=credential)
        mirror = cls(path.absolute(), remote)
        if not mirror._is_whole():
            mirror._clone_again(seen=mirror._identity())
        return mirror

    # --- the remote ---

    def fetch(self) -> None:
        """Take over the remote's branches as they are now.

        Raises:
            GitError: the remote is not there, refuses, or has no commits.
            ToolError: there is no git.
        """
        # Two at once would find each other's locks of refs, and one would fail.
        try:
            with self._alone():
                self._fetch_alone()
        except OSError as error:
            raise GitError(
                f"our copy of {self._remote.name} cannot be kept: {error.strerror}",
                hint="is the disk full, and may this user write to the data folder?",
            ) from error

    def _fetch_alone(self) -> None:
        if not self._is_whole():
            self._clone_in_place()
            return
        before = self._git.ask("for-each-ref", _AS_MADE, "--", self._namespace)
        answer = self._fetch_into(self._path)
        if answer.shows_damage:  # also where the fetch could go around it
            self._clone_in_place()
        elif answer.code != 0:
            raise failed(self._remote, answer)
        self._was_mended = False
        branches = self.branches()
        if not branches:
            # Over HTTP git reads any page as a list of branches: that to sign in has
            # none. So they are not believed to be gone, all at once.
            self._git.ask("update-ref", "--stdin", stdin=before.stdout)
        self._check_commits(branches)

    def remote_tip(self, branch: BranchName) -> CommitId | None:
        """Ask the remote where a branch is now; None when it has no such branch.

        Raises:
            GitError: the remote is not there, or refuses.
        """
        return remote_tip(self._remote, branch, at=self._path)

    def check_free(self, branch: BranchName) -> None:
        """Refuse a branch that cannot be beside another one, as last fetched.

        Raises:
            GitError: a branch's name is in the way.
        """
        for other in self.branches():
            if f"{other}/".startswith(f"{branch}/") != f"{branch}/".startswith(
                f"{other}/"
            ):
                raise prefix_blocked(branch, other)

    def push(
        self, commit: CommitId, branch: BranchName, *, expected: CommitId | None
    ) -> None:
        """Move a branch of the remote to a commit; nothing to do when it is there.

        Args:
            commit: the new tip.
            branch: it is made when expected is None.
            expected: where the branch must be; None when it must not be there.

        Raises:
            PushRejectedError: the branch is somewhere else; it stays there.
            GitError: the remote refuses, or a branch's name is in the way.
        """
        name = f"refs/heads/{layout.branch_name(branch)}"
        self._check_here(commit)
        answer = self._push(f"{commit}:{name}", name, expected)
        if answer.code != 0:
            self._judge_push(answer, commit, name, expected)

    def delete_remote_branch(self, branch: BranchName, *, expected: CommitId) -> bool:
        """Delete a branch of the remote if it is at a commit; whether we did.

        Raises:
            GitError: the remote is not there, or refuses.
        """
        name = f"refs/heads/{layout.branch_name(branch)}"
        if self._remote_refs(name).get(name) != checked_commit(expected):
            return False
        answer = self._push(f":{name}", name, expected)
        if answer.code != 0 and self._remote_refs(name).get(name) == expected:
            raise GitError(
                f"{self._remote.name} does not let us delete {branch}: {answer.words}"
            )
        return answer.code == 0

    def reviews(
        self, *, fetched_bytes: int = FETCHED_BYTES, room_bytes: int = ROOM_BYTES
    ) -> ReviewRoom:
        """Return the room beside our copy for the heads of people's pull requests.

        Args:
            fetched_bytes: what one head may weigh, packed.
            room_bytes: what all of them may.
        """

        def fetch(
            place: Path, refspec: str, *, limits: Limits, more: Sequence[str]
        ) -> Answer:
            words = (*_FETCH, self._remote.url, refspec)
            return self._ask_remote(
                "fetch", *words, at=place, limits=limits, more=tuple(more)
            )

        return ReviewRoom(
            self._path.with_name(f"{self._path.name}.reviews"),
            self._path,
            fetch,
            fetched_bytes=fetched_bytes,
            room_bytes=room_bytes,
        )

    def _push(self, refspec: str, name: str, expected: CommitId | None) -> Answer:
        lease = (
            f"--force-with-lease={name}:{checked_commit(expected) if expected else ''}"
        )
        words = (*_PUSH, lease, "--end-of-options", self._remote.url, refspec)
        answer = self._ask_remote("push", *words)
        reasons = _REJECTED.findall(answer.stdout.decode("utf-8", "backslashreplace"))
        return replace(answer, words="; ".join([*reasons, answer.words]))

    def _judge_push(
        self, answer: Answer, commit: CommitId, name: str, expected: CommitId | None
    ) -> None:
        """Look where the branch is now, rather than believe words about why."""
        parts = name.split("/")
        above = ["/".join(parts[:count]) for count in range(3, len(parts))]
        refs = self._remote_refs(name, f"{name}/*", *above)
        at = refs.pop(name, None)
        if at == commit:
            return  # an earlier try has arrived
        branch = name.removeprefix("refs/heads/")
        if at != expected:
            where = f"at {at[:12]}" if at else "gone"
            raise PushRejectedError(
                f"{branch} of {self._remote.name} is {where}, not where we saw it"
            )
        if refs and at is None:
            raise prefix_blocked(branch, min(refs).removeprefix("refs/heads/"))
        if answer.shows_damage:
            self._mend(answer.words)
            raise MirrorError("our copy was damaged and is fetched again; start anew")
        if any(words in answer.words for words in _RACE_WORDS):
            raise PushRejectedError(f"{branch}: somebody else is moving it right now")
        raise failed(self._remote, answer)

    def _remote_refs(self, *patterns: str) -> dict[str, CommitId]:
        return remote_refs(self._remote, *patterns, at=self._path)

    def _ask_remote(
        self,
        command: str,
        *words: str,
        at: Path | None = None,
        limits: Limits | None = None,
        more: tuple[str, ...] = (),
    ) -> Answer:
        place = at or self._path
        return ask_remote(
            self._remote, command, *words, at=place, limits=limits, more=more
        )

    # --- our copy ---

    @property
    def _config(self) -> bytes:
        """All that our copy's configuration holds; anything else is a damage."""
        return (
            "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
            f'[remote "origin"]\n\turl = "{self._remote.url}"\n'
        ).encode()

    def _is_whole(self) -> bool:
        """Whether our copy looks as we made it; damage inside shows when it is read."""
        try:
            return (
                (self._path / "config").read_bytes() == self._config
                and (self._path / "HEAD").read_bytes() == _HEAD
                and (self._path / "objects").is_dir()
                and (self._path / "refs").is_dir()
            )
        except OSError:
            return False

    def _identity(self) -> int | None:
        """Tell this copy from one that another process puts in its place."""
        with contextlib.suppress(OSError):
            return self._path.stat().st_ino
        return None

    def _mend(self, words: str) -> None:
        if self._was_mended:
            raise MirrorError(
                f"our copy of {self._remote.name} is damaged: {words}",
                hint="delete the folder mirrors/ of the data directory",
            )
        self._was_mended = True
        self._clone_again(seen=self._identity())

    def _clone_again(self, *, seen: int | None) -> None:
        """Put a fresh copy in the place of ours, and keep the old one beside it.

        Args:
            seen: which copy is to be replaced; another one is newer and is kept.
        """
        with self._alone():
            if self._identity() == seen or not self._is_whole():
                self._clone_in_place()

    def _clone_in_place(self) -> None:
        fresh = self._path.with_name(f"{self._path.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            self._clone_into(fresh)
            self._put_aside()
            fresh.rename(self._path)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one at a time, thread or process, write; a dead one's lock is gone."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_name(f"{self._path.name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _clone_into(self, fresh: Path) -> None:
        fresh.mkdir()
        SafeGit().init("--bare", "--quiet", "--template=", "--", str(fresh))
        (fresh / "config").write_bytes(self._config)
        (fresh / "HEAD").write_bytes(_HEAD)
        answer = self._fetch_into(fresh)
        if answer.code != 0:
            raise failed(self._remote, answer)
        self._check_commits(Mirror(fresh, self._remote).branches())

    def _fetch_into(self, place: Path) -> Answer:
        refspec = f"+refs/heads/*:{_NAMESPACE}*"
        words = (*_FETCH, self._remote.url, refspec)
        return self._ask_remote("fetch", *words, at=place)

    def _check_commits(self, branches: dict[BranchName, CommitId]) -> None:
        if not branches:
            raise nothing_there(self._remote)

    def _put_aside(self) -> None:
        if not self._path.exists():
            return
        aside = self._path.with_name(f"{self._path.name}.damaged")
        shutil.rmtree(aside, ignore_errors=True)
        self._path.rename(aside)
