"""TELL, the same difference in many overlays, shown once. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gitops.review.objects import ObjectDiff
from gitops.review.text import Phrase, Quote, kind_word


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Objects whose added and removed lines are the same.

    Attributes:
        first: the one that is shown.
        overlays: where the difference is, sorted; the first one's included.
    """

    first: ObjectDiff
    overlays: tuple[str, ...]

    def phrase(self) -> Phrase:
        """Say what it is about: object, overlays, lines added and removed."""
        added, removed = self.first.counts
        where: Phrase = (" in ", Quote(self.overlays[0]))
        if len(self.overlays) > 1:
            where = (*where, f" and {len(self.overlays) - 1} more overlays, the same")
        return (
            kind_word(self.first.kind),
            " ",
            Quote(self.first.name),
            *where,
            f" ({self.first.change.value}: +{added} -{removed} lines)",
        )

    def words(self) -> tuple[str, ...]:
        """Return the phrase without telling our words from quoted ones."""
        return tuple(
            part.text if isinstance(part, Quote) else part for part in self.phrase()
        )


def bundled(diffs: Sequence[ObjectDiff]) -> tuple[Bundle, ...]:
    """Gather the diffs that show the same lines, in order of their first overlay.

    Objects of which only references to generated names differ have nothing to show.
    """
    groups: dict[tuple[str, ...], list[ObjectDiff]] = {}
    for diff in diffs:
        if not diff.only_references:
            groups.setdefault(_likeness(diff), []).append(diff)
    return tuple(
        Bundle(first=group[0], overlays=tuple(diff.overlay for diff in group))
        for group in groups.values()
    )


def _likeness(diff: ObjectDiff) -> tuple[str, ...]:
    changed = (line for line in diff.lines[2:] if line[:1] in "+-")
    return diff.kind, diff.name, diff.change.value, *changed
