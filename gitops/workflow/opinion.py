"""What we say of a pull request that somebody else has opened. Writes nowhere.

Promise: whatever its files hold, what comes out is an Opinion; no secret is in it, and
no word of the head's own outside of what `review` makes harmless.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from gitops.errors import GitopsError, RenderError, TreeError
from gitops.layout import FLEET_FILE
from gitops.model import (
    CommitId,
    FileEdit,
    Finding,
    Manifests,
    PullRequest,
    Severity,
    Tree,
)
from gitops.review import write_remark, write_short_remark
from gitops.validate import check_manifests, check_tree, scan_secrets
from gitops.workflow.check import finding_of
from gitops.workflow.examine import new_findings, render
from gitops.workflow.place import Workplace, fleet_of
from gitops.workflow.prospect import CAPS, Caps, Colliding, Prepared, Prospect, Unseen

_MARK: Final = 200  # bytes that an adapter may add to a comment to know it again
_OWN_RULES: Final = (
    "Its own gitops.yaml was checked, and decided nothing here: the base branch's did."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What we say of a pull request.

    Attributes:
        shown: the pull request; its head is the one that was looked at.
        base: the commit of the base branch.
        digest: see prospect.Prepared.
        is_bad: it must not be merged as it is.
        is_final: another base branch does not change this.
        speaks: there is something worth a comment.
        verdict: one line, for the status.
        text: Markdown, for the comment.
        findings: what is wrong with it; what the base has already is left out.
    """

    shown: PullRequest
    base: CommitId
    digest: str
    is_bad: bool
    is_final: bool = False
    speaks: bool = True
    verdict: str
    text: str
    findings: tuple[Finding, ...]


def opinion_of(place: Workplace, prospect: Prospect, *, caps: Caps = CAPS) -> Opinion:
    """Render what it changes, if it can be, check it, and write what we say of it.

    Raises:
        ToolError: kustomize cannot be started.
        GitError: something that was here is here no more.
    """
    match prospect:
        case Prepared():
            return _studied(place, prospect, caps)
        case Unseen():
            return _unseen(place, prospect)
        case Colliding():
            return _colliding(place, prospect)
        case _:
            assert_never(prospect)


# --- what is not rendered ---


def _unseen(place: Workplace, prospect: Unseen) -> Opinion:
    finding = Finding(
        rule="not-looked-at",
        severity=Severity.ERROR,
        path="",
        message=prospect.reason,
        hint="make it smaller, or look at it by hand",
    )
    said = "This was not looked at."
    return Opinion(
        shown=prospect.shown,
        base=prospect.base,
        digest=prospect.digest,
        is_bad=True,
        is_final=prospect.is_final,
        verdict=f"not looked at: {prospect.reason}",
        text=_short(place, prospect, said, (finding,)),
        findings=(finding,),
    )


def _colliding(place: Workplace, prospect: Colliding) -> Opinion:
    findings = tuple(
        Finding(
            rule="merge-conflict",
            severity=Severity.ERROR,
            path=path,
            message="changed here and on the base branch",
            hint="merge the base branch into yours, and resolve it there",
        )
        for path in prospect.paths
    )
    count = _counted(len(findings), "file")
    said = f"It cannot be merged: {count} changed on both sides."
    return Opinion(
        shown=prospect.shown,
        base=prospect.base,
        digest=prospect.digest,
        is_bad=True,
        verdict=f"cannot be merged: {count} changed on both sides",
        text=_short(place, prospect, said, findings),
        findings=findings,
    )


def _short(
    place: Workplace,
    prospect: Unseen | Colliding,
    said: str,
    findings: Sequence[Finding],
) -> str:
    return write_short_remark(
        repository=place.name,
        branch=prospect.shown.branch,
        head=prospect.shown.head,
        base=prospect.base,
        summary=(said,),
        findings=findings,
        body_limit=_limit(place),
    )


# --- what is ---


def _studied(place: Workplace, prepared: Prepared, caps: Caps) -> Opinion:
    reached = sorted({*prepared.was, *prepared.will, *prepared.broken})
    chosen = reached[: caps.overlays]
    old, _ = render(place, prepared.before, [f for f in chosen if f in prepared.was])
    new, unbuilt = render(
        place, prepared.after, [f for f in chosen if f in prepared.will]
    )
    unbuilt |= {f: e for f, e in prepared.broken.items() if f in chosen}
    edits, unread = _edits(prepared)
    secrets = scan_secrets(edits)
    known = _found(place, prepared, prepared.before, old)
    found = _found(place, prepared, prepared.after, new)
    fresh = new_findings(known, found)
    broken = _unbuilt(unbuilt, hides=bool(secrets))
    findings = (*secrets, *_own_rules(prepared), *broken, *fresh, *unread)
    findings = tuple(dict.fromkeys(findings))
    stale = [f for f in found if f not in fresh and _is_in(f, chosen)]
    text = write_remark(
        repository=place.name,
        branch=prepared.shown.branch,
        head=prepared.shown.head,
        base=prepared.base,
        before={f: m for f, m in old.items() if f not in unbuilt},
        after=new,
        edits=edits,
        findings=findings,
        notes=_notes(prepared, len(reached), len(chosen), len(stale)),
        body_limit=_limit(place),
    )
    return Opinion(
        shown=prepared.shown,
        base=prepared.base,
        digest=prepared.digest,
        is_bad=any(f.severity is Severity.ERROR for f in findings),
        speaks=bool(reached or findings),
        verdict=_verdict(findings),
        text=text,
        findings=findings,
    )


def _found(
    place: Workplace,
    prepared: Prepared,
    tree: Tree,
    rendered: Mapping[str, Manifests],
) -> tuple[Finding, ...]:
    in_manifests = (
        finding
        for folder in sorted(rendered)
        for finding in check_manifests(rendered[folder], place.schemas)
    )
    return (*check_tree(tree, prepared.fleet), *in_manifests)


def _own_rules(prepared: Prepared) -> tuple[Finding, ...]:
    """Check the head's own gitops.yaml, which decides nothing here."""
    if FLEET_FILE not in prepared.paths:
        return ()
    try:
        fleet_of(prepared.after)
    except TreeError as error:
        return (finding_of(error, "unparsable", path=FLEET_FILE),)
    return ()


def _unbuilt(unbuilt: Mapping[str, GitopsError], *, hides: bool) -> tuple[Finding, ...]:
    """Tell why overlays do not build.

    Args:
        unbuilt: folder -> reason.
        hides: leave out kustomize's words: they may quote a secret that was found.
    """
    if hides:
        unbuilt = {folder: _untold(folder) for folder in unbuilt}
    return tuple(
        finding_of(error, "does-not-build", path=folder)
        for folder, error in sorted(unbuilt.items())
    )


def _untold(folder: str) -> GitopsError:
    return RenderError(
        "does not build; why is not told beside a secret",
        path=folder,
        hint="take the secret out first",
    )


def _edits(prepared: Prepared) -> tuple[tuple[FileEdit, ...], tuple[Finding, ...]]:
    """Read what changes; a file that is too large is named, and not searched."""
    edits: list[FileEdit] = []
    unread: list[Finding] = []
    for tree in (prepared.before, prepared.after):
        tree.prefetch(prepared.paths)
    for path in sorted(prepared.paths):
        before = _content(prepared.before, path)
        after = _content(prepared.after, path)
        edits.append(FileEdit(path=path, before=before, after=after))
        if after == b"" and _is_large(prepared.after, path):
            unread.append(_not_searched(path))
    return tuple(edits), tuple(unread)


def _content(tree: Tree, path: str) -> bytes | None:
    """Return a file's bytes; empty where it cannot be read, None where none is."""
    if path not in tree:
        return None
    try:
        return tree.read(path)
    except TreeError:
        return b""


def _is_large(tree: Tree, path: str) -> bool:
    entry = tree.entries[path]
    if not entry.mode.is_plain:
        return False
    try:
        tree.read(path)
    except TreeError:
        return True
    return False


def _not_searched(path: str) -> Finding:
    return Finding(
        rule="not-searched",
        severity=Severity.WARNING,
        path=path,
        message="is too large to be searched for secrets",
        hint="look at it by hand",
    )


# --- words ---


def _notes(
    prepared: Prepared, reached: int, rendered: int, stale: int
) -> tuple[str, ...]:
    notes = []
    if reached > rendered:
        notes.append(
            f"It reaches {reached} overlays; the first {rendered} of them were "
            "rendered and checked."
        )
    if stale:
        notes.append(
            f"{_counted(stale, 'finding')} of these overlays, which the base branch "
            "has too, are not repeated here."
        )
    if FLEET_FILE in prepared.paths:
        notes.append(_OWN_RULES)
    return tuple(notes)


def _verdict(findings: Collection[Finding]) -> str:
    if not findings:
        return "no findings"
    errors = sum(f.severity is Severity.ERROR for f in findings)
    told = _counted(len(findings), "finding")
    return f"{told}, {_counted(errors, 'error')}" if errors else told


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _is_in(finding: Finding, folders: Collection[str]) -> bool:
    return finding.path in folders or finding.path.rpartition("/")[0] in folders


def _limit(place: Workplace) -> int:
    return place.forge.capabilities.body_limit - _MARK
