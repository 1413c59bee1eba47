"""status, diff, render, history: commands that change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gitops.errors import UnknownNameError
from service.cli.options import AsJson, Data, Env, Ref, Repo, Stack

if TYPE_CHECKING:
    from gitops.model import Hold, Pin

FOUND = 4  # exit code: findings, or a difference


def status(repo: Repo = ".", data: Data = None, as_json: AsJson = False) -> None:
    """Show what runs where, as the base branch says."""
    from gitops.workflow import look, settle, survey
    from service.cli import shapes
    from service.cli.session import in_repository

    with in_repository(repo, data, as_json=as_json) as here:
        settle(here.place)
        world = look(here.place)
        standings = survey(here.place, world, here.store.holds.holds(here.located.name))
        health = here.store.observations.health(here.located.name)
        pins = {pin.target: pin for pin in here.store.pins.all(here.located.name)}
        here.out.document(shapes.status(standings, health, pins))
        here.out.table(
            ["stack", "environment", "version", "pull request", "health", "hold"],
            [
                [
                    standing.overlay.target.stack,
                    standing.overlay.target.environment,
                    standing.overlay.revision.tag,
                    f"#{standing.pull_request}" if standing.pull_request else "",
                    health.get(standing.overlay.target, ""),
                    _stopped(standing.hold, pins.get(standing.overlay.target)),
                ]
                for standing in standings
            ],
        )


def _stopped(hold: Hold | None, pin: Pin | None) -> str:
    """Say in a cell what stops a target."""
    if hold is not None:
        return hold.reason or "held"
    return f"pinned: {pin.reason}" if pin is not None else ""


def forecast(
    *,
    days: Annotated[
        int, typer.Option("--days", min=1, max=31, help="How far to look.")
    ] = 7,
    repo: Repo = ".",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Tell why each promotion waits, until when, and what the schedules will open.

    It assumes that health stays as it is, that nobody acts, and that what is opened is
    merged at once.
    """
    from gitops.cron import spell_time
    from gitops.promotion import Rest, forecast as foretell
    from gitops.workflow import look
    from service.cli import shapes
    from service.cli.session import in_repository
    from service.clock import utc_now
    from service.reconcile import ways

    with in_repository(repo, data, as_json=as_json) as here:
        now = utc_now()
        found = foretell(
            ways(here.place, here.store, look(here.place), now), now=now, days=days
        )
        here.out.document({"days": days, "forecast": shapes.forecast(found)})
        if not found:
            here.out.line("There are no promotion rules in gitops.yaml.")
        for one in found:
            decision = one.decision
            here.out.line(f"{one.target} from {one.rule.source}:")
            if isinstance(decision, Rest):
                here.out.line(f"  nothing to do: {decision.reason}")
            else:
                here.out.line(f"  {decision.arrival.revision.tag}")
                for gate in decision.gates:
                    mark = "open  " if gate.is_open else "closed"
                    here.out.line(f"    {mark}  {gate.name}: {gate.reason}")
            for opening in one.openings:
                at = spell_time(opening.at, one.rule.timezone)
                here.out.line(f"  {at}: opens {opening.revision.tag}")


def diff(
    stack: Stack,
    env: Env,
    other: Annotated[
        str, typer.Argument(metavar="[OTHER_ENV]", show_default=False)
    ] = "",
    *,
    ref: Ref = "",
    repo: Repo = ".",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show a stack's rendered difference: to another environment, or to the base.

    Without OTHER_ENV: what the work tree (or --ref) would change against the base
    branch. Exit code 4 when there is a difference.
    """
    from gitops import target
    from gitops.overlay import read_overlay
    from gitops.review import rendered_diff
    from gitops.workflow import between, look
    from gitops.workflow.place import fleet_of
    from service.cli.session import in_repository

    with in_repository(repo, data, as_json=as_json) as here:
        tree = here.tree(ref)
        fleet = fleet_of(tree)
        ours = read_overlay(tree, fleet, target(stack, env))
        if other:
            theirs = read_overlay(tree, fleet, target(stack, other))
            text = between(here.place, tree, ours, theirs)
        else:
            world = look(here.place)
            build = here.place.renderer.render
            before, after = build(world.tree, [ours.path]), build(tree, [ours.path])
            text = rendered_diff(before, after)
        here.out.document({"stack": stack, "environment": env, "diff": text})
        here.out.difference(text)
    if text:
        raise typer.Exit(FOUND)


def render(
    stack: Stack,
    env: Env,
    *,
    ref: Ref = "",
    repo: Repo = ".",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Print what kustomize makes of an overlay, safely, byte for byte."""
    from gitops import target
    from gitops.overlay import read_overlay
    from gitops.workflow.place import fleet_of
    from service.cli.session import in_repository

    with in_repository(repo, data, as_json=as_json) as here:
        tree = here.tree(ref)
        overlay = read_overlay(tree, fleet_of(tree), target(stack, env))
        rendered = here.place.renderer.render(tree, [overlay.path])[overlay.path]
        here.out.document(
            {
                "stack": stack,
                "environment": env,
                "objects": [manifest.body for manifest in rendered.objects],
            }
        )
        here.out.content(rendered.text)


def history(
    stack: Stack, repo: Repo = ".", data: Data = None, as_json: AsJson = False
) -> None:
    """Show which revisions a stack has had in each environment, newest first."""
    from gitops import stack_name, target
    from gitops.workflow import look, revisions_of
    from service.cli.session import in_repository

    with in_repository(repo, data, as_json=as_json) as here:
        world = look(here.place)
        name = stack_name(stack)
        past = [
            revision
            for environment in world.fleet.environments
            for revision in revisions_of(
                here.place, world, target(name, environment.name)
            )
        ]
        if not past:
            raise UnknownNameError(
                f"there is no stack {name}", hint="see `directus-gitops status`"
            )
        here.out.document(
            {
                "stack": name,
                "history": [
                    {
                        "environment": p.target.environment,
                        "version": p.revision.tag,
                        "digest": p.revision.digest,
                        "commit": p.commit,
                        "at": p.at.isoformat(),
                        "author": p.author,
                        "subject": p.subject,
                    }
                    for p in past
                ],
            }
        )
        here.out.table(
            ["environment", "version", "since", "commit", "subject"],
            [
                [
                    p.target.environment,
                    p.revision.tag,
                    f"{p.at:%Y-%m-%d %H:%M %Z}",
                    p.commit[:12],
                    p.subject,
                ]
                for p in past
            ],
        )
