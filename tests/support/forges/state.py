"""What every fake forge keeps: a real repository, and pull requests over it.

The embedded forge is the engine: numbers, heads that move with a push, merges by Git,
branches that go. What it lacks (labels, reviewers, checks, people) is kept here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from gitops.forges import PullRequestDraft, Status
from gitops.forges.embedded import EmbeddedForge
from gitops.git import BareRepository, Identity
from gitops.model import (
    Approval,
    BranchName,
    Check,
    Comment,
    CommitId,
    FileEdit,
    PullRequest,
)

BOT: Final = "fleet-bot"
TOKEN: Final = "t0ken-of-the-fleet-bot"  # noqa: S105 - of a fake
MAIN: Final = BranchName("main")
NOON: Final = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PERSON: Final = Identity(name="Ann Example", email="ann@example.com")


@dataclass
class Note:
    """A comment with the id that a forge gives it."""

    id: int
    number: int
    comment: Comment


@dataclass
class ForgeState:
    """One repository of a fake forge.

    Attributes:
        folder: for the repository and its database.
        owner: of the repository, as the forge's addresses have it.
        name: of the repository.
        people: logins that exist, with a number each; the bot is one of them.
        collaborators: logins that may be asked to review.
        tokens: credentials that are accepted.
        may_write: whether the credential may change anything.
        blocked: why the forge's own rules let nothing be merged; empty: they do.
        undecided: answers "mergeability not known yet" so many times.
        writes: what was changed, by name of the operation: created, edited, merged ...
    """

    folder: Path
    owner: str = "team"
    name: str = "fleet"
    people: dict[str, int] = field(
        default_factory=lambda: {BOT: 1, "ann": 2, "ben": 3, "eve": 4}
    )
    collaborators: set[str] = field(default_factory=lambda: {"ann", "ben"})
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    may_write: bool = True
    blocked: str = ""
    undecided: int = 0
    writes: Counter[str] = field(default_factory=Counter)
    labels: dict[int, set[str]] = field(default_factory=dict)
    reviewers: dict[int, set[str]] = field(default_factory=dict)
    builds: dict[CommitId, dict[str, Check]] = field(default_factory=dict)
    statuses: dict[CommitId, dict[str, Status]] = field(default_factory=dict)
    merges_later: set[int] = field(default_factory=set)
    from_forks: set[int] = field(default_factory=set)
    drafts: set[int] = field(default_factory=set)
    notes: list[Note] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.repository = BareRepository.create(self.folder / f"{self.name}.git", MAIN)
        self.forge = EmbeddedForge(
            self.repository, self.folder / f"{self.name}.db", keep_branches=True
        )
        self._seconds = 0
        first = self.commit({"a.txt": "one\n"}, on=None, message="First")
        self.repository.update_ref(MAIN, first, expected=None)

    # --- time ---

    def now(self) -> datetime:
        """Return a moment later than every one before."""
        self._seconds += 1
        return NOON + timedelta(seconds=self._seconds)

    # --- git ---

    def commit(
        self, files: Mapping[str, str], *, on: CommitId | None, message: str = "Change"
    ) -> CommitId:
        """Write files onto a commit; no branch moves."""
        edits = [
            FileEdit(
                path=path,
                before=self.repository.blob_at(on, path) if on else None,
                after=text.encode(),
            )
            for path, text in files.items()
        ]
        return self.repository.commit(
            tree_of=on,
            edits=edits,
            parents=(on,) if on else (),
            message=message,
            author=PERSON,
            at=NOON,
        )

    def tip(self, branch: str) -> CommitId | None:
        """Return where a branch is."""
        return self.repository.tip(BranchName(branch))

    # --- pull requests ---

    def find(self, number: int) -> PullRequest | None:
        """Return one; None when there is none of that number."""
        return next((p for p in self.forge.list_all() if p.number == number), None)

    def all(self) -> tuple[PullRequest, ...]:
        """Return every one, oldest first."""
        return self.forge.list_all()

    def create(
        self, *, head: str, base: str, title: str, body: str, by: str = BOT
    ) -> PullRequest:
        """Open one; what a forge refuses, its fake has refused before.

        Raises:
            ForgeConflictError: there is no such base, or nothing to merge.
        """
        tip = self.tip(head)
        assert tip is not None
        draft = PullRequestDraft(
            branch=BranchName(head),
            base=BranchName(base),
            head=tip,
            title=title,
            body=body,
            author=by,
        )
        self.writes["created"] += 1
        return self.forge.open(draft, now=self.now())

    def edit(self, number: int, *, title: str | None, body: str | None) -> PullRequest:
        """Replace texts; None leaves one as it is."""
        shown = self.forge.read(number)
        draft = PullRequestDraft(
            branch=shown.branch,
            base=shown.base,
            head=shown.head,
            title=shown.title if title is None else title,
            body=shown.body if body is None else body,
            author=shown.author,
        )
        self.writes["edited"] += 1
        return self.forge.update(number, draft, now=self.now())

    def say(self, number: int, text: str, *, by: str = BOT) -> Note:
        """Add a comment."""
        self.writes["commented"] += 1
        said = Comment(by=by, at=self.now(), text=text)
        note = Note(id=1000 + len(self.notes), number=number, comment=said)
        self.notes.append(note)
        return note

    def rewrite(self, note_id: int, text: str) -> Note | None:
        """Replace a comment's text; None when there is none of that id."""
        for note in self.notes:
            if note.id == note_id:
                self.writes["rewritten"] += 1
                old = note.comment
                note.comment = Comment(by=old.by, at=old.at, text=text)
                return note
        return None

    def notes_of(self, number: int) -> list[Note]:
        """Return the comments of one, oldest first."""
        return [note for note in self.notes if note.number == number]

    def approve(self, number: int, *, by: str) -> None:
        """A person approves the present head."""
        shown = self.forge.read(number)
        self.forge.approve(number, head=shown.head, by=by, now=self.now())

    def approvals_of(self, number: int) -> tuple[Approval, ...]:
        """Return every approval, of any head."""
        return self.forge.read(number).approvals
