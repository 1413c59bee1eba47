"""validate: the fleet, one overlay, or any kustomization or manifests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.options import AsJson, Data, Ref, Repo

if TYPE_CHECKING:
    from gitops.model import Finding
    from service.cli.output import Output

FOUND = 4  # exit code: findings


def validate(
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STACK ENV | PATH]", show_default=False),
    ] = None,
    *,
    ref: Ref = "",
    repo: Repo = ".",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Check the fleet, one overlay, or any kustomization or manifests.

    Without arguments every overlay of the repository. Exit code 4 when there are
    findings.
    """
    from service import settings as settings_module
    from service.checks import check_any, check_fleet
    from service.cli import shapes
    from service.cli.output import Output

    out = Output(as_json=as_json)
    settings = settings_module.load(data=data)
    with out.progress() as progress:
        match what or []:
            case [path]:
                found = check_any(settings, Path(path))
            case []:
                found = check_fleet(settings, repo, ref, progress=progress)
            case [stack, environment]:
                found = check_fleet(
                    settings, repo, ref, only=(stack, environment), progress=progress
                )
            case _:
                raise typer.BadParameter("give STACK ENV, or one PATH, or nothing")
    out.document({"findings": shapes.findings(found)})
    tell_findings(out, found)
    if found:
        raise typer.Exit(FOUND)


def tell_findings(out: Output, found: Sequence[Finding]) -> None:
    """Print findings for people, place first."""
    for finding in found:
        place = f"{finding.path}:{finding.line}" if finding.line else finding.path
        severity, rule = finding.severity.value, finding.rule
        out.line(f"{place}: {severity}: {finding.message} [{rule}]")
        if finding.hint:
            out.line(f"    hint: {finding.hint}")
    out.line(f"{len(found)} finding{'' if len(found) == 1 else 's'}")
