"""Ask for a change: it is planned against the base branch and recorded, no more.

What cannot be planned is refused, and nothing is recorded. The next pass renders,
commits and opens the pull request; GET /changes/{id} tells how far it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from gitops.errors import StaleError
from gitops.model import (
    EnvironmentName,
    Intent,
    Plan,
    StackName,
    Target,
    Unchanged,
)
from gitops.overlay import read_overlay
from gitops.promotion import (
    Prove,
    last_healthy,
    pin_of,
    plan_bump,
    plan_bumps,
    plan_config,
    plan_promotion,
    plan_rollback,
    unproved,
)
from gitops.workflow import (
    Planner,
    Workplace,
    World,
    accept,
    arrived_at,
    look,
    revisions_of,
)
from service.desk.ground import Asker, Ground
from service.desk.reading import etag_of
from service.reconcile import way_into

Accepted: TypeAlias = tuple[Intent, ...] | Unchanged


class Asking(Ground):
    """Requests that end in a pull request."""

    def bump(
        self, repository: str, target: Target, version: str, *, asker: Asker
    ) -> Accepted:
        """Ask for another revision of a stack in one environment.

        Raises:
            InputError: the version is not acceptable, or there is no such image.
            UnknownNameError: no such repository, environment, or stack there.
            HeldError: a hold, a pin or the pause switch forbids it.
            PlanError: it would be a downgrade.
        """

        def plan(world: World) -> Plan:
            return plan_bump(
                world.tree,
                world.fleet,
                target,
                version,
                requested_by=asker.by,
                reason=asker.reason,
                holds=self._store.holds.holds(repository),
                pin=self._store.pins.on(repository, target),
                proofs=self._prover(repository),
            )

        return self._ask(repository, plan, asker)

    def bumps(
        self,
        repository: str,
        version: str,
        environments: Sequence[EnvironmentName],
        stacks: Sequence[StackName] | None,
        *,
        asker: Asker,
    ) -> Mapping[EnvironmentName, Accepted]:
        """Ask for one revision of many stacks: a pull request for each environment.

        All are planned before the first is recorded: what one environment refuses is
        refused for all.

        Args:
            repository: its name.
            version: as for a bump.
            environments: where.
            stacks: which; None for every stack of each environment.
            asker: who and why.

        Raises:
            GitopsError: as for a bump, of a stack that is named.
        """
        place = self._open(repository)
        self._check_running(repository)
        world = look(place)
        holds = self._store.holds.holds(repository)
        pins = self._store.pins.all(repository)
        proofs = self._prover(repository)
        plans = {
            environment: plan_bumps(
                world.tree,
                world.fleet,
                environment,
                version,
                stacks,
                requested_by=asker.by,
                reason=asker.reason,
                holds=holds,
                pins=pins,
                proofs=proofs,
            )
            for environment in dict.fromkeys(environments)
        }
        return {
            environment: self._accept(place, _already(plan), asker)
            for environment, plan in plans.items()
        }

    def promote(
        self,
        repository: str,
        target: Target,
        *,
        asker: Asker,
        source: EnvironmentName | None = None,
    ) -> Accepted:
        """Ask to carry a stack's revision into an environment, now.

        Closed opening gates do not stop it: they are told to the reviewer.

        Raises:
            UnknownNameError: no such repository, environment, or stack there.
            HeldError: a hold, a pin or the pause switch forbids it.
            PlanError: no source, several, or a downgrade.
        """

        def plan(world: World) -> Plan:
            way = way_into(place, self._store, world, target, source, now)
            return plan_promotion(
                world.tree,
                world.fleet,
                target.stack,
                to=target.environment,
                source=source,
                merged_at=arrived_at(
                    place,
                    world,
                    target.stack,
                    to=target.environment,
                    source=source,
                ),
                now=now,
                requested_by=asker.by,
                reason=asker.reason,
                holds=self._store.holds.holds(repository),
                pin=self._store.pins.on(repository, target),
                arrival=way.arrivals[0] if way and way.arrivals else None,
                observation=way.observation if way else None,
            )

        place, now = self._open(repository), self._clock()
        self._check_running(repository)
        return self._accept(place, plan, asker)

    def rollback(
        self,
        repository: str,
        target: Target,
        *,
        asker: Asker,
        to: str | None = None,
        accept_data_risk: bool = False,
    ) -> Accepted:
        """Ask to go back, and pin the target so that no schedule overrides it.

        Without `to`, it goes back to the last revision that was seen healthy there;
        where none was ever seen, to the one before.

        Raises:
            InputError: `to` is no version, or never ran here.
            UnknownNameError: no such repository, environment, or stack there.
            HeldError: the pause switch forbids it.
            PlanError: there is nothing to go back to, or the data are at risk.
        """

        def plan(world: World) -> Plan:
            healthy = last_healthy(self._store.arrivals.of_target(repository, target))
            made = plan_rollback(
                world.tree,
                world.fleet,
                target,
                to=to,
                history=[r.revision for r in revisions_of(place, world, target)],
                healthy=healthy or None,
                accept_data_risk=accept_data_risk,
                requested_by=asker.by,
                reason=asker.reason,
                holds=self._store.holds.holds(repository),
            )
            # First the pin: no schedule may come between it and the rollback.
            self._pin(repository, made, asker)
            return made

        place = self._open(repository)
        self._check_running(repository)
        return self._accept(place, plan, asker)

    def configure(
        self,
        repository: str,
        target: Target,
        *,
        wanted: Mapping[str, str],
        unset: Sequence[str],
        asker: Asker,
        if_match: str | None = None,
    ) -> Accepted:
        """Ask for other values of config.env.

        Args:
            repository: its name.
            target: where.
            wanted: key -> value.
            unset: keys to remove.
            asker: who and why.
            if_match: what the asker looked at, see etag_of; None asks no question.

        Raises:
            InputError: a key or value is not acceptable, or is a secret.
            UnknownNameError: no such repository, environment, or stack there.
            HeldError: a hold or the pause switch forbids it.
            StaleError: the target is not as the asker saw it.
        """

        def plan(world: World) -> Plan:
            if if_match is not None:
                now = etag_of(read_overlay(world.tree, world.fleet, target))
                if now != if_match:
                    raise StaleError(
                        f"{target} has changed since you looked at it",
                        hint="read it again and decide anew",
                    )
            return plan_config(
                world.tree,
                world.fleet,
                target,
                set=wanted,
                unset=unset,
                requested_by=asker.by,
                reason=asker.reason,
                holds=self._store.holds.holds(repository),
            )

        return self._ask(repository, plan, asker)

    def _prover(self, repository: str) -> Prove:
        """Return what tells if an image exists; recording needs no lock, so it may."""
        if self._registries is None:
            return unproved
        return self._registries.prover(repository)

    def _ask(self, repository: str, plan: Planner, asker: Asker) -> Accepted:
        place = self._open(repository)
        self._check_running(repository)
        return self._accept(place, plan, asker)

    def _accept(self, place: Workplace, plan: Planner, asker: Asker) -> Accepted:
        known = {intent.id for intent in place.log.live(place.name)}
        accepted = accept(place, plan, now=self._clock())
        if not isinstance(accepted, Unchanged):
            for intent in accepted:
                if intent.id not in known:
                    self._record(
                        place.name,
                        "change requested",
                        asker.by,
                        change=intent.id,
                        kind=intent.plan.kind.value,
                        branch=intent.branch,
                        reason=asker.reason,
                    )
        return accepted

    def _pin(self, repository: str, plan: Plan, asker: Asker) -> None:
        pin = pin_of(plan, now=self._clock())
        if pin is None or self._store.pins.on(repository, pin.target) == pin:
            return
        self._store.pins.place(repository, pin)
        self._record(
            repository,
            "target pinned",
            asker.by,
            stack=pin.target.stack,
            environment=pin.target.environment,
            version=pin.revision.tag,
            reason=pin.reason,
        )


def _already(plan: Plan) -> Planner:
    """Return a planner of a plan that has been made."""
    return lambda _world: plan
