"""Write docs/cli.md and docs/settings.md: `python -m tests.support.reference`.

A test compares the files with what this prints, so no command and no setting can be
missing, and none can be left over.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from service.cli import app
from service.settings import Settings

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"

CLI_HEAD = """\
# Command line

Written from the code by `python -m tests.support.reference`; a test keeps it so.

Every command takes `--json`: one JSON document on standard output, everything else on
standard error. Exit codes: 0 done or nothing to do, 1 known error, 2 usage, 3 bug,
4 findings or a difference, 130 interrupted.

The documents:

    an error     {"error": {"code", "message", "hint"}}
    a proposal   {"outcome": "proposed" | "updated" | "unchanged",
                  "pull_request": {"number", "url", "title", "body", "branch", "state"},
                  "commit", "changes": [{"path", "field", "before", "after"}]}
                 with --dry-run "dry_run": true, and no number and no commit
    findings     {"findings": [{"rule", "severity", "path", "line", "message", "hint"}]}
"""

SETTINGS_HEAD = """\
# Settings

Written from the code by `python -m tests.support.reference`; a test keeps it so.

What this installation is told by its operator. Rules of the fleet are in
[gitops.yaml](gitops-yaml.md) instead, and it can never widen what is said here.

| environment variable | default | meaning |
|---|---|---|
"""


def cli_reference() -> str:
    """Return docs/cli.md."""
    root = typer.main.get_command(app)
    return CLI_HEAD + "".join(_command(root, "directus-gitops"))


def _command(command: Any, path: str) -> Iterator[str]:
    if hasattr(command, "commands"):
        for name in sorted(command.commands):
            yield from _command(command.commands[name], f"{path} {name}")
        return
    arguments = [
        p.metavar or p.name.upper()
        for p in command.params
        if p.param_type_name == "argument"
    ]
    yield f"\n## {' '.join([path, *arguments])}\n\n"
    yield f"{(command.help or '').strip()}\n"
    options = [p for p in command.params if p.param_type_name == "option"]
    rows = [_option(option) for option in options if option.name != "help"]
    if rows:
        yield "\n| option | meaning |\n|---|---|\n"
        yield from rows


def _option(option: Any) -> str:
    value = "" if option.is_flag else f" {option.metavar or option.name.upper()}"
    shown = option.show_default
    default = ""
    if isinstance(shown, str):
        default = f" Default: {shown}."
    elif option.default not in (None, "", False, ()) and not callable(option.default):
        default = f" Default: `{option.default}`."
    text = (option.help or "").replace("|", "\\|")
    return f"| `{option.opts[0]}{value}` | {text}{default} |\n"


def settings_reference() -> str:
    """Return docs/settings.md."""
    return SETTINGS_HEAD + "".join(_setting(name) for name in Settings.model_fields)


def _setting(name: str) -> str:
    field = Settings.model_fields[name]
    default = (
        "" if field.default_factory or field.default in (None, "") else field.default
    )
    shown = f"`{default}`" if default != "" else ""
    text = f"{field.description}".replace("|", "\\|")
    return f"| `DIRECTUS_GITOPS_{name.upper()}` | {shown} | {text} |\n"


def main() -> None:
    """Write both files."""
    (DOCS / "cli.md").write_text(cli_reference())
    (DOCS / "settings.md").write_text(settings_reference())


if __name__ == "__main__":
    main()
