"""doctor: is everything there, and if not, what to do."""

from __future__ import annotations

from typing import Final

import typer

from service.cli.options import AsJson, Data

_PROBLEMS: Final = 4


def doctor(data: Data = None, as_json: AsJson = False) -> None:
    """Look at everything that the service needs: tools, disk, database, repositories.

    Nothing is changed. Exit code 4 when there is a problem; a warning is none.
    """
    from dataclasses import asdict

    from service import settings as settings_module
    from service.cli.output import Output
    from service.clock import utc_now
    from service.doctor import State, examine

    out = Output(as_json=as_json)
    checks = examine(settings_module.load(data=data), utc_now)
    out.document({"checks": [asdict(check) for check in checks]})
    out.table(
        ["check", "state", "what"], [[c.name, c.state.value, c.message] for c in checks]
    )
    for check in checks:
        if check.hint:
            out.line(f"{check.name}: {check.hint}")
    if any(check.state is State.PROBLEM for check in checks):
        raise typer.Exit(_PROBLEMS)
