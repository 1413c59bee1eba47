"""New releases become requests, where gitops.yaml says so.

It runs as the only writer and asks nobody: what the registries said was asked before
(`releases`), and counts only where nothing has changed since. Promise: what is recorded
is a bump like any other, of an image that its registry has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from gitops.cron import spell_time
from gitops.errors import GitopsError
from gitops.model import GroupScope, Plan, Target, UpdateRule, UpdateSource
from gitops.promotion import plan_bump
from gitops.promotion.updates import (
    Question,
    Update,
    provenance_name,
    stopped,
    unless_tried,
)
from gitops.workflow import record
from service.reconcile.ground import Ground
from service.reconcile.releases import Answer, Found, questions


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated:
    """A new release that was asked for, or could not be.

    Attributes:
        target: where.
        tag: which.
        source: who told of it.
        problem: why it was refused; empty when it was recorded.
    """

    target: Target
    tag: str
    source: UpdateSource
    problem: str = ""


def accept_updates(ground: Ground, found: Iterable[Found]) -> Iterator[Updated]:
    """Record a request for each new release that may come, one after the other.

    Where anything that it depends on has changed meanwhile, the next pass looks again.
    """
    ready = {
        one.question.target: one for one in found if isinstance(one.verdict, Update)
    }
    if not ready:
        return
    for question in questions(ground):
        one = ready.get(question.target)
        if one is not None and one.answer is not None and _is_same(question, one):
            yield from _accepted(ground, question, one.answer)


def _is_same(question: Question, found: Found) -> bool:
    before = found.question
    return (question.rule, question.present, question.refused) == (
        before.rule,
        before.present,
        before.refused,
    )


def _accepted(ground: Ground, question: Question, answer: Answer) -> Iterator[Updated]:
    why = stopped(question)
    verdict = why or unless_tried(question, answer.verdict, now=ground.now)
    if not isinstance(verdict, Update):
        return
    problem = ""
    try:
        plan = _plan(ground, question, verdict, answer)
        if not plan.changes:
            return
        record(ground.place, plan, now=ground.now)
    except GitopsError as error:
        if error.retryable:
            raise
        problem = error.message
    yield Updated(
        target=question.target,
        tag=verdict.tag,
        source=question.rule.source,
        problem=problem,
    )


def _plan(ground: Ground, question: Question, verdict: Update, answer: Answer) -> Plan:
    rule, target = question.rule, question.target
    plan = plan_bump(
        ground.world.tree,
        ground.world.fleet,
        target,
        verdict.tag,
        requested_by=provenance_name(rule.source),
        reason=_reason(rule, verdict),
        holds=question.holds,
        pin=question.pin,
        proofs=lambda _wanted: answer.proof,
    )
    scope = plan.scope
    if rule.group:
        scope = GroupScope(environment=target.environment, group=rule.group)
    return replace(plan, scope=scope, notes=(answer.notes,) if answer.notes else ())


def _reason(rule: UpdateRule, verdict: Update) -> str:
    """Say why it comes; the same in every pass."""
    told = {UpdateSource.NPM: "published", UpdateSource.REGISTRY: "built"}
    if verdict.published_at is None:
        return "a new release"
    return f"{told[rule.source]} at {spell_time(verdict.published_at)}"
