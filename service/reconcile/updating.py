"""New releases become requests, where gitops.yaml says so.

`look_for_updates` asks registries, so it runs before the pass is the only writer;
`accept_updates` asks nobody, and decides anew by what the pass then finds. Promise: a
pull request is opened only for an image that its registry has; a registry that is down
stops nothing, and each target has an answer to "why not yet, and when".
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from gitops.cron import spell_time
from gitops.errors import GitopsError
from gitops.model import (
    Absent,
    Exists,
    Intent,
    Plan,
    Proof,
    ReleaseNotes,
    Revision,
    SetRevision,
    Target,
    Unchecked,
    UpdateRule,
    UpdateSource,
)
from gitops.promotion import plan_bump
from gitops.promotion.updates import (
    Offer,
    Question,
    Rest,
    Update,
    Verdict,
    Wait,
    choose,
    eligible,
    is_ready,
    provenance_name,
    stopped,
    tag_like,
)
from gitops.workflow import record
from service.clock import monotonic_s
from service.reconcile.ground import Ground
from service.reconcile.ways import refusals
from service.registries import Listed, Registries

logger = logging.getLogger(__name__)

_DATED: Final = 20
_PROVED: Final = 5
_DEADLINE_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the registries said for one target.

    Attributes:
        target: which.
        verdict: what follows from it.
        problem: why nobody could be asked; empty when all answered.
        image: whose versions they are.
        offers: that there are; the ones worth it with their dates.
        proof: that the chosen one exists; None when nothing was chosen.
        notes: of the chosen one.
    """

    target: Target
    verdict: Verdict
    problem: str = ""
    image: str = ""
    offers: tuple[Offer, ...] = ()
    proof: Proof | None = None
    notes: ReleaseNotes | None = None


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


Updater: TypeAlias = Callable[[Ground], tuple[Found, ...]]
"""Asks about every target that has a rule; never raises because of a registry."""


def no_updates(_ground: Ground) -> tuple[Found, ...]:
    """Ask nobody: no client is there to ask with."""
    return ()


def updater_of(registries: Registries) -> Updater:
    """Return the updater that asks what the operator has set up."""
    return lambda ground: look_for_updates(ground, registries)


# --- asking, while others may write ---


def look_for_updates(
    ground: Ground, registries: Registries, *, deadline_s: float = _DEADLINE_S
) -> tuple[Found, ...]:
    """Ask what is new for each target that has a rule.

    What there is no time for is asked in a later pass: the answers are kept.
    """
    if not ground.world.fleet.updates or ground.store.holds.is_paused(ground.name):
        return ()
    ends_at = monotonic_s() + deadline_s
    return tuple(
        _look(ground, question, registries, ends_at) for question in _questions(ground)
    )


def _look(
    ground: Ground, question: Question, registries: Registries, ends_at: float
) -> Found:
    why = stopped(question)
    if why is not None:
        return Found(target=question.target, verdict=why)
    if monotonic_s() >= ends_at:
        late = Wait(reason="there was no time to ask its registry")
        return Found(target=question.target, verdict=late)
    try:
        return _asked(ground, question, registries)
    except GitopsError as error:
        problem = error.message
    except Exception:
        logger.exception("a bug in asking for updates", extra={"target": question})
        problem = "an error in directus-gitops itself; see its log"
    return Found(target=question.target, verdict=Wait(reason=problem), problem=problem)


def _asked(ground: Ground, question: Question, registries: Registries) -> Found:
    image = question.present.image
    found = Found(target=question.target, verdict=Rest(reason=""), image=image)
    listed = registries.listed(ground.name, image, question.rule.source)
    if listed.problem:
        return _unknown(found, listed.problem)
    offers = _offered(ground, question, registries, listed)
    for _ in range(_PROVED):
        verdict = choose(question, offers, now=ground.now)
        found = replace(found, verdict=verdict, offers=offers)
        if not isinstance(verdict, Update):
            return found
        proof = registries.prove(ground.name, _revision(image, verdict.tag))
        match proof:
            case Exists():
                notes = registries.notes(ground.name, verdict.tag)
                return replace(found, proof=proof, notes=notes)
            case Absent():  # npm has it already, or its registry no longer
                offers = tuple(one for one in offers if one.tag != verdict.tag)
                missing = Wait(reason=f"{image}:{verdict.tag} is not there yet")
                found = replace(found, verdict=missing, offers=offers)
            case Unchecked(reason=reason):
                return _unknown(found, reason)
            case None:
                return _unknown(found, f"no registry is set up for {image}")
    return found


def _unknown(found: Found, problem: str) -> Found:
    return replace(found, verdict=Wait(reason=problem), problem=problem, offers=())


def _offered(
    ground: Ground, question: Question, registries: Registries, listed: Listed
) -> tuple[Offer, ...]:
    """Return what there is; where an age counts, with the ages that matter."""
    is_npm = question.rule.source is UpdateSource.NPM
    present = question.present.tag
    offers = {
        offer.tag: offer
        for offer in (
            Offer(
                tag=tag_like(present, one.version) if is_npm else one.version,
                published_at=one.published_at,
                deprecated=one.deprecated,
            )
            for one in listed.releases
        )
    }
    if question.rule.minimum_age_s and not is_npm:
        offers |= _dated(ground, question, registries, offers)
    return tuple(offers.values())


def _dated(
    ground: Ground,
    question: Question,
    registries: Registries,
    offers: dict[str, Offer],
) -> dict[str, Offer]:
    """Ask how old versions are, from the newest on, until one is old enough."""
    found: dict[str, Offer] = {}
    for version in eligible(question, offers)[:_DATED]:
        built = registries.built_at(ground.name, question.present.image, version.tag)
        for one in built.releases:
            dated = replace(offers[version.tag], published_at=one.published_at)
            found[version.tag] = dated
            if is_ready(question, dated, now=ground.now):
                return found
    return found


def _questions(ground: Ground) -> Iterator[Question]:
    """Yield a question for each target that has a rule."""
    fleet, store = ground.world.fleet, ground.store
    ruled = [(o, fleet.update_of(o.target)) for o in ground.overlays]
    intents = store.intents.all(ground.name)
    refused = refusals(intents)
    holds = store.holds.holds(ground.name)
    pins = {pin.target: pin for pin in store.pins.all(ground.name)}
    for overlay, rule in ruled:
        if rule is not None:
            target = overlay.target
            yield Question(
                rule=rule,
                target=target,
                present=overlay.revision,
                holds=holds,
                pin=pins.get(target),
                refused=refused.get(target, frozenset()),
                intents=tuple(i for i in intents if _is_about(i, target)),
            )


def _is_about(intent: Intent, target: Target) -> bool:
    return any(
        isinstance(change, SetRevision) and change.target == target
        for change in intent.plan.changes
    )


def _revision(image: str, tag: str) -> Revision:
    return Revision(image=image, tag=tag)


# --- asking for the change, as the only writer ---


def accept_updates(ground: Ground, found: Iterable[Found]) -> tuple[Updated, ...]:
    """Record a request for each new release that may come by what is known now."""
    answers = {one.target: one for one in found if isinstance(one.verdict, Update)}
    if not answers:
        return ()
    done: list[Updated] = []
    for question in _questions(ground):
        answer = answers.get(question.target)
        if answer is not None and answer.image == question.present.image:
            done += _accepted(ground, question, answer)
    return tuple(done)


def _accepted(ground: Ground, question: Question, answer: Found) -> list[Updated]:
    verdict = choose(question, answer.offers, now=ground.now)
    if not isinstance(verdict, Update) or verdict != answer.verdict:
        return []  # what has changed meanwhile is looked at by the next pass
    problem = ""
    try:
        plan = _plan(ground, question, verdict, answer)
        if not plan.changes:
            return []
        record(ground.place, plan, now=ground.now)
    except GitopsError as error:
        if error.retryable:
            raise
        problem = error.message
    return [
        Updated(
            target=question.target,
            tag=verdict.tag,
            source=question.rule.source,
            problem=problem,
        )
    ]


def _plan(ground: Ground, question: Question, verdict: Update, answer: Found) -> Plan:
    rule = question.rule
    plan = plan_bump(
        ground.world.tree,
        ground.world.fleet,
        question.target,
        verdict.tag,
        requested_by=provenance_name(rule.source),
        reason=_reason(rule, verdict),
        holds=question.holds,
        pin=question.pin,
        proofs=lambda _wanted: answer.proof,
    )
    return replace(plan, notes=(answer.notes,) if answer.notes else ())


def _reason(rule: UpdateRule, verdict: Update) -> str:
    """Say why it comes; the same in every pass."""
    told = {UpdateSource.NPM: "published", UpdateSource.REGISTRY: "built"}
    if verdict.published_at is None:
        return "a new release"
    return f"{told[rule.source]} at {spell_time(verdict.published_at)}"
