from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from gitops.catalogue import (
    is_known,
    licence_of,
    migrations_between,
    newest_version,
    obstacles_back,
    released_on,
    risks,
)
from gitops.catalogue.rows import (
    BREAKS,
    LICENCES,
    LOSSES,
    MIGRATIONS,
    RELEASED,
    VERSIONS,
)
from gitops.model import Finding, Severity
from gitops.versions import parse_tag

PAGE = Path(__file__).parent.parent.parent / "docs" / "directus-versions.md"


def by_rule(before: str, after: str) -> dict[str, Finding]:
    return {finding.rule: finding for finding in risks(before, after)}


def rules(before: str, after: str) -> list[str]:
    return [finding.rule for finding in risks(before, after)]


# --- the rows ---


def test_the_newest_release_is_the_highest_and_not_the_last_as_text() -> None:
    assert newest_version() == "12.4.1"
    assert max(VERSIONS) != newest_version()


def test_every_row_names_a_public_page() -> None:
    for row in (*BREAKS, *LICENCES):
        assert re.fullmatch(r"https://[a-z.]+/[\w./@-]+", row.source)


def test_every_list_is_in_the_order_of_versions_and_names_each_once() -> None:
    for tags in (
        VERSIONS,
        tuple(RELEASED),
        tuple(row.version for row in MIGRATIONS),
        tuple(row.since for row in LICENCES),
    ):
        assert list(tags) == sorted(set(tags), key=parse_tag)
    breaks = [parse_tag(row.since) for row in BREAKS]
    assert breaks == sorted(breaks)


def test_rows_speak_only_of_releases_that_are_listed() -> None:
    named = {row.version for row in MIGRATIONS} | {row.since for row in BREAKS}
    assert named | set(RELEASED) <= set(VERSIONS)


def test_release_days_follow_the_order_of_versions() -> None:
    assert list(RELEASED.values()) == sorted(RELEASED.values())


def test_a_lost_migration_is_a_migration() -> None:
    assert set(LOSSES) <= {name for row in MIGRATIONS for name in row.added}


# --- questions ---


def test_a_build_of_ones_own_is_known_as_the_release_it_is_built_on() -> None:
    assert is_known("12.4.1-acme.3")
    assert released_on("12.4.1-dhi") == RELEASED["12.4.1"]
    assert not is_known("12.4.9")
    assert not is_known("latest")
    assert released_on("latest") is None


@pytest.mark.parametrize(
    ("tag", "licence"),
    [
        ("9.26.0", "GPL-3.0-only"),
        ("10.0.0", "BUSL-1.1"),
        ("11.17.4", "BUSL-1.1"),
        ("12.0.0-rc.1", "MSCL-1.0-GPL"),
        ("13.0.0", "MSCL-1.0-GPL"),
    ],
)
def test_the_licence_is_that_of_the_last_row_before(tag: str, licence: str) -> None:
    found = licence_of(parse_tag(tag))
    assert found
    assert found.name == licence


def test_before_the_first_row_no_licence_is_named() -> None:
    assert licence_of(parse_tag("8.1.0")) is None


@pytest.mark.parametrize(
    ("older", "newer", "count"),
    [
        ("11.17.4", "12.4.0", "8"),  # 109 - 101 files
        ("10.13.4", "12.4.0", "29"),  # 109 - 80 files
        ("10.10.4", "12.4.1", "36"),  # 109 - 73 files
        ("12.4.0", "12.4.1", "0"),
        ("12.0.2", "12.1.1", "0"),
        ("11.14.0", "11.17.4", "0 to 7"),
        ("11.13.4", "11.14.0", "0 to 7"),
        ("9.26.0", "10.13.4", "at least 7"),
        ("12.3.1", "13.0.0", "at least 2"),
        ("12.4.1", "12.5.0", "an unknown number of"),
        ("12.4.1", "12.4.1", "0"),
    ],
)
def test_migrations_are_counted_exactly_or_within_bounds(
    older: str, newer: str, count: str
) -> None:
    assert migrations_between(parse_tag(older), parse_tag(newer)).count == count


# --- risks ---


def test_a_major_step_brings_licence_migrations_and_breaking_changes() -> None:
    assert rules("11.17.4", "12.4.0") == [
        "major-step",
        "licence-change",
        "migration",
        "licence-enforcement",
        "ip-trust-proxy",
        "probe-path",
        "health-checks",
        "image-tools",
        "websocket-origin",
        "upload-paths",
        "import-limit",
    ]
    found = by_rule("11.17.4", "12.4.0")
    assert "BUSL-1.1 -> MSCL-1.0-GPL" in found["licence-change"].message
    assert "8 migrations" in found["migration"].message
    assert (
        "https://github.com/directus/directus/pull/27607"
        in found["ip-trust-proxy"].hint
    )


def test_a_patch_without_migrations_is_told_in_one_line() -> None:
    (finding,) = risks("12.4.0", "12.4.1", path="overlays/production/acme")
    assert (finding.rule, finding.severity) == ("migration", Severity.INFO)
    assert finding.path == "overlays/production/acme"


def test_only_the_breaking_changes_in_between_are_told() -> None:
    assert "image-tools" in rules("12.0.2", "12.1.0")
    assert "image-tools" not in rules("12.1.0", "12.1.1")
    assert "probe-path" not in rules("12.0.2", "12.1.0")
    assert "probe-path" in rules("11.17.4", "12.0.0-rc.1")


def test_skipping_a_major_tells_of_both() -> None:
    found = rules("10.13.4", "12.4.1")
    assert {"permission-policies", "node-floor", "probe-path"} <= set(found)


def test_many_migrations_are_named_in_part() -> None:
    message = by_rule("10.13.4", "12.4.1")["migration"].message
    assert "20240806A-permissions-policies" in message
    assert message.endswith("and 21 more")


def test_going_down_tells_what_stays_in_the_database() -> None:
    found = by_rule("12.4.0", "12.3.1")
    assert set(found) == {"downgrade", "migration"}
    assert "2 migrations stay in the database" in found["migration"].message


def test_going_down_over_a_licence_names_the_terms_that_hold_then() -> None:
    assert (
        "MSCL-1.0-GPL -> BUSL-1.1"
        in by_rule("12.0.0", "11.17.4")["licence-change"].message
    )


def test_beyond_the_catalogue_it_says_that_nothing_is_known() -> None:
    found = by_rule("12.4.1", "13.0.0")
    assert found["unknown-version"].severity is Severity.WARNING
    assert "ends at 12.4.1" in found["unknown-version"].message
    assert "an unknown number of migrations" in found["migration"].message
    assert "major-step" in found


def test_a_gap_in_the_catalogue_is_only_mentioned() -> None:
    assert by_rule("12.4.0", "12.4.1-acme.1").get("unknown-version") is None
    assert by_rule("11.16.1", "11.17.3")["unknown-version"].severity is Severity.INFO


@pytest.mark.parametrize(("before", "after"), [("latest", "12.4.1"), ("12.4.1", "12")])
def test_of_a_tag_that_is_no_version_nothing_is_known(before: str, after: str) -> None:
    assert rules(before, after) == ["unknown-version"]


def test_the_same_tag_has_no_risks() -> None:
    assert risks("latest", "latest") == risks("12.4.1", "12.4.1") == ()


def test_a_change_of_variant_is_about_the_shell_only() -> None:
    assert rules("12.4.1", "12.4.1-dhi") == ["image-variant"]
    assert rules("12.4.1-dhi", "12.4.1") == ["image-variant"]


def test_a_lost_build_suffix_and_a_pre_release_are_told() -> None:
    found = by_rule("12.4.1-acme.2", "12.5.0-rc.1")
    assert "acme.2" in found["build-suffix"].message
    assert "pre-release" in found
    assert "build-suffix" not in rules("12.4.0-acme.2", "12.4.1-acme.1")


def test_no_risk_is_an_error() -> None:
    for before in VERSIONS[::7]:
        for after in VERSIONS[::5]:
            for finding in risks(before, after):
                assert finding.severity in (Severity.WARNING, Severity.INFO)
                assert finding.message


def test_every_rule_is_on_its_page_with_its_severity() -> None:
    page = PAGE.read_text()
    pairs = [*pairwise(VERSIONS), ("9.24.0", "12.4.1")]
    pairs += [
        ("12.4.1", "12.4.0"),
        ("12.4.1", "99.0.0-rc.1"),
        ("12.4.1-a.1-dhi", "12.4.1"),
    ]
    told = {f.rule: f.severity for pair in pairs for f in reversed(risks(*pair))}
    told |= {"migration": Severity.WARNING, "unknown-version": Severity.WARNING}
    listed = dict(re.findall(r"^\| `([a-z-]+)` \| (warning|info) \|", page, re.M))
    assert listed == {rule: severity.value for rule, severity in told.items()}
    assert all(name in page for name in LOSSES)


# --- the way back ---


def test_additive_migrations_do_not_bar_the_way_back() -> None:
    assert obstacles_back("12.4.1", "12.0.2") == ()


def test_a_step_below_a_major_bars_it() -> None:
    (only,) = obstacles_back("12.4.0", "11.17.4")
    assert "Directus 11" in only


def test_a_migration_that_drops_data_bars_it() -> None:
    (only,) = obstacles_back("11.16.1", "11.13.4")
    assert "directus_webhooks" in only


def test_a_migration_that_may_lie_in_between_bars_it_too() -> None:
    assert obstacles_back("11.14.0", "11.13.4")


def test_eleven_to_ten_names_the_permissions() -> None:
    assert any("permissions" in text for text in obstacles_back("11.1.2", "10.13.4"))


def test_the_way_up_has_no_obstacles() -> None:
    assert obstacles_back("11.17.4", "12.4.1") == ()
    assert obstacles_back("12.4.1", "12.4.1-dhi") == ()


def test_of_a_tag_that_is_no_version_the_worst_is_feared() -> None:
    assert obstacles_back("latest", "12.4.1")
    assert obstacles_back("12.4.1", "12")
