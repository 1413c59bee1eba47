from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import jsonschema_rs
import pytest
from hypothesis import given, strategies as st

from gitops.errors import FleetError, GitopsError, YamlError
from gitops.fleet import fleet_schema, predecessors, read_fleet, sources_of
from gitops.fleet.read import seconds
from gitops.model import (
    EnvironmentName,
    Fleet,
    Json,
    MergePolicy,
    Missed,
    PromotionRule,
    StackName,
    Window,
)
from gitops.yamltext import parse_typed

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE = DOCS / "gitops-yaml.md"

SMALL = """\
apiVersion: directus-gitops/v1
environments:
  - name: development
  - name: staging
    after: [development]
  - name: production
    after: [staging]
"""


def example() -> str:
    found = re.search(r"```yaml\n(.*?)```", PAGE.read_text(), re.S)
    assert found
    return found[1]


def read(text: str) -> Fleet:
    return read_fleet(text.encode())


def refused(text: str) -> FleetError:
    with pytest.raises(FleetError) as caught:
        read(text)
    return caught.value


def with_promotion(rule: str) -> str:
    return SMALL + f"promotions:\n  - {{from: development, to: staging, {rule}}}\n"


def rule_of(text: str) -> PromotionRule:
    (rule,) = read(with_promotion(text)).promotions
    return rule


# --- what is read ---


def test_a_small_file_has_the_documented_defaults() -> None:
    fleet = read(SMALL)
    assert fleet.branch == "main"
    assert fleet.overlay_pattern == "overlays/{environment}/{stack}"
    assert fleet.image == "directus/directus"
    assert (fleet.carry, fleet.stacks, fleet.promotions) == ((), {}, ())
    assert [e.name for e in fleet.environments] == [
        "development",
        "staging",
        "production",
    ]


def test_the_example_of_the_page_is_read_whole() -> None:
    fleet = read(example())
    acme = StackName("acme")
    assert fleet.image_of(acme) == "registry.example.com/acme/directus"
    assert fleet.carry_of(acme) == ("FEATURE_X",)
    assert fleet.image_of(StackName("other")) == "directus/directus"
    first, second = fleet.promotions
    assert (first.schedule, first.timezone) == ("0 9 * * 1-5", "Europe/Berlin")
    assert (first.soak_s, first.missed) == (86_400, Missed.SKIP)
    assert (second.approvals, second.go, second.schedule) == (1, 1, None)
    assert second.windows == (
        Window(
            allow=True,
            schedule="0 9 * * 1-4",
            duration_s=8 * 3600,
            timezone="Europe/Berlin",
        ),
        Window(
            allow=False, schedule="0 0 20 12 *", duration_s=14 * 86_400, timezone="UTC"
        ),
    )


def test_a_promotion_without_gates_has_none() -> None:
    rule = rule_of("merge: review")
    assert rule == PromotionRule(
        source=EnvironmentName("development"), target=EnvironmentName("staging")
    )


def test_words_of_the_file_become_values() -> None:
    rule = rule_of('missed: run once, merge: automatic, health: cluster-a, soak: "0s"')
    assert rule.missed is Missed.RUN_ONCE
    assert rule.merge is MergePolicy.AUTOMATIC
    assert (rule.health, rule.soak_s) == ("cluster-a", 0)


def test_images_travel_as_keys_do() -> None:
    more = "defaults: {carryImages: [acme/x]}\nstacks: {a: {carryImages: []}, b: {}}\n"
    fleet = read(SMALL + more)
    assert fleet.carried_images_of(StackName("a")) == ()
    assert fleet.carried_images_of(StackName("b")) == ("acme/x",)
    assert fleet.carried_images_of(StackName("c")) == ("acme/x",)
    assert read(SMALL).carried_images_of(StackName("c")) == ()


def test_a_promotion_may_have_a_group_and_a_way_back() -> None:
    rule = rule_of("group: weekly, health: argocd, rollback: {within: 1h}")
    assert (rule.group, rule.rollback_within_s) == ("weekly", 3600)
    plain = rule_of("health: argocd")
    assert (plain.group, plain.rollback_within_s) == ("", 0)


def test_a_window_without_a_zone_is_read_in_that_of_its_promotion() -> None:
    rule = rule_of(
        'timezone: Asia/Kolkata, windows: [{allow: "0 9 * * *", for: 1h},'
        ' {deny: "0 9 * * *", for: 1h, timezone: UTC}]'
    )
    assert [w.timezone for w in rule.windows] == ["Asia/Kolkata", "UTC"]


def test_a_stack_may_override_the_default_with_nothing() -> None:
    fleet = read(SMALL + "defaults: {carry: [A]}\nstacks: {x: {carry: []}, y: {}}\n")
    assert fleet.carry_of(StackName("x")) == ()
    assert fleet.carry_of(StackName("y")) == ("A",)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("0s", 0),
        ("45s", 45),
        ("90m", 5400),
        ("24h", 86_400),
        ("7d", 604_800),
        ("2w", 1_209_600),
    ],
)
def test_durations_are_read_into_seconds(text: str, length: int) -> None:
    assert seconds(text) == length


# --- the graph ---


def test_sources_are_the_predecessors_and_the_ways_of_promotions() -> None:
    fleet = read(SMALL + "promotions: [{from: development, to: production}]\n")
    production = EnvironmentName("production")
    assert predecessors(fleet, production) == ("staging",)
    assert sources_of(fleet, production) == ("staging", "development")
    assert predecessors(fleet, EnvironmentName("nowhere")) == ()


def test_an_environment_may_be_named_before_those_it_follows() -> None:
    fleet = read(
        "apiVersion: directus-gitops/v1\n"
        "environments: [{name: b, after: [a, c]}, {name: a}, {name: c}]\n"
    )
    assert predecessors(fleet, EnvironmentName("b")) == ("a", "c")


# --- what is refused, and where ---

BROKEN = {
    "unknown key": (
        SMALL + "brunch: main\n",
        "8:1: brunch: unknown key",
        "did you mean branch?",
    ),
    "unknown key inside": (
        SMALL + "stacks:\n  acme:\n    imagee: x\n",
        "10:5: stacks.acme.imagee: unknown key",
        "did you mean image?",
    ),
    "unknown key unlike any": (
        SMALL + "paths: {zzz: 1}\n",
        "8:9: paths.zzz: unknown key",
        "known: overlay",
    ),
    "hostile key": (
        SMALL + '"a\\e[31m": 1\n',
        "8:1: 'a\\x1b[31m': unknown key",
        "known: ",
    ),
    "image that travels with a tag": (
        SMALL + "defaults: {carryImages: ['acme/x:1']}\n",
        "8:26: defaults.carryImages[0]: 'acme/x:1' is not an image repository",
        "without tag",
    ),
    "no apiVersion": (
        SMALL.replace("apiVersion: directus-gitops/v1\n", ""),
        "1:1: the file: the key apiVersion is missing",
        "add apiVersion",
    ),
    "other apiVersion": (
        SMALL.replace("/v1", "/v2"),
        "1:1: apiVersion: 'directus-gitops/v2' is not known",
        "reads directus-gitops/v1",
    ),
    "no environment": (
        "apiVersion: directus-gitops/v1\nenvironments: []\n",
        "2:1: environments: the list is empty",
        "name at least one",
    ),
    "a list": ("- a\n", "1:1: the file: must be a mapping, but is a list", ""),
    "a text": ("hello\n", "1:1: the file: must be a mapping, but is 'hello'", ""),
    "number for a text": (
        SMALL.replace("name: staging", "name: 12"),
        "4:5: environments[1].name: must be a text, but is the number 12",
        "put it in quotes",
    ),
    "word that is a truth value": (
        SMALL.replace("name: staging", "name: no"),
        "4:5: environments[1].name: must be a text, but is the truth value false",
        "put it in quotes",
    ),
    "nothing": (
        SMALL + "stacks:\n",
        "8:1: stacks: must be a mapping, but is empty",
        "leave the key out",
    ),
    "text for a list": (
        SMALL.replace("after: [staging]", "after: staging"),
        "7:5: environments[2].after: must be a list, but is 'staging'",
        "",
    ),
    "mapping for a text": (
        SMALL + "branch: {a: b}\n",
        "8:1: branch: must be a text, but is a mapping",
        "",
    ),
    "bad name": (
        SMALL.replace("name: staging", "name: Staging"),
        "4:5: environments[1].name: environment 'Staging' is not a name",
        "a-z",
    ),
    "bad stack": (
        SMALL + "stacks: {../x: {}}\n",
        "8:10: stacks.'../x': stack '../x' is not a name",
        "a-z",
    ),
    "twice": (
        SMALL + "  - name: staging\n",
        "8:5: environments[3].name: the environment staging is there twice",
        "",
    ),
    "after nobody": (
        SMALL.replace("[staging]", "[stagin]"),
        "7:13: environments[2].after[0]: there is no environment stagin",
        "did you mean staging?",
    ),
    "after twice": (
        SMALL.replace("[staging]", "[staging, staging]"),
        "7:5: environments[2].after: an item is there twice",
        "once",
    ),
    "cycle": (
        SMALL.replace(
            "- name: development", "- name: development\n    after: [production]"
        ),
        "4:13: environments[0].after[0]: development comes after itself",
        "take one of them out",
    ),
    "after itself": (
        SMALL.replace("[staging]", "[production]"),
        "7:13: environments[2].after[0]: production comes after itself: "
        "production -> production",
        "",
    ),
    "bad branch": (SMALL + "branch: a..b\n", "8:1: branch: 'a..b'", "letters"),
    "bad pattern": (
        SMALL + "paths: {overlay: 'x/{stack}'}\n",
        "8:9: paths.overlay: path pattern",
        "the default is",
    ),
    "pattern that leaves": (
        SMALL + "paths: {overlay: '../{environment}/{stack}'}\n",
        "8:9: paths.overlay: ",
        "",
    ),
    "image with tag": (
        SMALL + "defaults: {image: directus/directus:12}\n",
        "8:12: defaults.image: 'directus/directus:12' is not an image repository",
        "without tag",
    ),
    "image of a stack": (
        SMALL + "stacks: {acme: {image: 'https://x/y'}}\n",
        "8:17: stacks.acme.image: ",
        "scheme",
    ),
    "carried secret": (
        SMALL + "defaults:\n  carry: [FEATURE_X, ADMIN_TOKEN]\n",
        "9:22: defaults.carry[1]: ADMIN_TOKEN is the name of a secret",
        "Secret",
    ),
    "carried nonsense": (
        SMALL + "stacks: {acme: {carry: [a-b]}}\n",
        "8:25: stacks.acme.carry[0]: 'a-b' is not a configuration key",
        "A-Z",
    ),
}

BROKEN_RULES = {
    "to nowhere": (
        "{from: development, to: stagin}",
        "9:25: promotions[0].to: there is no environment stagin",
        "did you mean staging?",
    ),
    "backwards": (
        "{from: production, to: development}",
        "9:24: promotions[0].to: production -> development goes against the order",
        "swap",
    ),
    "to itself": (
        "{from: staging, to: staging}",
        "9:21: promotions[0].to: from and to are both staging",
        "",
    ),
    "no to": ("{from: staging}", "9:5: promotions[0]: the key to is missing", "add to"),
    "never fires": (
        '{from: development, to: staging, schedule: "0 0 31 2 *"}',
        "9:38: promotions[0].schedule: schedule '0 0 31 2 *': it never fires",
        "minute",
    ),
    "bad zone": (
        "{from: development, to: staging, timezone: Europe/Berln}",
        "9:38: promotions[0].timezone: 'Europe/Berln' is not a time zone",
        "did you mean Europe/Berlin?",
    ),
    "soak without a unit": (
        "{from: development, to: staging, soak: 24}",
        "9:38: promotions[0].soak: must be a text, but is the number 24",
        "24h",
    ),
    "soak of nonsense": (
        "{from: development, to: staging, soak: 1 day}",
        "9:38: promotions[0].soak: '1 day' is not a duration",
        "24h",
    ),
    "endless soak": (
        "{from: development, to: staging, soak: 367d}",
        "9:38: promotions[0].soak: 367d is too long",
        "366d",
    ),
    "unknown word": (
        "{from: development, to: staging, missed: run}",
        "9:38: promotions[0].missed: 'run' is not allowed",
        "run once",
    ),
    "bad health": (
        "{from: development, to: staging, health: 'http://x'}",
        "9:38: promotions[0].health: 'http://x' is not the name of a health source",
        "settings",
    ),
    "bad group": (
        "{from: development, to: staging, group: 'a b'}",
        "9:38: promotions[0].group: 'a b' is not the name of a group",
        "1 to 63",
    ),
    "group of bumps": (
        "{from: development, to: staging, group: all}",
        "9:38: promotions[0].group: all is the group of bumps",
        "another name",
    ),
    "empty group": (
        "{from: development, to: staging, group: ''}",
        "9:38: promotions[0].group: '' is not the name of a group",
        "1 to 63",
    ),
    "way back without health": (
        "{from: development, to: staging, rollback: {within: 1h}}",
        "9:38: promotions[0].rollback: nobody can tell that a promotion failed",
        "health source",
    ),
    "way back with health none": (
        "{from: development, to: staging, health: none, rollback: {within: 1h}}",
        "9:52: promotions[0].rollback: nobody can tell that a promotion failed",
        "health source",
    ),
    "way back in no time": (
        "{from: development, to: staging, health: x, rollback: {within: 0s}}",
        "9:60: promotions[0].rollback.within: a time of no length",
        "",
    ),
    "way back of a number": (
        "{from: development, to: staging, health: x, rollback: {within: 60}}",
        "9:60: promotions[0].rollback.within: must be a text, but is the number 60",
        "24h",
    ),
    "way back without a time": (
        "{from: development, to: staging, health: x, rollback: {}}",
        "9:49: promotions[0].rollback: the key within is missing",
        "add within",
    ),
    "fewer than none": (
        "{from: development, to: staging, approvals: {count: -1}}",
        "9:50: promotions[0].approvals.count: the number -1 is too small",
        "at least 0",
    ),
    "too many": (
        "{from: development, to: staging, approvals: {go: 21}}",
        "9:50: promotions[0].approvals.go: the number 21 is too large",
        "at most 20",
    ),
    "truth value for a number": (
        "{from: development, to: staging, approvals: {go: true}}",
        "9:50: promotions[0].approvals.go: must be a whole number, but is the truth",
        "",
    ),
    "window of neither": (
        "{from: development, to: staging, windows: [{for: 1h}]}",
        "9:48: promotions[0].windows[0]: needs exactly one of allow and deny",
        "schedule",
    ),
    "window of both": (
        "{from: development, to: staging, windows: "
        '[{allow: "0 9 * * *", deny: "0 9 * * *", for: 1h}]}',
        "9:48: promotions[0].windows[0]: needs exactly one of allow and deny",
        "schedule",
    ),
    "window without a length": (
        '{from: development, to: staging, windows: [{allow: "0 9 * * *"}]}',
        "9:48: promotions[0].windows[0]: the key for is missing",
        "add for",
    ),
    "window of no length": (
        '{from: development, to: staging, windows: [{deny: "0 9 * * *", for: 0h}]}',
        "9:68: promotions[0].windows[0].for: a window of no length",
        "",
    ),
}


def broken_files() -> Iterator[object]:
    for name, (text, message, hint) in BROKEN.items():
        yield pytest.param(text, message, hint, id=name)
    for name, (rule, message, hint) in BROKEN_RULES.items():
        text = f"{SMALL}promotions:\n  - {rule}\n"
        yield pytest.param(text, message, hint, id=f"promotion {name}")


@pytest.mark.parametrize(("text", "message", "hint"), list(broken_files()))
def test_a_broken_rule_is_told_with_place_field_and_hint(
    text: str, message: str, hint: str
) -> None:
    error = refused(text)
    assert error.message.startswith(f"gitops.yaml:{message}")
    assert hint in error.hint
    assert error.message.isprintable()
    assert error.message.isascii()


def test_two_promotions_of_one_way_are_refused() -> None:
    way = "  - {from: development, to: staging}\n"
    error = refused(SMALL + "promotions:\n" + way * 2)
    assert (error.line, error.column) == (10, 5)
    assert "two promotions" in error.problem


def test_promotions_alone_can_make_no_circle_either() -> None:
    error = refused(
        "apiVersion: directus-gitops/v1\n"
        "environments: [{name: a}, {name: b}]\n"
        "promotions:\n  - {from: a, to: b}\n  - {from: b, to: a}\n"
    )
    assert error.line == 5
    assert "against the order" in error.problem


def test_of_several_faults_the_first_in_the_file_is_told() -> None:
    error = refused(SMALL.replace("name: staging", "nam: 1") + "brunch: 1\nstacks: 1\n")
    assert error.line == 4


def test_the_error_on_the_page_is_the_one_that_comes() -> None:
    error = refused(example().replace("[staging]", "[stagin]"))
    assert f"    {error.message}\n    {error.hint}\n" in PAGE.read_text()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "a: [\n",
        "a: 1\na: 2\n",
        "a: 1\n---\nb: 2\n",
        "a: !!python/x y\n",
        "[" * 100,
    ],
    ids=["empty", "comment", "open", "twice", "two documents", "tag", "deep"],
)
def test_what_is_no_yaml_of_ours_is_refused_as_such(text: str) -> None:
    with pytest.raises(YamlError):
        read(text)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_on_purpose(text: str) -> None:
    with suppress(GitopsError):
        read_fleet(text.encode("utf-8", "surrogatepass"))


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.sampled_from(
        ["branch", "paths", "defaults", "environments", "stacks", "promotions"]
    ),
    _VALUES,
)
def test_any_value_of_a_key_is_read_or_refused_at_a_place(
    key: str, value: Json
) -> None:
    data = {"apiVersion": "directus-gitops/v1", "environments": [{"name": "a"}]}
    text = json.dumps({**data, key: value}, ensure_ascii=True)
    try:
        read_fleet(text.encode())
    except FleetError as error:
        place = (error.line, error.column)
    except YamlError:
        return
    else:
        return
    assert min(place) >= 1


# --- the schema ---


def objects(node: Json, path: str = "") -> Iterator[tuple[str, Mapping[str, Json]]]:
    """Yield every property of the schema with its documented name."""
    if not isinstance(node, Mapping):
        return
    properties = node.get("properties", {})
    assert isinstance(properties, Mapping)
    for name, below in properties.items():
        assert isinstance(below, Mapping)
        here = f"{path}.{name}".lstrip(".")
        yield here, below
        yield from objects(below, here)
        yield from objects(below.get("items"), f"{here}[]")
        yield from objects(below.get("additionalProperties"), f"{here}.*")


def test_the_published_schema_is_the_one_that_checks() -> None:
    published = json.loads((DOCS / "gitops.schema.json").read_text())
    assert published == fleet_schema(), (
        "write the output of `directus-gitops schema gitops` to docs/gitops.schema.json"
    )


def test_the_schema_is_valid_and_has_an_address() -> None:
    jsonschema_rs.meta.validate(fleet_schema())
    assert str(fleet_schema()["$id"]).endswith("/docs/gitops.schema.json")


def test_every_key_is_described_in_the_schema_and_on_the_page() -> None:
    page = PAGE.read_text()
    for name, below in objects(fleet_schema()):
        assert below.get("description"), name
        leaf = below.get("type") != "object" or name == "stacks"
        if leaf:
            assert f"| `{name}` |" in page, name


def test_the_defaults_of_the_schema_are_the_ones_that_hold() -> None:
    text = json.loads(json.dumps({"apiVersion": "directus-gitops/v1"}))
    text["environments"] = [{"name": "a"}, {"name": "b"}]
    rule: dict[str, Json] = {"from": "a", "to": "b"}
    spelt: dict[str, Json] = {**rule}
    update: dict[str, Json] = {"environment": "a"}
    full = dict(text)
    for name, below in objects(fleet_schema()):
        if "default" not in below or name.startswith("environments"):
            continue
        key = name.rpartition(".")[2]
        if name.startswith("promotions[].approvals."):
            spelt["approvals"] = {"count": 0, "go": 0}
            assert below["default"] == 0
        elif name.startswith("promotions[]."):
            spelt[key] = below["default"]
        elif name.startswith("updates[]."):
            update[key] = below["default"]
        elif "." in name:
            full.setdefault(name.partition(".")[0], {})[key] = below["default"]
        else:
            full[name] = below["default"]
    assert set(full) >= {"branch", "paths", "defaults", "stacks", "promotions"}
    assert "updates" in full
    short = read(json.dumps({**text, "promotions": [rule]}))
    assert read(json.dumps({**full, "promotions": [spelt]})) == short
    short = read(json.dumps({**text, "updates": [{"environment": "a"}]}))
    assert read(json.dumps({**full, "updates": [update]})) == short


def test_asking_for_the_schema_gives_a_copy() -> None:
    fleet_schema().clear()
    assert fleet_schema()["title"] == "gitops.yaml"


def test_an_editor_that_knows_the_schema_accepts_the_example() -> None:
    data = parse_typed(example().encode(), "example")
    assert jsonschema_rs.is_valid(fleet_schema(), data)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("environments", [{"name": "Bad"}]),
        ("stacks", {"Bad": {}}),
        ("promotions", [{"from": "a", "to": "b", "schedule": "@daily"}]),
        ("promotions", [{"from": "a", "to": "b", "soak": "24"}]),
        ("defaults", {"carry": ["a-b"]}),
        ("defaults", {"image": "https://x/y z"}),
    ],
)
def test_an_editor_that_knows_the_schema_sees_misspelt_texts(
    key: str, value: Json
) -> None:
    data = {"apiVersion": "directus-gitops/v1", "environments": [{"name": "a"}]}
    assert jsonschema_rs.is_valid(fleet_schema(), data)
    assert not jsonschema_rs.is_valid(fleet_schema(), {**data, key: value})
