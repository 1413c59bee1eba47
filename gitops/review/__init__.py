"""TELL: what a reviewer reads, from the plans, the edits and what they render to.

    diff_manifests -> phrases -> title, body, summary, commit message

Promise: the same input gives the same words, byte for byte; no secret and nothing
live from outside is in them; the body keeps the forge's limit. Pure: it asks nobody,
knows no forge, and reads no clock.

    objects    which rendered objects differ (fields, manifest_text, masking below it)
    words      what differs in plain words (topics below it)
    title, body (bundles), commit_message
    remark     the comment on a pull request that is somebody else's
    text       R17: text from outside made harmless
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gitops.model import (
    BranchName,
    CommitId,
    Difference,
    FileEdit,
    Finding,
    Intent,
    Manifests,
    Plan,
    Review,
)
from gitops.review.body import body_of
from gitops.review.commit_message import commit_message
from gitops.review.objects import ObjectChange, ObjectDiff, diff_manifests
from gitops.review.remark import write_remark, write_short_remark
from gitops.review.sections import Telling
from gitops.review.text import Phrase, plain
from gitops.review.title import title_of
from gitops.review.words import difference_phrases, overlay_phrases

__all__ = [
    "ObjectChange",
    "ObjectDiff",
    "diff_manifests",
    "rendered_diff",
    "summary",
    "write_remark",
    "write_review",
    "write_short_remark",
]


def write_review(
    *,
    repository: str,
    branch: BranchName,
    plans: Sequence[Plan],
    intents: Sequence[Intent],
    differences: Sequence[Difference],
    edits: Sequence[FileEdit],
    before: Mapping[str, Manifests],
    after: Mapping[str, Manifests],
    findings: Sequence[Finding],
    base: CommitId,
    body_limit: int,
    title_limit: int,
    existence_checked: bool = False,
) -> Review:
    """Write everything that a pull request says.

    Args:
        repository: the name under which the service knows the repository.
        branch: the head branch.
        plans: the live plans, oldest first; at least one.
        intents: the stored intents behind them; empty for a preview.
        differences: the planned scalars that change.
        edits: the files that change.
        before: overlay folder -> what it renders to on the base branch.
        after: overlay folder -> what it renders to with the edits.
        findings: what the rules and the catalogue say of the change.
        base: the commit of the base branch that was read.
        body_limit: what the forge takes; kept in bytes of UTF-8.
        title_limit: characters of a title.
        existence_checked: whether a registry was asked for the image.
    """
    diffs = diff_manifests(before, after)
    phrases = _summary_phrases(diffs, differences)
    title = title_of(plans, differences, limit=title_limit)
    planned = [finding for plan in plans for finding in plan.findings]
    telling = Telling(
        repository=repository,
        branch=branch,
        plans=tuple(plans),
        intents=tuple(intents),
        summary=phrases,
        fields=difference_phrases(differences),
        edits=tuple(edits),
        diffs=diffs,
        findings=(*findings, *planned),
        base=base,
        existence_checked=existence_checked,
    )
    return Review(
        title=title,
        body=body_of(telling, limit=body_limit),
        summary=tuple(plain(phrase) for phrase in phrases),
        rendered_diff=_diff_text(diffs),
        commit_message=commit_message(
            title=title, phrases=phrases, plans=plans, intents=intents, base=base
        ),
    )


def rendered_diff(
    before: Mapping[str, Manifests], after: Mapping[str, Manifests]
) -> str:
    """Compare what two trees render to: unified difference, secrets hidden.

    Returns:
        Text with a line end after each line; empty when nothing differs.
    """
    return _diff_text(diff_manifests(before, after))


def summary(
    before: Mapping[str, Manifests],
    after: Mapping[str, Manifests],
    differences: Sequence[Difference],
) -> tuple[str, ...]:
    """Say in plain words what changes, one line each.

    Where nothing rendered differs, the changed scalars of the files are told instead.
    """
    phrases = _summary_phrases(diff_manifests(before, after), differences)
    return tuple(plain(phrase) for phrase in phrases)


def _summary_phrases(
    diffs: Sequence[ObjectDiff], differences: Sequence[Difference]
) -> tuple[Phrase, ...]:
    return overlay_phrases(diffs) or difference_phrases(differences)


def _diff_text(diffs: Sequence[ObjectDiff]) -> str:
    return "".join(f"{line}\n" for diff in diffs for line in diff.lines)
