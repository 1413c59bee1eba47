"""Which version comes by itself: never older, no surprise, always with a reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from gitops.errors import InputError
from gitops.layout import target
from gitops.model import (
    BranchName,
    ChangeKey,
    EnvironmentName,
    Hold,
    Intent,
    IntentId,
    IntentState,
    Pin,
    Plan,
    PlanKind,
    Provenance,
    Revision,
    SetRevision,
    TargetScope,
    UpdateRule,
    UpdateSource,
    UpdateStep,
)
from gitops.promotion.updates import (
    Offer,
    Question,
    Rest,
    Update,
    Verdict,
    Wait,
    choose,
    eligible,
    is_ours,
    provenance_name,
    stopped,
)
from gitops.ranges import range_of
from gitops.versions import Step, step, version_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHOP = target("shop", "development")
IMAGE = "directus/directus"
RULE = UpdateRule(environment=EnvironmentName("development"))
OURS = provenance_name(UpdateSource.NPM)


def asked(present: str = "12.4.0", **rule: object) -> Question:
    return Question(
        rule=replace(RULE, **rule),  # type: ignore[arg-type]  # fields of the rule
        target=SHOP,
        present=Revision(image=IMAGE, tag=present),
    )


def offers(*tags: str, age_h: float | None = None) -> tuple[Offer, ...]:
    at = None if age_h is None else NOW - timedelta(hours=age_h)
    return tuple(Offer(tag=tag, published_at=at) for tag in tags)


def decided(question: Question, *tags: str) -> Verdict:
    return choose(question, offers(*tags), now=NOW)


def chosen(question: Question, *tags: str) -> str:
    verdict = decided(question, *tags)
    return verdict.tag if isinstance(verdict, Update) else ""


def reason(verdict: Verdict) -> str:
    assert isinstance(verdict, (Wait, Rest)), verdict
    return verdict.reason


def intent(
    tag: str,
    state: IntentState,
    *,
    by: str = OURS,
    at: datetime = NOW,
    error: str = "",
) -> Intent:
    plan = Plan(
        kind=PlanKind.BUMP,
        scope=TargetScope(target=SHOP),
        changes=(SetRevision(target=SHOP, revision=Revision(image=IMAGE, tag=tag)),),
        provenance=Provenance(requested_by=by),
    )
    return Intent(
        id=IntentId(f"{tag}-{state}"),
        key=ChangeKey(tag),
        repository="fleet",
        plan=plan,
        branch=BranchName("directus-gitops/development/shop"),
        created_at=at,
        state=state,
        error=error,
    )


# --- which ---


def test_the_newest_of_what_the_rule_takes_is_chosen() -> None:
    tags = ("12.4.1", "12.10.0", "12.9.3", "12.3.9", "12.4.0")
    assert chosen(asked(), *tags) == "12.10.0"


@pytest.mark.parametrize(
    ("given_step", "expected"),
    [
        (UpdateStep.PATCH, "12.4.9"),
        (UpdateStep.MINOR, "12.5.0"),
        (UpdateStep.MAJOR, "13.0.1"),
    ],
)
def test_a_step_goes_as_far_as_the_rule_says(
    given_step: UpdateStep, expected: str
) -> None:
    tags = ("12.4.9", "12.5.0", "13.0.1")
    assert chosen(asked(step=given_step), *tags) == expected


def test_a_major_is_not_taken_by_itself_and_the_reason_names_it() -> None:
    verdict = decided(asked(), "13.0.0", "12.4.0")
    assert isinstance(verdict, Rest)
    assert verdict.reason == (
        "13.0.0 is newer than 12.4.0, and is a major step; the rule takes minor steps"
    )


def test_what_is_older_or_the_same_is_nothing_new() -> None:
    verdict = decided(asked("12.4.1-dhi"), "12.4.1", "12.4.0-dhi", "11.9.9-dhi")
    assert verdict == Rest(reason="nothing is newer than 12.4.1-dhi")


def test_names_that_are_no_versions_are_left_out() -> None:
    tags = ("latest", "main", "12", "12.9", "sha-1f2e3d", "v12.9.9", "12.9.9.1", "")
    assert chosen(asked(), *tags, "12.4.1") == "12.4.1"


def test_ranges_let_in_and_keep_out() -> None:
    tags = ("11.17.4", "12.4.1", "12.5.0", "12.5.1", "12.6.0")
    question = asked(allow="~12.4 || ~12.5", ignore=("12.5.1", "12.6.*"))
    assert chosen(question, *tags) == "12.5.0"
    assert reason(decided(asked(allow="~12.4"), "12.5.0")) == (
        "12.5.0 is newer than 12.4.0, and is not in ~12.4"
    )
    assert reason(decided(asked(ignore=("12.5.*",)), "12.5.0")).endswith(
        "is to be ignored"
    )


def test_pre_releases_come_only_if_they_are_asked_for() -> None:
    tags = ("12.5.0-rc.1", "12.5.0-rc.2", "12.4.1")
    assert chosen(asked(), *tags) == "12.4.1"
    assert chosen(asked(prereleases=True), *tags) == "12.5.0-rc.2"
    assert chosen(asked(prereleases=True), *tags, "12.5.0") == "12.5.0"
    assert chosen(asked("12.5.0-rc.1"), "12.5.0") == "12.5.0"
    assert reason(decided(asked(), "12.5.0-beta.1")).endswith("is a pre-release")


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ("12.4.0", "12.5.0"),
        ("12.4.0-dhi", "12.5.1-dhi"),
        ("12.4.0-alpine", "12.6.0-alpine"),
        ("12.4.0-alpine3.19", "12.6.1-alpine3.19"),
        ("12.4.0-acme.3", "12.7.0-acme.10"),
        ("12.4.0-2", "12.8.0-1"),
    ],
)
def test_the_variant_and_the_build_of_an_image_stay(
    present: str, expected: str
) -> None:
    tags = (
        "12.5.0",
        "12.5.1-dhi",
        "12.6.0-alpine",
        "12.6.1-alpine3.19",
        "12.9.0-alpine3.20",
        "12.7.0-acme.10",
        "12.7.0-acme.9",
        "12.8.0-1",
        "12.9.0-other.1",
    )
    assert chosen(asked(present), *tags) == expected


def test_a_pre_release_of_a_variant_is_that_variants() -> None:
    question = asked(prereleases=True)
    assert chosen(question, "12.5.0-rc.1-alpine", "12.5.0-rc.1-dhi") == ""
    alpine = asked("12.4.0-alpine", prereleases=True)
    assert chosen(alpine, "12.5.0-rc.1-alpine", "12.5.0-rc.2") == "12.5.0-rc.1-alpine"


def test_what_is_deprecated_is_passed_over() -> None:
    bad = Offer(tag="12.5.0", deprecated="breaks uploads")
    assert choose(asked(), (bad, Offer(tag="12.4.1")), now=NOW) == Update(
        tag="12.4.1", published_at=None
    )
    assert choose(asked(), (bad,), now=NOW) == Rest(
        reason="12.5.0 is deprecated: breaks uploads"
    )


# --- when ---


def test_a_version_waits_until_it_is_old_enough_and_says_until_when() -> None:
    question = asked(minimum_age_s=3 * 86_400)
    verdict = choose(question, offers("12.5.0", age_h=24), now=NOW)
    assert verdict == Wait(
        reason="12.5.0 is old enough at 2026-03-03 12:00 UTC",
        earliest=NOW + timedelta(days=2),
    )
    assert isinstance(verdict, Wait)
    assert verdict.earliest is not None
    later = choose(question, offers("12.5.0", age_h=24), now=verdict.earliest)
    assert isinstance(later, Update)


def test_a_release_a_day_does_not_keep_out_the_one_that_has_served_its_time() -> None:
    question = asked(minimum_age_s=86_400)
    found = (*offers("12.5.1", age_h=1), *offers("12.5.0", age_h=25))
    assert choose(question, found, now=NOW) == Update(
        tag="12.5.0", published_at=NOW - timedelta(hours=25)
    )


def test_of_those_that_wait_the_first_to_be_ready_is_told() -> None:
    question = asked(minimum_age_s=86_400)
    found = (
        *offers("12.5.2"),
        *offers("12.5.1", age_h=1),
        *offers("12.5.0", age_h=20),
    )
    verdict = choose(question, found, now=NOW)
    assert isinstance(verdict, Wait)
    assert verdict.earliest == NOW + timedelta(hours=4)
    assert "12.5.0" in verdict.reason


def test_an_age_that_nobody_tells_waits_and_is_not_let_through() -> None:
    question = asked(minimum_age_s=1)
    verdict = choose(question, offers("12.5.0"), now=NOW)
    assert verdict == Wait(
        reason="nobody tells how old 12.5.0 is, and the rule asks for an age"
    )


# --- what stops it ---


def test_a_tag_that_names_no_version_is_left_alone() -> None:
    assert reason(decided(asked("latest"), "12.5.0")) == (
        "shop in development runs latest, which names no version: nothing can be newer"
    )
    assert eligible(asked("latest"), ["12.5.0"]) == ()


def test_a_hold_and_a_pin_stop_it() -> None:
    hold = Hold(
        stack=None,
        environment=EnvironmentName("development"),
        reason="fair",
        by="ada",
        at=NOW,
    )
    pin = Pin(
        target=SHOP,
        revision=Revision(image=IMAGE, tag="12.4.0"),
        reason="rolled back",
        by="ada",
        at=NOW,
    )
    held = decided(replace(asked(), holds=(hold,)), "12.5.0")
    assert isinstance(held, Wait)
    assert "held by ada" in held.reason
    elsewhere = replace(hold, environment=EnvironmentName("staging"))
    assert chosen(replace(asked(), holds=(elsewhere,)), "12.5.0") == "12.5.0"
    pinned = decided(replace(asked(), pin=pin), "12.5.0")
    assert isinstance(pinned, Wait)
    assert "is pinned to 12.4.0" in pinned.reason


def test_what_a_person_refused_stays_refused_until_something_newer_comes() -> None:
    refused = frozenset({Revision(image=IMAGE, tag="12.5.0")})
    question = replace(asked(), refused=refused)
    assert chosen(question, "12.4.1", "12.5.0") == ""
    assert reason(decided(question, "12.5.0")).endswith(
        "a person has closed its pull request"
    )
    assert chosen(question, "12.4.1", "12.5.0", "12.5.1") == "12.5.1"


@pytest.mark.parametrize("tag", ["12.4.1", "12.6.0"])
def test_what_somebody_asked_for_goes_first(tag: str) -> None:
    live = intent(tag, IntentState.PR_OPEN, by="ada")
    verdict = decided(replace(asked(), intents=(live,)), "12.5.0")
    assert verdict == Wait(
        reason=f"ada has asked for {tag} in shop in development; that goes first"
    )
    over = intent(tag, IntentState.MERGED, by="ada")
    assert chosen(replace(asked(), intents=(over,)), "12.5.0") == "12.5.0"


def test_what_was_asked_for_already_is_not_asked_again() -> None:
    live = intent("12.5.0", IntentState.PR_OPEN)
    question = replace(asked(), intents=(live,))
    assert decided(question, "12.5.0") == Rest(
        reason="12.5.0 has been asked for in shop in development"
    )
    assert chosen(question, "12.5.0", "12.5.1") == "12.5.1"


def test_an_open_pull_request_never_goes_back_to_an_older_version() -> None:
    live = intent("12.5.1", IntentState.PR_OPEN)
    assert chosen(replace(asked(), intents=(live,)), "12.5.0") == ""


def test_what_failed_is_tried_again_a_day_later() -> None:
    failed = intent(
        "12.5.0",
        IntentState.FAILED,
        at=NOW - timedelta(hours=1),
        error="a rule is broken",
    )
    question = replace(asked(), intents=(failed,))
    assert decided(question, "12.5.0") == Wait(
        reason="12.5.0 failed: a rule is broken", earliest=NOW + timedelta(hours=23)
    )
    assert chosen(question, "12.5.0", "12.5.1") == "12.5.1"
    later = NOW + timedelta(days=1)
    assert isinstance(choose(question, offers("12.5.0"), now=later), Update)


def test_only_our_own_requests_are_ours() -> None:
    assert is_ours(Provenance(requested_by="updates from registry"))
    assert not is_ours(Provenance(requested_by="updates"))
    assert not is_ours(Provenance(requested_by="schedule development->staging"))


# --- whatever comes ---

NUMBERS = st.integers(0, 3)
SUFFIXES = st.sampled_from(["", "-rc.1", "-dhi", "-acme.2", "-alpine", "-beta"])
TAGS = st.one_of(
    st.builds(
        lambda a, b, c, s: f"{a}.{b}.{c}{s}", NUMBERS, NUMBERS, NUMBERS, SUFFIXES
    ),
    st.sampled_from(["latest", "12", "", "..", "1.2.3.4", "1.2.3-", "\u0661.0.0"]),
)


@given(
    present=TAGS,
    tags=st.lists(TAGS, max_size=12),
    how_far=st.sampled_from(list(UpdateStep)),
    prereleases=st.booleans(),
    refused=st.lists(TAGS, max_size=2),
)
def test_whatever_is_offered_nothing_goes_back_or_too_far(
    present: str,
    tags: list[str],
    how_far: UpdateStep,
    prereleases: bool,
    refused: list[str],
) -> None:
    question = replace(
        asked(present, step=how_far, prereleases=prereleases),
        refused=frozenset(Revision(image=IMAGE, tag=tag) for tag in refused),
    )
    verdict = decided(question, *tags)
    assert stopped(question) is None or not isinstance(verdict, Update)
    if not isinstance(verdict, Update):
        assert verdict.reason
        return
    assert verdict.tag in tags
    taken = step(present, verdict.tag)
    assert taken.is_up
    assert how_far is UpdateStep.MAJOR or taken is not Step.MAJOR
    assert how_far is not UpdateStep.PATCH or taken is Step.PATCH
    before, after = version_of(present), version_of(verdict.tag)
    assert before is not None
    assert after is not None
    assert prereleases or not after.is_prerelease
    assert before.variant == after.variant
    assert verdict.tag not in refused


# --- ranges ---


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("*", ("0.0.0", "999.0.0-rc.1"), ()),
        ("~12", ("12.0.0", "12.9.9-acme.1"), ("11.9.9", "13.0.0")),
        ("12.x", ("12.0.0",), ("13.0.0",)),
        ("12.*.*", ("12.0.0",), ("13.0.0",)),
        ("12", ("12.7.0",), ("13.0.0",)),
        ("~12.3", ("12.3.0",), ("12.2.9", "12.4.0")),
        ("12.3.*", ("12.3.7",), ("12.4.0",)),
        ("~12.3.2", ("12.3.2", "12.3.9"), ("12.3.1", "12.4.0")),
        ("^12.3.2", ("12.3.2", "12.9.0"), ("12.3.1", "13.0.0")),
        ("^0.3.1", ("0.3.9",), ("0.4.0",)),
        ("^0.0.3", ("0.0.3",), ("0.0.4",)),
        ("^0.0", ("0.0.9",), ("0.1.0",)),
        (">=12.1 <13", ("12.1.0", "12.9.9"), ("12.0.9", "13.0.0-rc.1")),
        (">12.1", ("12.2.0",), ("12.1.5",)),
        ("<=12.1", ("12.1.5", "1.0.0"), ("12.2.0",)),
        ("=12.1.0", ("12.1.0",), ("12.1.1",)),
        ("~11.17 || ~12.4", ("11.17.3", "12.4.1"), ("12.3.0",)),
        ("12.0.0-rc.1 || 11.*", ("12.0.0-rc.1", "11.2.0"), ("12.0.0-rc.2", "12.0.0")),
    ],
)
def test_a_range_holds_what_the_page_says(
    text: str, inside: tuple[str, ...], outside: tuple[str, ...]
) -> None:
    found = range_of(text)
    for tag in (*inside, *outside):
        version = version_of(tag)
        assert version is not None
        assert found.holds(version) is (tag in inside), tag


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "||",
        "12 ||",
        "latest",
        "v12",
        "~12.*",
        "12.*.*.*",
        "12.3.4.5",
        "1.2 - 1.4",
        "012",
        ">=12.0.0-rc.1",
        "~",
        "1" * 300,
        "12\n13x",
        "\u0661\u0662",
    ],
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        range_of(text)
