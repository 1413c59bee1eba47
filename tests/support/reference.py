"""Write docs/cli.md and docs/settings.md: `python -m tests.support.reference`.

A test compares the files with what this prints, so no command and no setting can be
missing, and none can be left over.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic.fields import FieldInfo

from service.cli import app
from service.configuration import (
    GitShape,
    HealthShape,
    NetworksShape,
    NotifyShape,
    RegistryShape,
    RepositoryShape,
    ReviewsShape,
)
from service.settings import Settings
from tests.support.api_reference import api_reference, openapi_reference

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


FILE_HEAD = """
## service.toml

The repositories, when there is more than the embedded forge's. It is read once, at the
start. A credential is never in it: `env:NAME` is a variable of the service, `file:PATH`
a file (relative paths start from the file's folder); both are read each time they are
used. What is not allowed here cannot be reached; addresses that hand out a machine's
own credentials (169.254.169.254 and the like) cannot be allowed. Health sources, one by
one, with the rights that they need: [Health](health.md). Registries:
[Registries](registries.md).

```toml
[[repository]]
name = "fleet"
url = "https://git.example.com/directus/fleet.git"
forge = "forgejo"
credential = "env:FORGE_TOKEN"

[repository.networks]
health = ["10.0.0.0/8", "*.svc.cluster.local"]

[[repository.health]]
name = "argocd"
kind = "argocd"
url = "https://argocd-server.argocd.svc.cluster.local"
credential = "file:/run/secrets/argocd-token"
ca = "argocd-ca.pem"

[[repository.registry]]
host = "docker.io"
```

| key | default | meaning |
|---|---|---|
"""

FILE_TABLES = (
    ("repository", RepositoryShape),
    ("repository.git", GitShape),
    ("repository.networks", NetworksShape),
    ("repository.reviews", ReviewsShape),
    ("repository.health", HealthShape),
    ("repository.registry", RegistryShape),
    ("notify", NotifyShape),
)


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
    variables = "".join(_setting(name) for name in Settings.model_fields)
    keys = "".join(
        _key(f"{table}.{name}", field)
        for table, shape in FILE_TABLES
        for name, field in shape.model_fields.items()
    )
    return SETTINGS_HEAD + variables + FILE_HEAD + keys


def _key(name: str, field: FieldInfo) -> str:
    """Write the row of one key; a required one says so."""
    shown = "required" if field.is_required() else ""
    if isinstance(field.default, str) and field.default:
        shown = f"`{field.default}`"
    if isinstance(field.default, int):
        shown = f"`{str(field.default).lower()}`"
    text = f"{field.description}".replace("|", "\\|")
    return f"| `{name}` | {shown} | {text} |\n"


def _setting(name: str) -> str:
    field = Settings.model_fields[name]
    default = (
        "" if field.default_factory or field.default in (None, "") else field.default
    )
    shown = f"`{default}`" if default != "" else ""
    text = f"{field.description}".replace("|", "\\|")
    return f"| `DIRECTUS_GITOPS_{name.upper()}` | {shown} | {text} |\n"


def main() -> None:
    """Write the files."""
    (DOCS / "cli.md").write_text(cli_reference())
    (DOCS / "settings.md").write_text(settings_reference())
    (DOCS / "api.md").write_text(api_reference())
    (DOCS / "openapi.json").write_text(openapi_reference())


if __name__ == "__main__":
    main()
