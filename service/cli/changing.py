"""bump, promote, set, rollback: commands that end in a pull request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gitops.errors import InputError
from service.cli.options import AsJson, Data, DryRun, Env, Reason, Repo, Stack

if TYPE_CHECKING:
    from gitops.model import Outcome, Plan
    from gitops.workflow import World
    from service.cli.session import RepositorySession


def bump(
    arguments: Annotated[
        list[str], typer.Argument(metavar="[STACK ENV] VERSION", show_default=False)
    ],
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Every stack of --environment.")
    ] = False,
    environment: Annotated[
        str, typer.Option("--environment", metavar="ENV", help="With --all.")
    ] = "",
    reason: Reason = "",
    repo: Repo = ".",
    data: Data = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Propose another Directus version for a stack, or for all of an environment.

    VERSION is a full version such as 12.4.1, or 12.4.1@sha256:<digest>. Where
    service.toml has a registry for the image, it is asked first if the image exists.
    """
    from service.cli.proving import proofs_of

    if every:
        version = _only(arguments, 1, "bump --all --environment ENV VERSION")[0]
        if not environment:
            raise typer.BadParameter("--all needs --environment")
        stack = ""
    else:
        stack, environment, version = _only(arguments, 3, "bump STACK ENV VERSION")
    proofs = proofs_of(
        repo, data, stack=stack, environment=environment, version=version
    )

    def plan(world: World, here: RepositorySession) -> Plan:
        from gitops import environment_name, target
        from gitops.promotion import plan_bump, plan_bumps

        if every:
            return plan_bumps(
                world.tree,
                world.fleet,
                environment_name(environment),
                version,
                requested_by=here.settings.login,
                reason=reason,
                holds=here.store.holds.holds(here.located.name),
                pins=here.store.pins.all(here.located.name),
                proofs=proofs,
            )
        return plan_bump(
            world.tree,
            world.fleet,
            target(stack, environment),
            version,
            requested_by=here.settings.login,
            reason=reason,
            holds=here.store.holds.holds(here.located.name),
            pin=here.store.pins.on(here.located.name, target(stack, environment)),
            proofs=proofs,
        )

    propose_plan(plan, repo=repo, data=data, as_json=as_json, dry_run=dry_run)


def promote(
    stack: Stack,
    *,
    to: Annotated[str, typer.Option("--to", metavar="ENV", help="Where to.")],
    source: Annotated[
        str,
        typer.Option(
            "--from", metavar="ENV", help="Needed where ENV follows several others."
        ),
    ] = "",
    reason: Reason = "",
    repo: Repo = ".",
    data: Data = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Propose to carry a stack's revision from one environment to the next."""

    def plan(world: World, here: RepositorySession) -> Plan:
        from gitops import environment_name, target
        from gitops.promotion import plan_promotion
        from gitops.workflow import arrived_at
        from service.clock import utc_now
        from service.reconcile import way_into

        now, entered = utc_now(), target(stack, to)
        origin = environment_name(source) if source else None
        known = way_into(here.place, here.store, world, entered, origin, now)
        return plan_promotion(
            world.tree,
            world.fleet,
            entered.stack,
            to=entered.environment,
            source=origin,
            merged_at=arrived_at(
                here.place,
                world,
                entered.stack,
                to=entered.environment,
                source=origin,
            ),
            now=now,
            requested_by=here.settings.login,
            reason=reason,
            holds=here.store.holds.holds(here.located.name),
            pin=here.store.pins.on(here.located.name, entered),
            arrival=known.arrivals[0] if known and known.arrivals else None,
            observation=known.observation if known else None,
        )

    propose_plan(plan, repo=repo, data=data, as_json=as_json, dry_run=dry_run)


def set_config(
    stack: Stack,
    env: Env,
    pairs: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE ...", show_default=False)
    ] = None,
    *,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", metavar="KEY", help="Remove a key.")
    ] = None,
    reason: Reason = "",
    repo: Repo = ".",
    data: Data = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Propose another configuration: keys of the overlay's config.env."""
    wanted = _pairs(pairs or [])
    if not wanted and not unset:
        raise typer.BadParameter("give KEY=VALUE or --unset KEY")

    def plan(world: World, here: RepositorySession) -> Plan:
        from gitops import target
        from gitops.promotion import plan_config

        return plan_config(
            world.tree,
            world.fleet,
            target(stack, env),
            set=wanted,
            unset=tuple(unset or ()),
            requested_by=here.settings.login,
            reason=reason,
            holds=here.store.holds.holds(here.located.name),
        )

    propose_plan(plan, repo=repo, data=data, as_json=as_json, dry_run=dry_run)


def rollback(
    stack: Stack,
    env: Env,
    *,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="VERSION",
            help="A version that ran here before.",
            show_default="the one before",
        ),
    ] = "",
    accept_data_risk: Annotated[
        bool,
        typer.Option(
            "--accept-data-risk",
            help="Although the database has been migrated past that version.",
        ),
    ] = False,
    reason: Reason = "",
    repo: Repo = ".",
    data: Data = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Propose to go back to a revision that ran here before, and pin it.

    Without --to it is the last one that was seen healthy; where health is not observed,
    the last one before the present. `release STACK ENV` ends the pin.
    """

    def plan(world: World, here: RepositorySession) -> Plan:
        from gitops import target
        from gitops.promotion import last_healthy, pin_of, plan_rollback
        from gitops.workflow import revisions_of
        from service.clock import utc_now

        place = target(stack, env)
        name = here.located.name
        healthy = last_healthy(here.store.arrivals.of_target(name, place))
        made = plan_rollback(
            world.tree,
            world.fleet,
            place,
            to=to or None,
            history=tuple(r.revision for r in revisions_of(here.place, world, place)),
            healthy=healthy or None,
            accept_data_risk=accept_data_risk,
            requested_by=here.settings.login,
            reason=reason,
            holds=here.store.holds.holds(name),
        )
        pin = pin_of(made, now=utc_now())
        if pin is not None and not dry_run:
            # First the pin: no schedule may come between it and the rollback.
            here.store.pins.place(name, pin)
            here.audit(
                "target pinned",
                stack=stack,
                environment=env,
                version=pin.revision.tag,
                reason=pin.reason,
            )
        return made

    propose_plan(plan, repo=repo, data=data, as_json=as_json, dry_run=dry_run)


def _only(arguments: Sequence[str], count: int, usage: str) -> Sequence[str]:
    if len(arguments) != count:
        raise typer.BadParameter(f"usage: directus-gitops {usage}")
    return arguments


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for key, value in map(_pair, texts):
        if key in wanted:
            raise InputError(
                f"{key[:80]!a} is given twice", hint="give each key one value"
            )
        wanted[key] = value
    return wanted


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"{text[:80]!a} is not KEY=VALUE", hint="write KEY=VALUE")
    return key, value


def propose_plan(
    plan: Callable[[World, RepositorySession], Plan],
    *,
    repo: str,
    data: Path | None,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Propose what a planner makes of the base branch, and tell the outcome."""
    from gitops.workflow import propose
    from service.cli.session import in_repository
    from service.clock import utc_now

    with in_repository(repo, data, as_json=as_json, to_write=True) as here:
        here.check_running()
        result = propose(
            here.place,
            lambda world: plan(world, here),
            now=utc_now(),
            dry_run=dry_run,
        )
        tell(here, result)


def tell(here: RepositorySession, result: Outcome) -> None:
    """Print the outcome of a proposal, and audit what was proposed."""
    from gitops.model import Preview, Proposed, Unchanged
    from service.cli import shapes

    here.out.document(shapes.outcome(result))
    match result:
        case Unchanged(reason=reason):
            here.out.line(f"Nothing to do: {reason}.")
        case Preview(review=review):
            here.out.line(f"Would propose: {review.title}")
            _tell_review(here, review.summary, review.rendered_diff)
        case Proposed(pull_request=shown, review=review):
            verb = "Opened" if result.is_new else "Updated"
            here.audit(
                f"pull request {verb.lower()}",
                pull_request=shown.number,
                commit=result.commit,
                title=shown.title,
            )
            here.out.line(f"{verb} pull request #{shown.number}: {shown.title}")
            _tell_review(here, review.summary, review.rendered_diff)
            here.out.line(f"Look at it: directus-gitops pr show {shown.number}")


def _tell_review(
    here: RepositorySession, summary: Sequence[str], rendered_diff: str
) -> None:
    for line in summary:
        here.out.line(f"  - {line}")
    if rendered_diff:
        here.out.line()
        here.out.difference(rendered_diff)
