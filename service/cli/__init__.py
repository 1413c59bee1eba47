"""The command line: reads arguments, calls one function, prints, exits.

Exit codes: 0 done or nothing to do, 1 known error, 2 usage, 3 bug, 4 findings or a
difference, 130 interrupted. Commands import what they need when they run, so that
`--help` stays quick.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from io import TextIOWrapper
from typing import Annotated, Protocol, runtime_checkable

import typer

from gitops.errors import GitopsError
from gitops.model import Json
from service.cli import (
    changing,
    checking,
    generating,
    keeping,
    proposals,
    reading,
    releasing,
    sealing,
    serving,
)
from service.cli.doctor import doctor
from service.cli.output import Output, remark

KNOWN_ERROR, USAGE, BUG, INTERRUPTED = 1, 2, 3, 130

app = typer.Typer(
    name="directus-gitops",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    help="Keep the Kustomize trees of Directus stacks in Git, "
    "and propose every change as a pull request.",
)


class _Context(Protocol):
    command_path: str


@runtime_checkable
class _UsageError(Protocol):
    """What typer raises for a wrong command line; it has no public name."""

    ctx: _Context | None

    def format_message(self) -> str:
        """Say what is wrong."""


def _version(*, wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"directus-gitops {version('directus-gitops')}\n")
        raise typer.Exit


@app.callback()
def _root(
    *,
    _shown: Annotated[
        bool,
        typer.Option(
            "--version", callback=lambda value: _version(wanted=value), is_eager=True
        ),
    ] = False,
) -> None:
    pass


_GENERATE, _CHANGE, _LOOK, _KEEP = "Generate", "Change", "Look", "Keep"

app.command(rich_help_panel=_GENERATE)(generating.init)
app.add_typer(generating.add, name="add", rich_help_panel=_GENERATE)
app.command(rich_help_panel=_GENERATE)(generating.upgrade)
app.add_typer(sealing.app, name="secrets", rich_help_panel=_GENERATE)
app.command(rich_help_panel=_CHANGE)(changing.bump)
app.command(rich_help_panel=_CHANGE)(changing.promote)
app.command("set", rich_help_panel=_CHANGE)(changing.set_config)
app.command(rich_help_panel=_CHANGE)(changing.rollback)
app.add_typer(proposals.app, name="pr", rich_help_panel=_CHANGE)
app.command(rich_help_panel=_LOOK)(reading.status)
app.command(rich_help_panel=_LOOK)(reading.diff)
app.command(rich_help_panel=_LOOK)(reading.render)
app.command(rich_help_panel=_LOOK)(checking.validate)
app.command(rich_help_panel=_LOOK)(reading.history)
app.command(rich_help_panel=_LOOK)(reading.forecast)
app.command(rich_help_panel=_LOOK)(releasing.updates)
app.command(rich_help_panel=_KEEP)(keeping.hold)
app.command(rich_help_panel=_KEEP)(keeping.release)
app.command(rich_help_panel=_KEEP)(keeping.pause)
app.command(rich_help_panel=_KEEP)(keeping.resume)
app.command(rich_help_panel=_KEEP)(serving.serve)
app.command(rich_help_panel=_KEEP)(doctor)
app.add_typer(keeping.token, name="token", rich_help_panel=_KEEP)
app.add_typer(keeping.repository, name="repository", rich_help_panel=_KEEP)
app.add_typer(keeping.audit, name="audit", rich_help_panel=_KEEP)
app.add_typer(keeping.schema, name="schema", rich_help_panel=_KEEP)
app.add_typer(keeping.tools, name="tools", rich_help_panel=_KEEP)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and exit; the only place that turns errors into exit codes."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # where it cannot write a character
            stream.reconfigure(errors="backslashreplace")
    code = run(arguments)
    try:
        sys.stdout.flush()
    except OSError as error:
        # What is still in the buffer must not be tried again at the very end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            remark(f"error: the output could not be written: {error.strerror}")
            code = code or KNOWN_ERROR
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command; return its exit code."""
    out = Output(as_json="--json" in arguments)
    try:
        app(args=list(arguments), prog_name="directus-gitops")
    except SystemExit as done:
        return _ended(out, done)
    except KeyboardInterrupt:
        remark("Interrupted.")
        return INTERRUPTED
    except GitopsError as error:
        _tell_error(out, error.code, error.message, error.hint)
        return KNOWN_ERROR
    except OSError as error:
        _tell_error(
            out,
            "system",
            f"{error.filename or 'the system'}: {error.strerror or error}",
            "is the disk full, or may this user not read or write there?",
        )
        return KNOWN_ERROR
    except Exception as error:  # noqa: BLE001  # the last place: a bug, shown as one
        traceback.print_exc()
        _tell_error(
            out,
            "bug",
            f"{type(error).__name__} in directus-gitops itself",
            "please report it with the text above",
        )
        return BUG
    return 0


def _ended(out: Output, done: SystemExit) -> int:
    """Return the exit code; a usage error that typer has told is a document too."""
    code = done.code if isinstance(done.code, int) else KNOWN_ERROR
    cause = done.__context__  # what typer caught before it exited
    if isinstance(cause, BrokenPipeError):
        return 0  # the reader of our output has gone; that is its right
    if code == USAGE:
        out.document(_usage(cause))
    if code == INTERRUPTED:
        remark("Interrupted.")
    return code


def _usage(cause: object) -> dict[str, Json]:
    command, told = "directus-gitops", str(cause)
    if isinstance(cause, _UsageError):
        told = cause.format_message()
        command = cause.ctx.command_path if cause.ctx else command
    return _error("usage", told, f"see `{command} --help`")


def _error(code: str, message: str, hint: str) -> dict[str, Json]:
    return {"error": {"code": code, "message": message, "hint": hint}}


def _tell_error(out: Output, code: str, message: str, hint: str) -> None:
    told = False
    with suppress(OSError):  # standard output itself may be what failed
        out.document(_error(code, message, hint))
        told = out.as_json
    if not told:
        remark(f"error: {message}")
        if hint:
            remark(f"hint: {hint}")
