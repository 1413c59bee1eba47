"""status, diff, render, history: commands that change nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from gitops.errors import UnknownNameError
from service.cli.options import AsJson, Data, Env, Ref, Repo, Stack

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
        here.out.document(shapes.status(standings))
        here.out.table(
            ["stack", "environment", "version", "pull request", "hold"],
            [
                [
                    standing.overlay.target.stack,
                    standing.overlay.target.environment,
                    standing.overlay.revision.tag,
                    f"#{standing.pull_request}" if standing.pull_request else "",
                    standing.hold.reason or "held" if standing.hold else "",
                ]
                for standing in standings
            ],
        )


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
