"""What a merge of somebody else's pull request would bring. Renders and writes nothing.

Quick, compared with rendering; its digest says whether anything could be seen that was
not seen before. The base branch's rules decide, never those of the head.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from gitops.errors import GitopsError
from gitops.git import Conflict, Refused, ReviewRoom
from gitops.layout import FLEET_FILE
from gitops.model import CommitId, Fleet, Mode, PullRequest, Tree
from gitops.workflow.examine import differing, touched
from gitops.workflow.place import Workplace, fleet_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What is looked at of one pull request.

    Attributes:
        overlays: that are rendered, before and after.
        files: that it may change; with more it is not looked at.
        size: bytes that the changed files may have together.
    """

    overlays: int = 25
    files: int = 5_000
    size: int = 32 << 20


CAPS: Final = Caps()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A head merged into the base branch, and what that touches.

    Attributes:
        shown: the pull request.
        base: the commit of the base branch.
        digest: of all that decides what can be found.
        fleet: the base branch's rules.
        before: the base branch's files.
        after: what they would be after the merge.
        paths: the files that differ.
        was: overlays of the base branch that they reach, and their files.
        will: overlays of the merge that they reach, and their files.
        broken: overlays of the merge that cannot even be read, and why.
    """

    shown: PullRequest
    base: CommitId
    digest: str
    fleet: Fleet
    before: Tree
    after: Tree
    paths: frozenset[str]
    was: Mapping[str, frozenset[str]]
    will: Mapping[str, frozenset[str]]
    broken: Mapping[str, GitopsError]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """A head that is not looked at, by its own doing.

    Attributes:
        shown: the pull request.
        base: the commit of the base branch.
        digest: of the reason.
        reason: one line, without any word of the head's own.
        is_final: another base branch does not change it.
    """

    shown: PullRequest
    base: CommitId
    digest: str
    reason: str
    is_final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Colliding:
    """A head that cannot be merged without a person.

    Attributes:
        shown: the pull request.
        base: the commit of the base branch.
        digest: of the paths.
        paths: the files that both sides have changed.
    """

    shown: PullRequest
    base: CommitId
    digest: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotThere:
    """The remote has another head than the forge shows; one of them is behind."""


Prospect: TypeAlias = Prepared | Unseen | Colliding


def prepare(
    place: Workplace,
    shown: PullRequest,
    *,
    source: str,
    base: CommitId,
    room: ReviewRoom,
    caps: Caps = CAPS,
) -> Prospect | NotThere:
    """Fetch the head if it is not here, merge it, and see what that reaches.

    Args:
        place: where.
        shown: somebody else's open pull request.
        source: where its head is at the remote; see attend.source_of.
        base: the tip of the base branch, which the mirror has.
        room: for the heads.
        caps: what is looked at.

    Raises:
        GitError: the remote is not there, or the disk refuses.
        TreeError: the base branch's own gitops.yaml is not right.
    """

    def unseen(reason: str, *, is_final: bool = False) -> Unseen:
        return Unseen(
            shown=shown,
            base=base,
            digest=_digest(("unseen", reason)),
            reason=reason,
            is_final=is_final,
        )

    if not room.holds(shown.number, shown.head):
        taken = room.take(shown.number, source, base=base)
        if isinstance(taken, Refused):
            return unseen(taken.reason, is_final=True)
        if taken != shown.head:
            return NotThere()
    merged = room.merge(base, shown.head)
    if isinstance(merged, Conflict):
        digest = _digest(("conflict", *merged.paths))
        return Colliding(shown=shown, base=base, digest=digest, paths=merged.paths)
    after = merged if isinstance(merged, Refused) else room.list_tree(merged)
    if isinstance(after, Refused):
        return unseen(after.reason)
    before = place.mirror.read_tree(base)
    paths = differing(before, after)
    reason = _too_much(after, paths, room, caps)
    return unseen(reason) if reason else _prepared(shown, base, before, after, paths)


def _too_much(after: Tree, paths: Collection[str], room: ReviewRoom, caps: Caps) -> str:
    """Say why there is too much of it; empty where there is not."""
    if len(paths) > caps.files:
        return f"it changes {len(paths)} files; at most {caps.files} are looked at"
    blobs = [
        entry.blob
        for path in paths
        if (entry := after.entries.get(path)) and entry.mode is not Mode.SUBMODULE
    ]
    sizes = room.sizes(sorted(set(blobs)))
    size = sum(sizes[blob] for blob in blobs)
    if size > caps.size:
        return (
            f"the files it changes have {size >> 20} MiB; "
            f"at most {caps.size >> 20} are looked at"
        )
    return ""


def _prepared(
    shown: PullRequest,
    base: CommitId,
    before: Tree,
    after: Tree,
    paths: frozenset[str],
) -> Prepared:
    fleet = fleet_of(before)
    was, _ = touched(before, fleet, paths)
    will, broken = touched(after, fleet, paths, built=was)
    prepared = Prepared(
        shown=shown,
        base=base,
        digest="",
        fleet=fleet,
        before=before,
        after=after,
        paths=paths,
        was=was,
        will=will,
        broken=broken,
    )
    return replace(prepared, digest=_digest(_deciding(prepared)))


def _deciding(prepared: Prepared) -> Iterator[str]:
    """Yield all that decides what is found: the files that are read, by their ids."""
    sides = ((prepared.before, prepared.was), (prepared.after, prepared.will))
    for tree, folders in sides:
        names = {path for files in folders.values() for path in files}
        for path in sorted({*prepared.paths, *names, FLEET_FILE}):
            entry = tree.entries.get(path)
            yield f"{path}\0{entry.mode} {entry.blob}" if entry else path
        yield from sorted(folders)
    for folder, error in sorted(prepared.broken.items()):
        yield f"{folder}\0{error.message}"


def _digest(parts: Iterable[str]) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(part.encode("utf-8", "backslashreplace") + b"\n")
    return found.hexdigest()
