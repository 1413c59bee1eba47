"""What the command line prints: people get tables and colours, programs one document.

With --json exactly one JSON document goes to standard output; progress and remarks
go to standard error. Colours and bars only on a terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING

from gitops.model import Json

if TYPE_CHECKING:
    from rich.console import Console

    from gitops.workflow import Progress


class Output:
    """Where a command's answer goes.

    Args:
        as_json: one JSON document instead of text.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def document(self, data: Json) -> None:
        """Print the one JSON document, if that is what was asked for."""
        if self.as_json:
            # ASCII only: no control character, no text direction, and any encoding.
            sys.stdout.write(json.dumps(data, indent=2) + "\n")

    def line(self, text: str = "") -> None:
        """Print a line for people."""
        if not self.as_json:
            sys.stdout.write(printable(text) + "\n")

    def block(self, text: str) -> None:
        """Print text of several lines as it is, for people."""
        if not self.as_json:
            shown = "\n".join(map(printable, text.split("\n")))
            sys.stdout.write(shown if text.endswith("\n") else f"{shown}\n")

    def content(self, data: bytes) -> None:
        """Print what a file holds: byte for byte, but not to a terminal."""
        if self.as_json:
            return
        if sys.stdout.isatty() or not isinstance(sys.stdout, TextIOWrapper):
            self.block(data.decode())
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(data)

    def difference(self, text: str) -> None:
        """Print a unified difference, coloured on a terminal."""
        if self.as_json:
            return
        if not sys.stdout.isatty():
            self.block(text)
            return
        from rich.syntax import Syntax

        shown = "\n".join(map(printable, text.split("\n")))
        _console().print(Syntax(shown, "diff", background_color="default"))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a table for people."""
        if self.as_json:
            return
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            # As text: no markup and no emoji codes in what people wrote.
            table.add_row(*(Text(printable(cell)) for cell in row))
        _console().print(table)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Show a bar on standard error while long work goes on, on a terminal."""
        if not sys.stderr.isatty():
            yield lambda _step, _done, _total: None
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress as Bar,
            TextColumn,
        )

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
            tasks: dict[str, int] = {}

            def report(step: str, done: int, total: int) -> None:
                if step not in tasks:
                    tasks[step] = bar.add_task(step)
                bar.update(
                    tasks[step],  # type: ignore[arg-type]  # rich's NewType of int
                    completed=done,
                    total=total,
                )

            yield report


def remark(text: str) -> None:
    """Print a remark to standard error."""
    sys.stderr.write(printable(text) + "\n")


def printable(text: str) -> str:
    """Escape control characters: repository content must not drive the terminal."""
    return "".join(
        char if char == "\t" or (char.isprintable()) else f"\\u{ord(char):04x}"
        for char in text
    )


def _console() -> Console:
    from rich.console import Console

    width = None if sys.stdout.isatty() else 200
    return Console(highlight=False, width=width)
