"""The options that commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Repo: TypeAlias = Annotated[
    str,
    typer.Option(
        "--repo",
        metavar="DIR",
        help="Work tree, or the name of a repository of the embedded forge.",
        show_default="the current directory",
    ),
]
Data: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder of the database, the mirrors and the embedded forge.",
        show_default="$DIRECTUS_GITOPS_DATA or $XDG_DATA_HOME/directus-gitops",
    ),
]
AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON document.")
]
DryRun: TypeAlias = Annotated[
    bool,
    typer.Option("--dry-run", help="Show what would happen; write nothing."),
]
Reason: TypeAlias = Annotated[
    str, typer.Option("--reason", help="Why, in your own words; shown to people.")
]
Ref: TypeAlias = Annotated[
    str,
    typer.Option(
        "--ref",
        metavar="BRANCH",
        help="Read this branch of the origin instead of the work tree.",
    ),
]
Stack: TypeAlias = Annotated[str, typer.Argument(metavar="STACK")]
Env: TypeAlias = Annotated[str, typer.Argument(metavar="ENV")]
