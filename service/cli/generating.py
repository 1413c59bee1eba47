"""init, add, upgrade: commands that generate files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.options import AsJson, Data, DryRun, Reason, Repo

if TYPE_CHECKING:
    from gitops.model import Plan
    from gitops.workflow import World
    from service.cli.session import RepositorySession

add = typer.Typer(no_args_is_help=True, help="Add a stack or an environment.")


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR")],
    *,
    stack: Annotated[
        str, typer.Option("--stack", help="Name of the stack.")
    ] = "example",
    environment: Annotated[
        list[str] | None,
        typer.Option(
            "--environment",
            help="Repeat, in the order of promotion.",
            show_default="development, staging, production",
        ),
    ] = None,
    directus_version: Annotated[
        str, typer.Option("--directus-version", show_default="the newest known")
    ] = "",
    host: Annotated[
        str | None,
        typer.Option(
            "--host",
            metavar="PATTERN",
            help="Public host; {stack} and {environment} are filled in.",
        ),
    ] = None,
    database: Annotated[
        str, typer.Option("--database", help="mariadb, postgres or external.")
    ] = "postgres",
    cache: Annotated[str, typer.Option("--cache", help="redis or none.")] = "none",
    storage: Annotated[
        str, typer.Option("--storage", help="volume, volume-shared or s3.")
    ] = "volume",
    agent: Annotated[
        str, typer.Option("--agent", help="argocd, flux, both or none.")
    ] = "both",
    secrets: Annotated[
        str,
        typer.Option(
            "--secrets", help="existing, external-secrets, sealed-secrets or sops."
        ),
    ] = "existing",
    platform: Annotated[
        str, typer.Option("--platform", help="generic, kind, eks, gke or aks.")
    ] = "generic",
    storage_class: Annotated[
        str | None, typer.Option("--storage-class", metavar="C")
    ] = None,
    ingress_class: Annotated[
        str | None, typer.Option("--ingress-class", metavar="C")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Generate a GitOps repository for Directus, with an embedded forge as origin.

    Every option applies to every environment.
    """
    from gitops.scaffold import read_options
    from service.cli.session import session
    from service.creation import create_repository, plan_of

    given: dict[str, str | None] = {
        "host": host,
        "database": database,
        "cache": cache,
        "storage": storage,
        "agent": agent,
        "secrets": secrets,
        "platform": platform,
        "storage_class": storage_class,
        "ingress_class": ingress_class,
    }
    with session(data, as_json=as_json) as here:
        options = read_options(
            stack=stack,
            environments=tuple(environment or ()),
            directus_version=directus_version,
            choices={name: value for name, value in given.items() if value is not None},
        )
        plan = plan_of(options, requested_by=here.settings.login)
        with here.out.progress() as progress:
            made = create_repository(
                here.settings, folder, plan, dry_run=dry_run, progress=progress
            )
        if not dry_run:
            here.store.audit.append(
                by=here.settings.login,
                action="repository created",
                repository=made.name,
                details={"commit": made.commit},
            )
        here.out.document(
            {
                "outcome": "created",
                "dry_run": dry_run,
                "repository": made.name,
                "path": str(folder),
                "commit": made.commit,
                "files": list(made.files),
            }
        )
        verb = "Would generate" if dry_run else "Generated"
        here.out.line(f"{verb} {len(made.files)} files in {folder}.")
        if not dry_run:
            here.out.line(f"Next: cd {folder} && directus-gitops status")


@add.command("stack")
def add_stack(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    *,
    directus_version: Annotated[
        str, typer.Option("--directus-version", show_default="the newest known")
    ] = "",
    reason: Reason = "",
    repo: Repo = ".",
    data: Data = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Propose a new stack: an overlay in every environment."""
    from service.cli.changing import propose_plan

    def plan(world: World, here: RepositorySession) -> Plan:
        from gitops import stack_name
        from gitops.scaffold import plan_add_stack

        return plan_add_stack(
            world.tree,
            world.fleet,
            stack_name(name),
            directus_version=directus_version,
            requested_by=here.settings.login,
            reason=reason,
        )

    propose_plan(plan, repo=repo, data=data, as_json=as_json, dry_run=dry_run)


@add.command("environment")
def add_environment(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    *,
    after: Annotated[
        str,
        typer.Option(
            "--after", metavar="NAME", help="The environment that it follows."
        ),
    ] = "",
    reason: Reason = "",
    repo: Repo = ".",
    data: Data = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Propose a new environment: an overlay of every stack, and its entry."""
    from service.cli.changing import propose_plan

    def plan(world: World, here: RepositorySession) -> Plan:
        from gitops import environment_name
        from gitops.scaffold import plan_add_environment

        return plan_add_environment(
            world.tree,
            world.fleet,
            environment_name(name),
            after=environment_name(after) if after else None,
            requested_by=here.settings.login,
            reason=reason,
        )

    propose_plan(plan, repo=repo, data=data, as_json=as_json, dry_run=dry_run)


def upgrade(
    *,
    staged: Annotated[
        bool,
        typer.Option(
            "--staged",
            help="Put the new base beside the old one and move one environment.",
        ),
    ] = False,
    reason: Reason = "",
    repo: Repo = ".",
    data: Data = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Propose the base of this release: three-way, hand edits kept."""
    from service.cli.changing import propose_plan

    def plan(world: World, here: RepositorySession) -> Plan:
        from gitops.workflow import plan_upgrade
        from service.creation import RELEASE

        return plan_upgrade(
            here.place,
            world,
            release=RELEASE,
            staged=staged,
            requested_by=here.settings.login,
            reason=reason,
        )

    propose_plan(plan, repo=repo, data=data, as_json=as_json, dry_run=dry_run)
