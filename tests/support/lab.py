"""A fleet to break: a copy, made in a blink, of one that `init` made once.

What an attacker with merge rights can do is done straight to the origin; what a
refused command must leave alone is compared as a whole.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gitops.git import BareRepository
from gitops.model import BranchName, CommitId
from tests.support.commands import Answer, User, git
from tests.support.places import MAIN, commit_files

DEVELOPMENT = "overlays/development/example"
KUSTOMIZATION = f"{DEVELOPMENT}/kustomization.yaml"
CONFIG = f"{DEVELOPMENT}/config.env"
BRANCH = BranchName("directus-gitops/development/example")
_PAST_CHECKS = (
    *("-c", "core.protectNTFS=false", "-c", "core.protectHFS=false"),
    *("-c", "user.name=mallory", "-c", "user.email=mallory@example.com"),
)
BUMP = ("bump", "example", "development", "12.4.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What a refused command said."""

    code: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """One fleet at Directus 12.4.0, its user and its origin.

    Attributes:
        root: the folder that holds everything.
        user: stands in the work tree.
    """

    root: Path
    user: User

    @property
    def tree(self) -> Path:
        """The user's work tree."""
        return self.root / "fleet"

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.root / "data"

    @property
    def origin(self) -> Path:
        """The bare repository behind the work tree."""
        return self.data / "forge" / "fleet.git"

    # --- what an attacker does ---

    def text(self, path: str = KUSTOMIZATION) -> str:
        """Return a file as `init` made it."""
        return (self.tree / path).read_text()

    def put(
        self,
        files: Mapping[str, str | bytes | None],
        *,
        branch: BranchName = MAIN,
        message: str = "change\n",
    ) -> CommitId:
        """Commit files onto a branch of the origin, past every check."""
        return commit_files(
            BareRepository(self.origin), files, branch=branch, message=message
        )

    def graft(
        self, entries: Mapping[str, tuple[str, bytes]], *, remove: Sequence[str] = ()
    ) -> None:
        """Commit entries of any mode and name onto main, by git's own plumbing.

        Args:
            entries: path -> mode and content; of a submodule, the commit's id.
            remove: paths, or folders, that go.
        """
        listed = git(self.origin, "ls-tree", "-r", "--name-only", "main").splitlines()
        gone = [
            p for p in listed if any(p == r or p.startswith(f"{r}/") for r in remove)
        ]
        self._plumb("read-tree", "main")
        for path in gone:
            self._plumb("update-index", "--force-remove", path)
        for path, (mode, content) in entries.items():
            blob = (
                content.decode()
                if mode == "160000"
                else self._plumb("hash-object", "-w", "--stdin", stdin=content)
            )
            line = f"{mode} {blob}\t{path}\0".encode()
            self._plumb("update-index", "-z", "--index-info", stdin=line)
        tree = self._plumb("write-tree")
        commit = self._plumb("commit-tree", "-p", "main", "-m", "graft", tree)
        self._plumb("update-ref", "refs/heads/main", commit)

    def _plumb(self, *words: str, stdin: bytes = b"") -> str:
        done = subprocess.run(
            ["git", *_PAST_CHECKS, *words],
            env=os.environ
            | {
                "GIT_DIR": str(self.origin),
                "GIT_INDEX_FILE": str(self.root / "grafted"),
                "GIT_WORK_TREE": str(self.root),
            },
            check=False,
            capture_output=True,
            input=stdin,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()

    def pull(self) -> None:
        """Bring what is on the origin's main into the work tree, links and all."""
        words = ("-c", "core.symlinks=true", "pull", "--quiet")
        git(self.tree, *words, "--no-recurse-submodules", "origin", "main")

    # --- what the user does ---

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> Answer:
        """Run a command with --json in this process; it must not be a bug."""
        answer = self.user.inside(*arguments, "--json", env=env)
        assert answer.code in (0, 1, 2, 4), f"{arguments}: {answer.code}\n{answer.err}"
        assert "Traceback" not in answer.err, answer.err
        return answer

    def asks(self, *arguments: str) -> Answer:
        """Run a command that must do its work."""
        answer = self.run(*arguments)
        assert answer.code == 0, f"{arguments}: {answer.out}{answer.err}"
        return answer

    def refused(self, *arguments: str, env: Mapping[str, str] | None = None) -> Refusal:
        """Run a command that must be refused, and leave everything as it was."""
        before = self.seen()
        answer = self.run(*arguments, env=env)
        assert answer.code == 1, f"{arguments}: {answer.code}\n{answer.out}"
        assert self.seen() == before, f"{arguments} changed something"
        error = answer.json["error"]
        assert set(error) == {"code", "message", "hint"}
        assert str(self.root) not in error["message"], error["message"]
        assert error["message"].isprintable(), ascii(error["message"])
        return Refusal(**error)

    # --- what is there ---

    def seen(self) -> dict[str, str]:
        """Return all that a refused command must leave as it is."""
        return {
            "origin": _say(self.origin, "for-each-ref"),
            "branches": _say(self.tree, "for-each-ref"),
            "work tree": _say(self.tree, "status", "--porcelain", "--ignored"),
            "service": _dump(self.data / "service.db"),
            "pull requests": _dump(self.data / "forge" / "fleet.db"),
        }

    def pull_requests(self) -> list[tuple[int, str]]:
        """Return number and state of every pull request."""
        shown = self.asks("pr", "list", "--all").json["pull_requests"]
        return [(p["number"], p["state"]) for p in shown]


def _say(folder: Path, *words: str) -> str:
    if not folder.is_dir():
        return "not there"
    done = subprocess.run(
        ["git", *words], cwd=folder, check=False, capture_output=True, text=True
    )
    return done.stdout + done.stderr


def _dump(database: Path) -> str:
    if not database.is_file():
        return "not there"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        try:
            return "\n".join(connection.iterdump())
        except sqlite3.Error as error:
            return f"damaged: {error}"


def make_template(folder: Path, kustomize: Path) -> Path:
    """Make the fleet that labs are copies of."""
    user = User(here=folder, data=folder / "data", kustomize=kustomize)
    made = user.run("init", "fleet", "--directus-version", "12.4.0", "--agent", "none")
    assert made.code == 0, made.err
    for command in (("status",), ("pr", "list")):
        assert user.at(folder / "fleet").run(*command).code == 0
    return folder


def copy_of(template: Path, root: Path, kustomize: Path) -> Lab:
    """Copy the template: data folder and work tree, which point at each other."""
    shutil.copytree(template, root, symlinks=True)
    user = User(here=root / "fleet", data=root / "data", kustomize=kustomize)
    lab = Lab(root=root, user=user)
    git(lab.tree, "config", "remote.origin.url", str(lab.origin))
    return lab
