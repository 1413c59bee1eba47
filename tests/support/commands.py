"""Run the command line as a user does: in a process of its own, or in this one."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service import cli

PROGRAM = Path(sys.executable).parent / "directus-gitops"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # a test looks into it
        """Parse the one document on standard output."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person with a folder to stand in and a data folder.

    Attributes:
        here: the current directory of every command.
        data: the data folder.
        kustomize: the program that renders.
    """

    here: Path
    data: Path
    kustomize: Path | None

    def at(self, folder: Path) -> User:
        """Stand elsewhere."""
        return User(here=folder, data=self.data, kustomize=self.kustomize)

    def run(
        self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> Answer:
        """Run a command; never raises for its exit code."""
        done = subprocess.run(
            [str(PROGRAM), *arguments],
            cwd=self.here,
            env=self.environment(env),
            input=stdin,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return Answer(code=done.returncode, out=done.stdout, err=done.stderr)

    def inside(
        self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> Answer:
        """Run a command in this process: the same, without the second it starts."""
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
        ours, theirs = dict(os.environ), self.environment(env)
        typed = sys.stdin
        stood = Path.cwd()
        try:
            os.environ.clear()
            os.environ.update(theirs)
            os.chdir(self.here)
            sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")
            with redirect_stdout(out), redirect_stderr(err):
                code = cli.run(arguments)
        finally:
            os.environ.clear()
            os.environ.update(ours)
            os.chdir(stood)
            sys.stdin = typed
        out.seek(0)
        return Answer(code=code, out=out.read(), err=err.getvalue())

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the whole environment of this person's commands."""
        chosen = (
            {"DIRECTUS_GITOPS_KUSTOMIZE": str(self.kustomize)} if self.kustomize else {}
        )
        return {
            "PATH": os.environ["PATH"],
            "HOME": os.environ["HOME"],
            "LANG": "C.UTF-8",
            "DIRECTUS_GITOPS_DATA": str(self.data),
            **chosen,
            **(more or {}),
        }

    def ask(
        self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> Any:  # parsed JSON
        """Run a command with --json that must succeed; return its document."""
        answer = self.run(*arguments, "--json", env=env, stdin=stdin)
        assert answer.code == 0, f"{arguments}: {answer.code}\n{answer.out}{answer.err}"
        return answer.json

    def refused(
        self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> dict[str, str]:
        """Run a command with --json that must fail as a known error; return that."""
        answer = self.run(*arguments, "--json", env=env, stdin=stdin)
        assert answer.code == 1, f"{arguments}: {answer.code}\n{answer.out}{answer.err}"
        error: dict[str, str] = answer.json["error"]
        assert error["message"]
        return error


def git(folder: Path, *arguments: str) -> str:
    """Run git as the user; return its output."""
    done = subprocess.run(
        ["git", "-c", "user.name=ada", "-c", "user.email=ada@example.com", *arguments],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
