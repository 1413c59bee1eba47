"""The worlds in which every forge must behave the same.

A world is a forge with a repository of its own and people who push to it. To have
another forge checked by the whole suite, add its factory to `WORLDS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gitops.forges import Forge
from gitops.forges.embedded import EmbeddedForge
from gitops.git import BareRepository, Identity
from gitops.model import BranchName, CommitId, FileEdit
from service.meter import Meter
from service.meter.forge import MeteredForge

MAIN: Final = BranchName("main")
NOON: Final = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
_PERSON: Final = Identity(name="Ann Example", email="ann@example.com")


class World(ABC):
    """One forge, one repository with a first commit on main, and its people."""

    forge: Forge

    @abstractmethod
    def commit(
        self, files: Mapping[str, str], *, on: CommitId, message: str = "Change"
    ) -> CommitId:
        """Write files onto a commit; no branch moves."""

    @abstractmethod
    def move(self, branch: BranchName, commit: CommitId) -> None:
        """Put a branch onto a commit, as a forced push does; make it when new."""

    @abstractmethod
    def delete(self, branch: BranchName) -> None:
        """Delete a branch, as a person does."""

    @abstractmethod
    def tip(self, branch: BranchName) -> CommitId | None:
        """Return where a branch is."""

    @abstractmethod
    def parents(self, commit: CommitId) -> tuple[CommitId, ...]:
        """Return a commit's parents."""

    @abstractmethod
    def author(self, commit: CommitId) -> str:
        """Return the name of a commit's author."""

    @abstractmethod
    def message(self, commit: CommitId) -> str:
        """Return the subject of a commit."""

    @abstractmethod
    def text(self, commit: CommitId, path: str) -> str | None:
        """Return a file of a commit; None when there is none."""

    def base(self) -> CommitId:
        """Return the tip of main."""
        tip = self.tip(MAIN)
        assert tip is not None
        return tip

    def push(
        self,
        branch: BranchName,
        text: str,
        *,
        path: str = "a.txt",
        on: CommitId | None = None,
    ) -> CommitId:
        """Push one commit, made on main or on another commit, to a branch."""
        commit = self.commit({path: text}, on=on or self.base())
        self.move(branch, commit)
        return commit


class EmbeddedWorld(World):
    """The embedded forge over a bare repository in a folder."""

    def __init__(self, folder: Path) -> None:
        self.repository = BareRepository.create(folder / "fleet.git", MAIN)
        self.database = folder / "fleet.db"
        self.forge = EmbeddedForge(
            self.repository, self.database, public_url="https://gitops.example.com/r/x/"
        )
        first = self.repository.commit(
            tree_of=None,
            edits=[FileEdit(path="a.txt", before=None, after=b"one\n")],
            parents=(),
            message="First",
            author=_PERSON,
            at=NOON,
        )
        self.repository.update_ref(MAIN, first, expected=None)

    def commit(
        self, files: Mapping[str, str], *, on: CommitId, message: str = "Change"
    ) -> CommitId:
        edits = [
            FileEdit(
                path=path, before=self.repository.blob_at(on, path), after=text.encode()
            )
            for path, text in files.items()
        ]
        return self.repository.commit(
            tree_of=on,
            edits=edits,
            parents=(on,),
            message=message,
            author=_PERSON,
            at=NOON,
        )

    def move(self, branch: BranchName, commit: CommitId) -> None:
        expected = self.repository.tip(branch)
        self.repository.update_ref(branch, commit, expected=expected)

    def delete(self, branch: BranchName) -> None:
        tip = self.repository.tip(branch)
        assert tip is not None
        assert self.repository.delete_branch(branch, expected=tip)

    def tip(self, branch: BranchName) -> CommitId | None:
        return self.repository.tip(branch)

    def parents(self, commit: CommitId) -> tuple[CommitId, ...]:
        return self.repository.history(commit, limit=1)[0].parents

    def author(self, commit: CommitId) -> str:
        return self.repository.history(commit, limit=1)[0].author

    def message(self, commit: CommitId) -> str:
        return self.repository.history(commit, limit=1)[0].subject

    def text(self, commit: CommitId, path: str) -> str | None:
        content = self.repository.blob_at(commit, path)
        return None if content is None else content.decode()


class MeteredWorld(EmbeddedWorld):
    """The same, with every call counted."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.forge = MeteredForge(self.forge, Meter())


WORLDS: Final[Mapping[str, Callable[[Path], World]]] = {
    "embedded": EmbeddedWorld,
    "metered": MeteredWorld,
}
