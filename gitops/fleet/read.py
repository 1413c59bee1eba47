"""Text of gitops.yaml -> Fleet. Pure.

Promises: first the limits of YAML (R9), then the shape, then every rule that a schema
cannot say, each by the checker that the rest of the library uses for the same thing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar, cast

from gitops.cron import check_expression, check_timezone
from gitops.errors import FleetError, InputError
from gitops.fleet.faults import Positions, check_shape, fault_at, nearest
from gitops.fleet.order import find_cycle, follows
from gitops.fleet.schema import DEFAULT_BRANCH, DEFAULT_IMAGE, MAX_DURATION_S
from gitops.layout import (
    DEFAULT_OVERLAY_PATTERN,
    FLEET_FILE,
    branch_name,
    check_pattern,
    environment_name,
    stack_name,
)
from gitops.model import (
    EVERY_STACK,
    Environment,
    EnvironmentName,
    Fleet,
    Json,
    MergePolicy,
    Missed,
    PromotionRule,
    StackName,
    StackRule,
    UpdateRule,
    UpdateSource,
    UpdateStep,
    Window,
)
from gitops.ranges import EVERY, range_of
from gitops.secretnames import is_secret_name
from gitops.versions import check_image
from gitops.yamltext import Path, parse_typed, positions

T = TypeVar("T")

_DURATION = re.compile(r"(0|[1-9][0-9]{0,8})([smhdw])", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
BUMP_GROUP: Final = "all"
"""The group of bumps that name every stack; no promotion may join it."""

NO_HEALTH: Final = "none"
"""The health source of a promotion that asks for none."""

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def read_fleet(text: bytes) -> Fleet:
    """Read gitops.yaml.

    Raises:
        YamlError: it is no YAML that we read.
        FleetError: it breaks a rule; placed at the first field that does.
    """
    places = positions(text, FLEET_FILE)
    data = parse_typed(text, FLEET_FILE)
    check_shape(data, places)
    root = _Section(data=cast(Mapping[str, Json], data), path=(), places=places)
    defaults = root.section("defaults")
    environments = _environments(root)
    return Fleet(
        branch=root.checked("branch", branch_name, DEFAULT_BRANCH),
        overlay_pattern=root.section("paths").checked(
            "overlay", check_pattern, DEFAULT_OVERLAY_PATTERN
        ),
        image=defaults.checked("image", check_image, DEFAULT_IMAGE),
        carry=_carry(defaults) or (),
        carry_images=_carried_images(defaults) or (),
        environments=environments,
        stacks=dict(_stacks(root.section("stacks"))),
        promotions=_promotions(root, environments),
        updates=tuple(_updates(root, environments)),
    )


def seconds(text: str) -> int:
    """Read a duration such as `90m`, `24h` or `7d`.

    Raises:
        InputError: not a whole number and one unit, or longer than 366 days.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise InputError(
            f"{text[:80]!a} is not a duration",
            hint="a whole number and one of s, m, h, d, w: 90m, 24h, 7d",
        )
    length = int(found[1]) * _SECONDS[found[2]]
    if length > MAX_DURATION_S:
        raise InputError(f"{text} is too long", hint="at most 366d")
    return length


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    """A mapping of the file whose shape is known to be right, and where it is."""

    data: Mapping[str, Json]
    path: Path
    places: Positions

    def section(self, key: str) -> _Section:
        found = cast(Mapping[str, Json], self.data.get(key, {}))
        return _Section(data=found, path=(*self.path, key), places=self.places)

    def sections(self, key: str) -> Iterator[_Section]:
        found = cast(Sequence[Mapping[str, Json]], self.data.get(key, ()))
        for index, item in enumerate(found):
            yield _Section(data=item, path=(*self.path, key, index), places=self.places)

    def text(self, key: str, default: str) -> str:
        return cast(str, self.data.get(key, default))

    def number(self, key: str) -> int:
        return int(cast(int, self.data.get(key, 0)))

    def flag(self, key: str) -> bool:
        return cast(bool, self.data.get(key, False))

    def checked(self, key: str, check: Callable[[str], T], default: str = "") -> T:
        """Return what a checker makes of a text; its refusal is placed at the key."""
        return self.accept(self.text(key, default), check, key)

    def all_checked(self, key: str, check: Callable[[str], T]) -> tuple[T, ...]:
        found = cast(Sequence[str], self.data.get(key, ()))
        return tuple(
            self.accept(item, check, key, index) for index, item in enumerate(found)
        )

    def accept(self, text: str, check: Callable[[str], T], *below: str | int) -> T:
        try:
            return check(text)
        except InputError as error:
            raise self.fault(error.message, *below, hint=error.hint) from error

    def fault(self, problem: str, *below: str | int, hint: str = "") -> FleetError:
        return fault_at((*self.path, *below), problem, positions=self.places, hint=hint)


# --- environments and stacks ---


def _environments(root: _Section) -> tuple[Environment, ...]:
    sections = tuple(root.sections("environments"))
    found: dict[EnvironmentName, Environment] = {}
    for section in sections:
        name = section.checked("name", environment_name)
        if name in found:
            raise section.fault(f"the environment {name} is there twice", "name")
        after = section.all_checked("after", environment_name)
        found[name] = Environment(
            name=name,
            after=after,
            labels=section.all_checked("labels", str),
            reviewers=section.all_checked("reviewers", str),
        )
    for section, environment in zip(sections, found.values(), strict=True):
        for index, name in enumerate(environment.after):
            if name not in found:
                raise _unknown(section, name, found, "after", index)
    _check_acyclic(sections, found)
    return tuple(found.values())


def _unknown(
    section: _Section,
    name: EnvironmentName,
    known: Mapping[EnvironmentName, Environment],
    *below: str | int,
) -> FleetError:
    return section.fault(
        f"there is no environment {name}", *below, hint=nearest(name, list(known))
    )


def _check_acyclic(
    sections: Sequence[_Section], found: Mapping[EnvironmentName, Environment]
) -> None:
    cycle = find_cycle({name: found[name].after for name in found})
    if not cycle:
        return
    names = list(found)
    index = min(names.index(name) for name in cycle)
    before = next(name for name in found[names[index]].after if name in cycle)
    raise sections[index].fault(
        f"{names[index]} comes after itself: {' -> '.join(cycle)}",
        "after",
        found[names[index]].after.index(before),
        hint="take one of them out of its list",
    )


def _stacks(section: _Section) -> Iterator[tuple[StackName, StackRule]]:
    for key in section.data:
        rule = section.section(key)
        image = rule.checked("image", check_image) if "image" in rule.data else None
        yield (
            section.accept(key, stack_name, key),
            StackRule(
                image=image, carry=_carry(rule), carry_images=_carried_images(rule)
            ),
        )


def _carry(section: _Section) -> tuple[str, ...] | None:
    return (
        section.all_checked("carry", _carried_key) if "carry" in section.data else None
    )


def _carried_images(section: _Section) -> tuple[str, ...] | None:
    if "carryImages" not in section.data:
        return None
    return section.all_checked("carryImages", check_image)


def _carried_key(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise InputError(
            f"{key[:80]!a} is not a configuration key",
            hint="use A-Z, a-z, 0-9 and _, not beginning with a digit",
        )
    if is_secret_name(key):
        raise InputError(
            f"{key} is the name of a secret, which never travels",
            hint="keep it in the Secret of each environment",
        )
    return key


# --- promotions ---


def _promotions(
    root: _Section, environments: Sequence[Environment]
) -> tuple[PromotionRule, ...]:
    known = {environment.name: environment for environment in environments}
    edges = {name: [*environment.after] for name, environment in known.items()}
    found: list[PromotionRule] = []
    for section in root.sections("promotions"):
        ends = []
        for key in ("from", "to"):
            name = section.checked(key, environment_name)
            if name not in known:
                raise _unknown(section, name, known, key)
            ends.append(name)
        source, target = ends
        _check_edge(section, source, target, edges, found)
        edges[target].append(source)
        found.append(_promotion(section, source, target))
    return tuple(found)


def _check_edge(
    section: _Section,
    source: EnvironmentName,
    target: EnvironmentName,
    edges: Mapping[EnvironmentName, Sequence[EnvironmentName]],
    found: Sequence[PromotionRule],
) -> None:
    if any((rule.source, rule.target) == (source, target) for rule in found):
        raise section.fault(
            f"there are two promotions from {source} to {target}",
            hint="put their gates into one",
        )
    if source == target:
        raise section.fault(f"from and to are both {source}", "to")
    if follows(edges, source, target):
        raise section.fault(
            f"{source} -> {target} goes against the order: {source} comes after "
            f"{target}",
            "to",
            hint="swap from and to, or correct `after` of the environments",
        )


def _promotion(
    section: _Section, source: EnvironmentName, target: EnvironmentName
) -> PromotionRule:
    timezone = section.checked("timezone", check_timezone, "UTC")
    scheduled = "schedule" in section.data
    approvals = section.section("approvals")
    health = section.checked("health", _health, NO_HEALTH)
    return PromotionRule(
        source=source,
        target=target,
        schedule=section.checked("schedule", check_expression) if scheduled else None,
        timezone=timezone,
        missed=Missed(section.text("missed", Missed.SKIP)),
        soak_s=section.checked("soak", seconds, "0s"),
        health=health,
        windows=tuple(_window(item, timezone) for item in section.sections("windows")),
        merge=MergePolicy(section.text("merge", MergePolicy.REVIEW)),
        approvals=approvals.number("count"),
        go=approvals.number("go"),
        group=section.checked("group", _group) if "group" in section.data else "",
        rollback_within_s=_rollback(section, health),
    )


def _group(name: str) -> str:
    try:
        environment_name(name)
    except InputError as error:
        raise InputError(
            f"{name[:80]!a} is not the name of a group",
            hint="1 to 63 of a-z, 0-9 and -, beginning and ending with a-z or 0-9",
        ) from error
    if name == BUMP_GROUP:
        raise InputError(
            f"{name} is the group of bumps that name every stack",
            hint="choose another name",
        )
    return name


def _rollback(section: _Section, health: str) -> int:
    if "rollback" not in section.data:
        return 0
    rollback = section.section("rollback")
    within = rollback.checked("within", seconds)
    if not within:
        raise rollback.fault("a time of no length never fails", "within")
    if health == NO_HEALTH:
        raise section.fault(
            "nobody can tell that a promotion failed: it has no health",
            "rollback",
            hint="name a health source of the service's settings as `health`",
        )
    return within


def _health(name: str) -> str:
    try:
        return environment_name(name)
    except InputError as error:
        raise InputError(
            f"{name[:80]!a} is not the name of a health source",
            hint="use a name of the service's settings, or none",
        ) from error


def _window(section: _Section, timezone: str) -> Window:
    kind = "allow" if "allow" in section.data else "deny"
    length = section.checked("for", seconds)
    if not length:
        raise section.fault("a window of no length is never open", "for")
    return Window(
        allow=kind == "allow",
        schedule=section.checked(kind, check_expression),
        duration_s=length,
        timezone=section.checked("timezone", check_timezone, timezone),
    )


# --- updates ---


def _updates(
    root: _Section, environments: Sequence[Environment]
) -> Iterator[UpdateRule]:
    known = {environment.name: environment for environment in environments}
    for section in root.sections("updates"):
        name = section.checked("environment", environment_name)
        if name not in known:
            raise _unknown(section, name, known, "environment")
        yield UpdateRule(
            environment=name,
            stacks=section.all_checked("stacks", _covered) or (EVERY_STACK,),
            allow=section.checked("allow", _range, EVERY.text),
            ignore=section.all_checked("ignore", _range),
            prereleases=section.flag("prereleases"),
            minimum_age_s=section.checked("minimumAge", seconds, "0s"),
            step=UpdateStep(section.text("step", UpdateStep.MINOR)),
            source=UpdateSource(section.text("source", UpdateSource.REGISTRY)),
            group=section.checked("group", _group) if "group" in section.data else "",
        )


def _covered(text: str) -> str:
    return text if text == EVERY_STACK else stack_name(text)


def _range(text: str) -> str:
    return range_of(text).text
