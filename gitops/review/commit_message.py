"""TELL, the commit's message: subject, plain words, and trailers for programs.

The same for the same intents (R2): no id of a try, no clock. Trailers stand alone in
the last paragraph, so that no one's words can pass for one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from gitops.model import CommitId, Intent, Plan
from gitops.review.masking import redacted
from gitops.review.text import Phrase, cut, plain, sentence

_LINES: Final = 40
_INTENTS: Final = 20


def commit_message(
    *,
    title: str,
    phrases: Sequence[Phrase],
    plans: Sequence[Plan],
    intents: Sequence[Intent],
    base: CommitId,
) -> str:
    """Write the message of the one commit of a pull request.

    Args:
        title: becomes the subject.
        phrases: what changes, in plain words.
        plans: what is wanted, oldest first.
        intents: the stored intents behind the plans; may be empty for a preview.
        base: the commit it is made on.
    """
    paragraphs = [title, *_body(phrases, plans), "\n".join(_trailers(plans, intents))]
    paragraphs[-1] += f"\nSource-Commit: {sentence(base)}"
    return "\n\n".join(paragraphs) + "\n"


def _body(phrases: Sequence[Phrase], plans: Sequence[Plan]) -> Iterator[str]:
    lines = [f"- {sentence(plain(phrase))}" for phrase in phrases[:_LINES]]
    if len(phrases) > _LINES:
        lines.append(f"- and {len(phrases) - _LINES} more")
    if lines:
        yield "\n".join(lines)
    reasons = dict.fromkeys(plan.provenance.reason for plan in plans)
    said = [f"Reason: {sentence(redacted(reason))}" for reason in reasons if reason]
    if said:
        # Not trailers: another paragraph follows, and each line is indented.
        yield "\n".join(f"  {line}" for line in said[:_LINES])


def _trailers(plans: Sequence[Plan], intents: Sequence[Intent]) -> Iterator[str]:
    for intent in intents[:_INTENTS]:
        yield f"Directus-Gitops-Intent: {sentence(intent.key)}"
    if len(intents) > _INTENTS:
        yield f"Directus-Gitops-Intents: {len(intents)}"
    askers = sorted({plan.provenance.requested_by for plan in plans})
    sources = {plan.provenance.source_environment or "" for plan in plans}
    for source in sorted(sources - {""}):
        yield f"Source-Environment: {sentence(source)}"
    for asker in askers[:_INTENTS]:
        yield f"Requested-by: {cut(sentence(asker), 200) or 'unknown'}"
