"""GitPython, imported without letting it run a program.

On import GitPython runs `git version` with the caller's whole environment, using the
program that a variable names, and refuses to be imported where there is no git. Both
are wrong here: programs run through gitops.process only, and a missing git is a
ToolError of the call that needs it. Two variables, set for the time of the import,
make that first run fail quietly. Nothing else of the house touches the environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_DURING_IMPORT: Final = {
    "GIT_PYTHON_GIT_EXECUTABLE": "/nonexistent/git",
    "GIT_PYTHON_REFRESH": "quiet",
}


@contextmanager
def _nothing_runs() -> Iterator[None]:
    variables = os.environ  # noqa: TID251 - the one way to tell GitPython
    before = {name: variables.get(name) for name in _DURING_IMPORT}
    variables.update(_DURING_IMPORT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del variables[name]
            else:
                variables[name] = value


with _nothing_runs():
    from git import Git, Repo
    from git.db import GitCmdObjectDB

__all__ = ["Git", "GitCmdObjectDB", "Repo"]
