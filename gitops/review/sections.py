"""TELL, the parts of a pull request's body, each as long as it is told to be.

Markdown that every forge shows; times are absolute, lists sorted, nothing counts up
between passes. What comes from outside goes through `text`, always.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from gitops.model import (
    BranchName,
    CommitId,
    FileEdit,
    Finding,
    Intent,
    Plan,
    PlanKind,
    Severity,
)
from gitops.review.bundles import Bundle
from gitops.review.masking import redacted
from gitops.review.notes import is_existence_told, notes_section
from gitops.review.objects import ObjectChange, ObjectDiff
from gitops.review.text import Phrase, cell, code, element, fenced, markdown
from gitops.review.title import revisions_by_target
from gitops.versions import Version, version_of

_ROOMY: Final = 1000
_RELEASES: Final = "https://github.com/directus/directus/releases/tag/v"
_ORDER: Final = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Everything that a body tells.

    Attributes:
        repository: the name under which the service knows the repository.
        branch: the head branch.
        plans: what is wanted, oldest first.
        intents: the stored intents of the plans; may be empty for a preview.
        summary: what changes, in plain words.
        fields: the scalars that change, in plain words.
        edits: the files that change.
        diffs: the rendered objects that differ.
        findings: what the reviewer must know, in any order.
        base: the commit that was read.
        existence_checked: whether a registry was asked for the image.
        head: of somebody else's pull request; None where it is one of ours.
        notes: whole sentences of ours, told below the summary.
        is_rendered: whether anything was rendered, so that there is a difference.
    """

    repository: str
    branch: BranchName
    plans: tuple[Plan, ...]
    intents: tuple[Intent, ...]
    summary: tuple[Phrase, ...]
    fields: tuple[Phrase, ...]
    edits: tuple[FileEdit, ...]
    diffs: tuple[ObjectDiff, ...]
    findings: tuple[Finding, ...]
    base: CommitId
    existence_checked: bool = False
    head: CommitId | None = None
    notes: tuple[str, ...] = ()
    is_rendered: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """How much is told.

    Attributes:
        shown: how many bundles show their difference.
        objects: how many objects are named at most.
        lines: how many lines each other list has at most.
    """

    shown: int
    objects: int
    lines: int


def sections(telling: Telling, bundles: Sequence[Bundle], detail: Detail) -> str:
    """Write all parts, in the order in which a reviewer needs them."""
    parts = (
        _summary(telling, detail),
        "".join(f"{note}\n" for note in telling.notes),
        _findings(telling, detail),
        _rendered(telling, bundles, detail) if telling.is_rendered else "",
        _files(telling, detail),
        _origin(telling, detail),
        notes_section(telling.plans) if detail.lines >= _ROOMY else "",
    )
    return "\n".join(part for part in parts if part)


def _listed(phrases: Sequence[str], most: int) -> str:
    """Write a list of lines; what is left out is counted."""
    lines = [f"- {phrase}\n" for phrase in phrases[:most]]
    left = len(phrases) - len(lines)
    if left:
        lines.append(f"- {left} more, left out for length\n")
    return "".join(lines)


def _summary(telling: Telling, detail: Detail) -> str:
    phrases = [markdown(phrase) for phrase in telling.summary]
    if not phrases:
        phrases = ["Nothing that is rendered changes; only the files named below do."]
    return _listed(phrases, detail.lines)


def _findings(telling: Telling, detail: Detail) -> str:
    found = sorted(
        dict.fromkeys(telling.findings),
        key=lambda f: (_ORDER[f.severity], f.path, f.line, f.rule, f.message),
    )
    counts = Counter(finding.severity for finding in found)
    if not found:
        return "### Findings\n\nNone.\n"
    told = ", ".join(
        f"{counts[severity]} {severity.value}"
        for severity in _ORDER
        if counts[severity]
    )
    shown = found[: detail.lines]
    text = f"### Findings\n\n{told}.\n"
    if shown:
        text += "\n| severity | rule | place | finding |\n|---|---|---|---|\n"
        text += "".join(_finding_row(finding) for finding in shown)
    if len(shown) < len(found):
        text += f"\n{len(found) - len(shown)} left out for length.\n"
    return text


def _finding_row(finding: Finding) -> str:
    place = finding.path + (f":{finding.line}" if finding.line else "")
    message = redacted(finding.message)
    if finding.hint:
        message += f" ({redacted(finding.hint)})"
    cells = (finding.severity.value, finding.rule, place, message)
    return "| " + " | ".join(cell(text) for text in cells) + " |\n"


def _rendered(telling: Telling, bundles: Sequence[Bundle], detail: Detail) -> str:
    text = f"### Rendered difference\n\n{_counted(telling.diffs)}\n"
    if not bundles:
        return text
    blocks = [bundle_block(bundle) for bundle in bundles[: detail.shown]]
    named = [bundle_line(bundle) for bundle in bundles[detail.shown : detail.objects]]
    if blocks or named:
        text += "\n" + "".join(blocks) + "".join(named)
    if detail.shown < len(bundles):
        text += "\nDifferences not shown here are left out for length; "
        text += "`directus-gitops pr show` prints all of them.\n"
    return text.rstrip("\n") + "\n"


def _counted(diffs: Sequence[ObjectDiff]) -> str:
    if not diffs:
        return "The rendered objects stay as they are."
    counts = Counter(diff.change for diff in diffs)
    parts = [f"{counts[kind]} {kind.value}" for kind in ObjectChange if counts[kind]]
    overlays = len({diff.overlay for diff in diffs})
    where = "1 overlay" if overlays == 1 else f"{overlays} overlays"
    return f"Objects: {', '.join(parts)}, in {where}."


def bundle_block(bundle: Bundle) -> str:
    """Show a difference, folded."""
    words = "".join(element(word) for word in bundle.words())
    block = fenced("\n".join(bundle.first.lines), "diff")
    return f"<details><summary>{words}</summary>\n\n{block}\n</details>\n\n"


def bundle_line(bundle: Bundle) -> str:
    """Name a difference without showing it."""
    return f"- {markdown(bundle.phrase())}\n"


def _files(telling: Telling, detail: Detail) -> str:
    phrases = [markdown(phrase) for phrase in telling.fields]
    whole = [edit for edit in telling.edits if not edit.differences]
    phrases += [
        f"{code(edit.path)} {_file_verb(edit)}"
        for edit in sorted(whole, key=lambda edit: edit.path)
    ]
    if not phrases:
        return ""
    count = len({edit.path for edit in telling.edits})
    head = f"### Files\n\n{count} changed.\n\n" if count else "### Files\n\n"
    return head + _listed(phrases, detail.lines)


def _file_verb(edit: FileEdit) -> str:
    if edit.before is None:
        return "added"
    return "removed" if edit.after is None else "changed"


def _origin(telling: Telling, detail: Detail) -> str:
    if telling.head is not None:
        return (
            "### What was looked at\n\n"
            f"Commit {code(telling.head)} merged into commit {code(telling.base)} "
            "of the base branch. This comment is rewritten when either of them "
            "changes what is seen here.\n"
        )
    asked = [_asked(plan, at) for plan, at in _with_times(telling)]
    lines = list(dict.fromkeys(asked))[: detail.lines]
    if len(lines) < len(asked):
        lines.append(f"Asked for by {len(asked)} intents in all.")
    lines.append(f"Made on commit {code(telling.base)} of the base branch.")
    lines += _version_lines(telling)[: detail.lines]
    return "### Where this comes from\n\n" + "".join(f"- {line}\n" for line in lines)


def _with_times(telling: Telling) -> list[tuple[Plan, datetime | None]]:
    if telling.intents:
        return [(intent.plan, intent.created_at) for intent in telling.intents]
    return [(plan, None) for plan in telling.plans]


def _asked(plan: Plan, at: datetime | None) -> str:
    origin = plan.provenance
    text = f"{_KINDS[plan.kind]} asked for by {code(origin.requested_by)}"
    if at is not None:
        text += f" on {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if origin.source_environment:
        text += f", from {code(origin.source_environment)}"
    if origin.source_commit:
        text += f" at commit {code(origin.source_commit)}"
    if origin.reason:
        text += f": {code(redacted(origin.reason))}"
    return text


_KINDS: Final = {
    PlanKind.INIT: "Generation",
    PlanKind.BUMP: "Version bump",
    PlanKind.PROMOTE: "Promotion",
    PlanKind.SET: "Configuration change",
    PlanKind.ROLLBACK: "Rollback",
    PlanKind.ADD_STACK: "New stack",
    PlanKind.ADD_ENVIRONMENT: "New environment",
    PlanKind.UPGRADE: "Upgrade of generated files",
    PlanKind.SECRETS: "Sealing of secrets",
}


def _version_lines(telling: Telling) -> list[str]:
    wanted = revisions_by_target(telling.plans)
    if not wanted:
        return []
    versions = [version_of(tag) for _, tag in wanted.values()]
    releases = sorted({_published(version) for version in versions if version})
    lines = [
        f"Release notes of Directus {release}: {_RELEASES}{quote(release, safe='.')}"
        for release in releases
    ]
    if not (telling.existence_checked or is_existence_told(telling.plans)):
        lines.append("Image: existence not checked.")
    return lines


def _published(version: Version) -> str:
    """Return the release of Directus that a tag is, or is built on."""
    is_own = version.is_prerelease
    return version.release + (f"-{version.suffix}" if is_own else "")
