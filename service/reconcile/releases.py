"""What is new for each target: asked of registries, while others may write.

Promise: it never raises because of a registry, asks equal questions once, and has an
answer for each target to "why not yet, and when". It records nothing.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from gitops.errors import GitopsError
from gitops.model import (
    Absent,
    Exists,
    Intent,
    Proof,
    ReleaseNotes,
    Revision,
    SetRevision,
    Target,
    Unchecked,
    UpdateRule,
    UpdateSource,
)
from gitops.promotion.updates import (
    Offer,
    Question,
    Rest,
    Update,
    Verdict,
    Wait,
    eligible,
    is_ready,
    pick,
    stopped,
    tag_like,
    unless_tried,
)
from service.clock import monotonic_s
from service.reconcile.ground import Ground
from service.reconcile.ways import refusals
from service.registries import Listed, Registries

logger = logging.getLogger(__name__)

_DATED: Final = 20
_PROVED: Final = 5
_DEADLINE_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the registries said; the same for all targets that ask the same.

    Attributes:
        verdict: what follows from it, whatever was asked for before.
        problem: why nobody could be asked; empty when all answered.
        proof: that the chosen one exists; None when nothing was chosen.
        notes: of the chosen one.
    """

    verdict: Verdict
    problem: str = ""
    proof: Proof | None = None
    notes: ReleaseNotes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one target may have.

    Attributes:
        question: as it was when the registries were asked.
        answer: what they said; None when they were not asked.
        verdict: what follows for this target.
    """

    question: Question
    answer: Answer | None
    verdict: Verdict

    @property
    def problem(self) -> str:
        """Why nobody could be asked; empty when all answered."""
        return self.answer.problem if self.answer else ""


Updater: TypeAlias = Callable[[Ground], tuple[Found, ...]]
"""Asks about every target that has a rule; never raises because of a registry."""

_Same: TypeAlias = tuple[UpdateRule, Revision, frozenset[Revision]]
"""All that an answer depends on."""


def no_updates(_ground: Ground) -> tuple[Found, ...]:
    """Ask nobody: no client is there to ask with."""
    return ()


def updater_of(registries: Registries) -> Updater:
    """Return the updater that asks what the operator has set up."""
    return lambda ground: look_for_updates(ground, registries)


def questions(ground: Ground) -> Iterator[Question]:
    """Yield a question for each target that has a rule."""
    fleet, store = ground.world.fleet, ground.store
    if not fleet.updates:
        return
    intents = store.intents.all(ground.name)
    about: defaultdict[Target, list[Intent]] = defaultdict(list)
    for intent in intents:
        for change in intent.plan.changes:
            if isinstance(change, SetRevision):
                about[change.target].append(intent)
    refused = refusals(intents)
    holds = store.holds.holds(ground.name)
    pins = {pin.target: pin for pin in store.pins.all(ground.name)}
    for overlay in ground.overlays:
        rule = fleet.update_of(overlay.target)
        if rule is not None:
            yield Question(
                rule=rule,
                target=overlay.target,
                present=overlay.revision,
                holds=holds,
                pin=pins.get(overlay.target),
                refused=refused.get(overlay.target, frozenset()),
                intents=tuple(about[overlay.target]),
            )


def look_for_updates(
    ground: Ground, registries: Registries, *, deadline_s: float = _DEADLINE_S
) -> tuple[Found, ...]:
    """Ask what is new for each target that has a rule.

    What there is no time for is asked in a later pass: the answers are kept.
    """
    if ground.store.holds.is_paused(ground.name):
        return ()
    look = _Look(
        ground=ground, registries=registries, ends_at=monotonic_s() + deadline_s
    )
    return tuple(look.at(question) for question in questions(ground))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One time of asking everyone; equal questions are asked once."""

    ground: Ground
    registries: Registries
    ends_at: float
    _picked: dict[_Same, Answer] = field(default_factory=dict)
    _proved: dict[_Same, Answer] = field(default_factory=dict)

    def at(self, question: Question) -> Found:
        why = stopped(question)
        if why is not None:
            return Found(question=question, answer=None, verdict=why)
        found = self._found(question, self._picked, self._pick)
        if not isinstance(found.verdict, Update):
            return found
        # Only now: what has been asked for already needs no proof in every pass.
        return self._found(question, self._proved, self._prove)

    def _found(
        self,
        question: Question,
        known: dict[_Same, Answer],
        ask: Callable[[Question], Answer],
    ) -> Found:
        same = (question.rule, question.present, question.refused)
        if same not in known:
            known[same] = self._asked(question, ask)
        answer = known[same]
        verdict = unless_tried(question, answer.verdict, now=self.ground.now)
        return Found(question=question, answer=answer, verdict=verdict)

    def _asked(self, question: Question, ask: Callable[[Question], Answer]) -> Answer:
        if monotonic_s() >= self.ends_at:
            return Answer(verdict=Wait(reason="there was no time to ask its registry"))
        try:
            return ask(question)
        except GitopsError as error:
            return _unknown(error.message)
        except Exception:
            logger.exception("a bug in asking what is new")
            return _unknown("an error in directus-gitops itself; see its log")

    def _pick(self, question: Question) -> Answer:
        listed = self._listed(question)
        if listed.problem:
            return _unknown(listed.problem)
        offers = self._offers(question, listed)
        return Answer(
            verdict=pick(question, tuple(offers.values()), now=self.ground.now)
        )

    def _prove(self, question: Question) -> Answer:
        name, image = self.ground.name, question.present.image
        offers = self._offers(question, self._listed(question))
        missing: Verdict | None = None
        for _ in range(_PROVED):
            verdict = pick(question, tuple(offers.values()), now=self.ground.now)
            if not isinstance(verdict, Update):
                return Answer(verdict=missing or verdict)
            wanted = Revision(image=image, tag=verdict.tag)
            match self.registries.prove_patiently(name, wanted):
                case Exists() as proof:
                    notes = self.registries.notes(name, verdict.tag)
                    return Answer(verdict=verdict, proof=proof, notes=notes)
                case Absent():  # npm has it already, or the registry no longer
                    del offers[verdict.tag]
                    reason = f"{wanted} is not in its registry yet"
                    missing = missing or Wait(reason=reason)
                case Unchecked(reason=reason):
                    return _unknown(reason)
                case None:
                    return _unknown(f"no registry is set up for {image}")
        return Answer(verdict=missing or Rest(reason="nothing of it exists"))

    def _listed(self, question: Question) -> Listed:
        image, source = question.present.image, question.rule.source
        return self.registries.listed(self.ground.name, image, source)

    def _offers(self, question: Question, listed: Listed) -> dict[str, Offer]:
        """Return what there is; where an age counts, with the ages that matter."""
        is_npm = question.rule.source is UpdateSource.NPM
        present = question.present.tag
        offers: dict[str, Offer] = {}
        for one in listed.releases:
            tag = tag_like(present, one.version) if is_npm else one.version
            offers[tag] = Offer(
                tag=tag, published_at=one.published_at, deprecated=one.deprecated
            )
        if question.rule.minimum_age_s and not is_npm:
            offers |= self._dated(question, offers)
        return offers

    def _dated(self, question: Question, offers: dict[str, Offer]) -> dict[str, Offer]:
        """Ask how old versions are, from the newest on, until one is old enough."""
        found: dict[str, Offer] = {}
        image = question.present.image
        for version in eligible(question, offers)[:_DATED]:
            built = self.registries.built_at(self.ground.name, image, version.tag)
            for one in built.releases:
                dated = replace(offers[version.tag], published_at=one.published_at)
                found[version.tag] = dated
                if is_ready(question, dated, now=self.ground.now):
                    return found
        return found


def _unknown(problem: str) -> Answer:
    return Answer(verdict=Wait(reason=problem), problem=problem)
