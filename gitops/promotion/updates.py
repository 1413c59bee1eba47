"""PLAN new releases: which version a target may be bumped to by itself. Pure.

    Question -> stopped -> pick (eligible) -> unless_tried; choose is all of it

Promises: never an older version, never past a major unless the rule says so, never a
pre-release unless asked, never another variant of the image, never what a person has
refused, and never what waits for its age. Whoever asked for something himself goes
first. Each answer says why, and where it can, until when.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from gitops.cron import spell_time
from gitops.errors import InputError
from gitops.model import (
    Hold,
    Intent,
    IntentState,
    Pin,
    Provenance,
    Revision,
    SetRevision,
    Target,
    UpdateRule,
    UpdateSource,
    UpdateStep,
)
from gitops.promotion.guards import holds_on, spell_hold, spell_pin
from gitops.ranges import range_of
from gitops.versions import Step, Version, step, version_of

REQUESTED_BY: Final = "updates"
"""How the provenance of such a request begins: no person, and no schedule."""

_TRIED_AGAIN: Final = timedelta(days=1)
_PRERELEASE: Final = re.compile(r"[a-z]+(?:[.-]?[0-9]+)*", re.IGNORECASE)
_NAMED_BUILD: Final = re.compile(r"[a-z]+", re.IGNORECASE)
_NUMBERED: Final = "#"
_STEPS: Final = {
    UpdateStep.PATCH: frozenset({Step.PATCH}),
    UpdateStep.MINOR: frozenset({Step.PATCH, Step.MINOR}),
    UpdateStep.MAJOR: frozenset({Step.PATCH, Step.MINOR, Step.MAJOR}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Whether a target may have a newer version, and all that bears on it.

    Attributes:
        rule: of the target.
        target: what would change.
        present: what the base branch says.
        holds: of the repository.
        pin: of the target.
        refused: revisions of the target whose pull request a person closed.
        intents: of the repository, oldest first, whatever became of them.
    """

    rule: UpdateRule
    target: Target
    present: Revision
    holds: tuple[Hold, ...] = ()
    pin: Pin | None = None
    refused: frozenset[Revision] = frozenset()
    intents: tuple[Intent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A version that can be had.

    Attributes:
        tag: of the image.
        published_at: aware UTC; None when nobody tells.
        deprecated: its makers' reason not to use it; empty without one.
    """

    tag: str
    published_at: datetime | None = None
    deprecated: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """A newer version may come now.

    Attributes:
        tag: which.
        published_at: aware UTC; None when nobody tells and no age is asked for.
    """

    tag: str
    published_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """There is something newer, and it may not come yet.

    Attributes:
        reason: for people.
        earliest: aware UTC; when to look again; None when only a person can tell.
    """

    reason: str
    earliest: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """There is nothing to do.

    Attributes:
        reason: for people.
    """

    reason: str


Verdict: TypeAlias = Update | Wait | Rest


def provenance_name(source: UpdateSource) -> str:
    """Return who asks, when nobody did: the rule, and who told of the version."""
    return f"{REQUESTED_BY} from {source}"


def is_ours(provenance: Provenance) -> bool:
    """Whether a request was made by an update rule."""
    return provenance.requested_by in {provenance_name(one) for one in UpdateSource}


# --- before anyone is asked ---


def stopped(question: Question) -> Wait | Rest | None:
    """Say what keeps a target where it is, whatever versions there are.

    None when nothing does; only then is it worth asking.
    """
    target, present = question.target, question.present
    if version_of(present.tag) is None:
        return Rest(
            reason=f"{target} runs {present.tag}, which names no version: nothing can "
            "be newer"
        )
    held = holds_on(target, question.holds)
    if held:
        return Wait(reason="; ".join(spell_hold(target, hold) for hold in held))
    if question.pin is not None:
        return Wait(reason=spell_pin(question.pin))
    for intent in question.intents:
        tag = _wanted(intent, target)
        if tag and intent.state.is_live and not is_ours(intent.plan.provenance):
            return Wait(
                reason=f"{intent.plan.provenance.requested_by} has asked for {tag} in "
                f"{target}; that goes first"
            )
    return None


def eligible(question: Question, tags: Iterable[str]) -> tuple[Version, ...]:
    """Return the versions that the rule would take, the newest first; age aside.

    Args:
        question: what is asked.
        tags: whatever names a registry has; those that are no versions are left out.
    """
    is_fit = _fitness(question)
    found = {version for version in _versions(tags) if is_fit(version)}
    return tuple(sorted(found, reverse=True))


def tag_like(present: str, version: str) -> str:
    """Return the tag that a version has in the variant of an image.

    `12.5.0` of a list of releases is `12.5.0-dhi` for who runs `12.4.1-dhi`. A build
    with a number of its own is not to be guessed.
    """
    before, after = version_of(present), version_of(version)
    if before is None or after is None or before.is_prerelease or after.variant:
        return version
    tail = present.removeprefix(before.release)
    is_numbered = any(part.isdigit() for part in before.build.split("."))
    return version if is_numbered else f"{version}{tail}"


def is_ready(question: Question, offer: Offer, *, now: datetime) -> bool:
    """Whether an offer has the age that the rule asks for."""
    age = timedelta(seconds=question.rule.minimum_age_s)
    return _is_old_enough(offer, age, now)


# --- choosing ---


def choose(question: Question, offers: Sequence[Offer], *, now: datetime) -> Verdict:
    """Decide, by what can be had now.

    Args:
        question: what is asked.
        offers: everything that the source has; any order.
        now: aware UTC.
    """
    why = stopped(question)
    if why is not None:
        return why
    found = pick(question, offers, now=now)
    return unless_tried(question, found, now=now)


def pick(question: Question, offers: Sequence[Offer], *, now: datetime) -> Verdict:
    """Take the best of what there is, whatever was asked for before.

    Of what is old enough the newest is taken: a release a day never keeps out the one
    that has served its time. It depends on rule, revision and refusals alone, so the
    answer for one target is that for all who share them.
    """
    by_tag = {offer.tag: offer for offer in offers}
    fit = [by_tag[version.tag] for version in eligible(question, by_tag)]
    good = [offer for offer in fit if not offer.deprecated]
    if not good:
        return Rest(reason=_nothing(question, offers, fit))
    age = timedelta(seconds=question.rule.minimum_age_s)
    for offer in good:
        if _is_old_enough(offer, age, now):
            return Update(tag=offer.tag, published_at=offer.published_at)
    return _wait(good, age)


def _is_old_enough(offer: Offer, age: timedelta, now: datetime) -> bool:
    if not age:
        return True
    return offer.published_at is not None and offer.published_at + age <= now


def _wait(good: Sequence[Offer], age: timedelta) -> Wait:
    dated = [(one.published_at + age, one.tag) for one in good if one.published_at]
    if not dated:
        return Wait(
            reason=f"nobody tells how old {good[0].tag} is, and the rule asks for an "
            "age"
        )
    at, tag = min(dated)
    return Wait(reason=f"{tag} is old enough at {spell_time(at)}", earliest=at)


def unless_tried(question: Question, verdict: Verdict, *, now: datetime) -> Verdict:
    """Let a version come, unless it, or a newer one, has been asked for already."""
    if not isinstance(verdict, Update):
        return verdict
    for intent in reversed(question.intents):
        tag = _wanted(intent, question.target)
        if not tag or not is_ours(intent.plan.provenance):
            continue
        if intent.state.is_live and not step(tag, verdict.tag).is_up:
            return Rest(reason=f"{tag} has been asked for in {question.target}")
        again = intent.created_at + _TRIED_AGAIN
        if intent.state is IntentState.FAILED and tag == verdict.tag and now < again:
            return Wait(reason=f"{tag} failed: {intent.error}", earliest=again)
        return verdict
    return verdict


def _nothing(
    question: Question, offers: Iterable[Offer], deprecated: Sequence[Offer]
) -> str:
    """Say why nothing comes: the newest there is, and what keeps it out."""
    if deprecated:
        return f"{deprecated[0].tag} is deprecated: {deprecated[0].deprecated}"
    present = question.present.tag
    alike = _likeness(present)
    beyond = [
        version
        for version in _versions(offer.tag for offer in offers)
        if step(present, version.tag).is_up and alike(version)
    ]
    if not beyond:
        return f"nothing is newer than {present}"
    newest = max(beyond)
    return f"{newest.tag} is newer than {present}, and {_objection(question, newest)}"


def _objection(question: Question, version: Version) -> str:
    rule = question.rule
    if version.is_prerelease and not rule.prereleases:
        return "is a pre-release"
    if not range_of(rule.allow).holds(version):
        return f"is not in {rule.allow}"
    if any(range_of(text).holds(version) for text in rule.ignore):
        return "is to be ignored"
    how_far = step(question.present.tag, version.tag)
    if how_far not in _STEPS[rule.step]:
        return f"is a {how_far} step; the rule takes {rule.step} steps"
    return "a person has closed its pull request"


# --- what fits ---


def _fitness(question: Question) -> Callable[[Version], bool]:
    rule, present = question.rule, question.present.tag
    if version_of(present) is None:
        return lambda _version: False
    allow = range_of(rule.allow)
    ignore = [range_of(text) for text in rule.ignore]
    alike, refused = _likeness(present), _newest_refused(question)

    def is_fit(version: Version) -> bool:
        return (
            step(present, version.tag) in _STEPS[rule.step]
            and alike(version)
            and (rule.prereleases or not version.is_prerelease)
            and allow.holds(version)
            and not any(one.holds(version) for one in ignore)
            and (refused is None or version.precedence > refused.precedence)
        )

    return is_fit


def _newest_refused(question: Question) -> Version | None:
    """Return the newest version that a person has refused: older ones are too."""
    return max(_versions(one.tag for one in question.refused), default=None)


def _likeness(tag: str) -> Callable[[Version], bool]:
    """Return what tells whether a version is of the same make as a tag."""
    present = version_of(tag)
    if present is None:
        raise InputError(f"{tag[:80]!a} is not a full version")
    make = _make(present)
    return lambda version: _make(version) == make


def _make(version: Version) -> tuple[str, str]:
    """Return the variant of an image and the name of its build.

    `12.4.1-acme.3` and `12.5.0-acme.1` are one make; `12.4.1` and `12.4.1-alpine3.19`
    are others. A pre-release is of the make that follows its number.
    """
    return version.variant, _build(version)


def _build(version: Version) -> str:
    if version.is_prerelease:
        found = _PRERELEASE.match(version.suffix)
        return version.suffix[found.end() :].strip(".-") if found else version.suffix
    name, *numbers = version.build.split(".")
    if name.isdigit():
        return _NUMBERED
    is_counted = all(number.isdigit() for number in numbers)
    return name if is_counted and _NAMED_BUILD.fullmatch(name) else version.build


def _versions(tags: Iterable[str]) -> list[Version]:
    return [found for found in map(version_of, tags) if found is not None]


def _wanted(intent: Intent, target: Target) -> str:
    """Return the tag that an intent wants for a target; empty for none."""
    for change in intent.plan.changes:
        if isinstance(change, SetRevision) and change.target == target:
            return change.revision.tag
    return ""
