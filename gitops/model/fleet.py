"""gitops.yaml and the overlays as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from gitops.model.names import BranchName, EnvironmentName, StackName
from gitops.model.targets import Revision, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A promotion target, the environments it follows, and whom it concerns.

    Attributes:
        name: in paths, branches and requests.
        after: the environments that it follows.
        labels: of the pull requests that change it, where the forge has labels.
        reviewers: who is asked to review them, as the forge names people and teams.
    """

    name: EnvironmentName
    after: tuple[EnvironmentName, ...] = ()
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StackRule:
    """What gitops.yaml overrides for one stack; None means the default holds."""

    image: str | None = None
    carry: tuple[str, ...] | None = None
    carry_images: tuple[str, ...] | None = None


class Missed(StrEnum):
    """What happens to occurrences that passed while the service was down."""

    SKIP = "skip"
    RUN_ONCE = "run once"


class MergePolicy(StrEnum):
    """Who merges: a person, or the service once the merging gates are open."""

    REVIEW = "review"
    AUTOMATIC = "automatic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When promotions may (or, with deny, may not) be opened.

    Attributes:
        allow: True for an allow window, False for a freeze.
        schedule: five-field cron expression of its start.
        duration_s: its length in seconds.
        timezone: IANA name in which the schedule is read.
    """

    allow: bool
    schedule: str
    duration_s: int
    timezone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionRule:
    """One edge of the promotion graph with its gates.

    Attributes:
        source: the environment that a revision leaves.
        target: the environment that it enters.
        schedule: five-field cron expression; None means by request only.
        timezone: IANA name in which the schedule is read.
        missed: policy for missed occurrences.
        soak_s: seconds of health in the source before a revision may leave.
        health: the name of a health source in the service's settings, or "none".
        windows: allow and deny windows.
        merge: review or automatic; never automatic for a major step.
        approvals: approvals by other people needed before a merge.
        go: releases by a releaser needed before a merge.
        group: stacks that come this way share one pull request of this name in the
            target; empty for one each.
        rollback_within_s: a promotion whose health fails within so many seconds after
            its merge is rolled back; 0 for never by itself.
    """

    source: EnvironmentName
    target: EnvironmentName
    schedule: str | None = None
    timezone: str = "UTC"
    missed: Missed = Missed.SKIP
    soak_s: int = 0
    health: str = "none"
    windows: tuple[Window, ...] = ()
    merge: MergePolicy = MergePolicy.REVIEW
    approvals: int = 0
    go: int = 0
    group: str = ""
    rollback_within_s: int = 0


class UpdateStep(StrEnum):
    """How far an update may go by itself."""

    PATCH = "patch"
    MINOR = "minor"
    MAJOR = "major"


class UpdateSource(StrEnum):
    """Who is asked which versions there are."""

    REGISTRY = "registry"
    NPM = "npm"


EVERY_STACK: Final = "*"
"""What an update rule says that is for every stack of its environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRule:
    """Where new releases are proposed without anybody asking.

    Attributes:
        environment: where.
        stacks: names, or EVERY_STACK.
        allow: a range (see gitops.ranges); only versions in it.
        ignore: ranges; no version in one of them.
        prereleases: whether versions that say they are not ready count.
        minimum_age_s: seconds that a version must have been published.
        step: how far at once.
        source: who says which versions there are.
        group: the stacks of the environment that are updated share one pull request
            of this name; empty for one each.
    """

    environment: EnvironmentName
    stacks: tuple[str, ...] = (EVERY_STACK,)
    allow: str = "*"
    ignore: tuple[str, ...] = ()
    prereleases: bool = False
    minimum_age_s: int = 0
    step: UpdateStep = UpdateStep.MINOR
    source: UpdateSource = UpdateSource.REGISTRY
    group: str = ""

    def covers(self, target: Target) -> bool:
        """Whether the rule is about a target."""
        is_named = EVERY_STACK in self.stacks or target.stack in self.stacks
        return target.environment == self.environment and is_named


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """gitops.yaml as a value.

    Attributes:
        branch: the base branch.
        overlay_pattern: path pattern with {environment} and {stack}.
        image: the default image.
        carry: configuration keys that travel with a promotion, by default.
        carry_images: names of other images: entries that do, by default.
        environments: in the order of the file.
        stacks: overrides by stack; a stack exists where its overlay exists.
        promotions: rules by edge, in the order of the file.
        updates: rules for new releases, in the order of the file; the first that
            covers a target is its rule.
    """

    branch: BranchName
    overlay_pattern: str
    image: str
    carry: tuple[str, ...] = ()
    carry_images: tuple[str, ...] = ()
    environments: tuple[Environment, ...] = ()
    stacks: Mapping[StackName, StackRule] = field(default_factory=dict)
    promotions: tuple[PromotionRule, ...] = ()
    updates: tuple[UpdateRule, ...] = ()

    def image_of(self, stack: StackName) -> str:
        """Return the image that a stack runs."""
        rule = self.stacks.get(stack)
        return rule.image if rule and rule.image else self.image

    def carry_of(self, stack: StackName) -> tuple[str, ...]:
        """Return the configuration keys that travel with a stack's promotions."""
        rule = self.stacks.get(stack)
        return rule.carry if rule and rule.carry is not None else self.carry

    def carried_images_of(self, stack: StackName) -> tuple[str, ...]:
        """Return the names of other images that travel with a stack's promotions."""
        rule = self.stacks.get(stack)
        if rule is None or rule.carry_images is None:
            return self.carry_images
        return rule.carry_images

    def update_of(self, target: Target) -> UpdateRule | None:
        """Return the rule for new releases of a target; None without one."""
        return next((rule for rule in self.updates if rule.covers(target)), None)

    def environment(self, name: str) -> Environment | None:
        """Find an environment by name; None when the fleet has none such."""
        return next((e for e in self.environments if e.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """What one overlay's files say about its target.

    Attributes:
        target: stack and environment.
        path: its folder.
        revision: of the one images: entry of the stack's image.
        namespace: from its kustomization; empty when not set there.
        config: config.env, key -> value, in file order; empty when absent.
    """

    target: Target
    path: str
    revision: Revision
    namespace: str
    config: Mapping[str, str]
