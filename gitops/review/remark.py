"""TELL, the comment on a pull request that somebody else has opened.

The same words, parts and limits as the body of one of ours; what is not ours to tell
(plans, intents) is not there. Promise: the same input gives the same comment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gitops.model import BranchName, CommitId, FileEdit, Finding, Manifests
from gitops.review.body import body_of
from gitops.review.masking import redacted
from gitops.review.objects import diff_manifests
from gitops.review.sections import Telling
from gitops.review.text import Phrase
from gitops.review.words import overlay_phrases


def write_remark(
    *,
    repository: str,
    branch: BranchName,
    head: CommitId,
    base: CommitId,
    before: Mapping[str, Manifests],
    after: Mapping[str, Manifests],
    edits: Sequence[FileEdit],
    findings: Sequence[Finding],
    notes: Sequence[str],
    body_limit: int,
) -> str:
    """Tell what a pull request changes, and what of it breaks a rule.

    Args:
        repository: the name under which the service knows the repository.
        branch: the head branch, whoever's it is.
        head: the commit that was looked at.
        base: the commit of the base branch that it was merged into.
        before: overlay folder -> what it renders to on the base branch.
        after: overlay folder -> what it renders to after the merge.
        edits: the files that change; of their bytes nothing is told.
        findings: what is wrong.
        notes: whole sentences of ours, without anything from outside.
        body_limit: what the forge takes; kept in bytes of UTF-8.
    """
    diffs = diff_manifests(before, after)
    telling = Telling(
        repository=repository,
        branch=branch,
        plans=(),
        intents=(),
        summary=overlay_phrases(diffs),
        fields=(),
        edits=tuple(replace(edit, path=redacted(edit.path)) for edit in edits),
        diffs=diffs,
        findings=_shown(findings),
        base=base,
        head=head,
        notes=tuple(notes),
    )
    return body_of(telling, limit=body_limit)


def write_short_remark(
    *,
    repository: str,
    branch: BranchName,
    head: CommitId,
    base: CommitId,
    summary: Phrase,
    findings: Sequence[Finding],
    body_limit: int,
) -> str:
    """Tell of a pull request that was not rendered, and why.

    Args:
        repository: see write_remark.
        branch: see write_remark.
        head: see write_remark.
        base: see write_remark.
        summary: the one thing to say.
        findings: what is wrong.
        body_limit: see write_remark.
    """
    telling = Telling(
        repository=repository,
        branch=branch,
        plans=(),
        intents=(),
        summary=(summary,),
        fields=(),
        edits=(),
        diffs=(),
        findings=_shown(findings),
        base=base,
        head=head,
        is_rendered=False,
    )
    return body_of(telling, limit=body_limit)


def _shown(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(replace(finding, path=redacted(finding.path)) for finding in findings)
