"""The git command: GitPython's classes, with every call inside our walls.

Its promise (rule R7): whatever the caller's environment, the user's and the system's
configuration, or the repository's own hooks say, git runs with an environment written
here from scratch, without hooks, helpers and prompts, and talks only the one protocol
that the call needs. GitPython's own way to start programs is never taken.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, ClassVar, Final, TypeAlias, cast

from gitops import process
from gitops.errors import GitError, ToolError
from gitops.git.gitpython import Git, GitCmdObjectDB, Repo
from gitops.git.walls import Walls
from gitops.git.words import last_words, shows_damage
from gitops.process import Limits

OLDEST: Final = (2, 38)  # `merge-tree --write-tree` and safe.bareRepository
SEARCH_PATH: Final = process.SYSTEM_PATH + ":/opt/homebrew/bin:/opt/local/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class GitProgram:
    """The git of this machine.

    Attributes:
        path: absolute.
        version: its numbers, (2, 39, 5).
    """

    path: Path
    version: tuple[int, ...]


@functools.cache
def find_git(search_path: str = SEARCH_PATH) -> GitProgram:
    """Find git in a search path.

    Raises:
        ToolError: there is none, it does not answer, or it is too old.
    """
    path = process.find_program("git", search_path)
    oldest = ".".join(map(str, OLDEST))
    if path is None:
        raise ToolError("git is not installed", hint=f"install git {oldest} or newer")
    try:
        done = process.run([str(path), "version"], env={}, limits=Limits(timeout_s=10))
    except process.ProcessError as exc:
        raise ToolError(f"git does not work: {exc}", hint="install git again") from exc
    found = re.match(rb"git version (\d+(?:\.\d+)+)", done.stdout)
    if done.returncode != 0 or found is None:
        raise ToolError("git does not tell its version", hint="install git again")
    version = tuple(int(number) for number in found[1].split(b"."))
    if version < OLDEST:
        raise ToolError(
            f"git is too old: {found[1].decode()}; it must be {oldest} or newer",
            hint="install a newer git",
        )
    return GitProgram(path=path, version=version)


def use_git(search_path: str) -> GitProgram:
    """Choose the git of this process; without it the system's folders are searched.

    Raises:
        ToolError: the search path holds no git that is new enough.
    """
    program = find_git(search_path)
    SafeGit.search_path = search_path
    return program


Attendant: TypeAlias = Callable[[str], Callable[[int | None], None]]
"""Told the subcommand when it starts; what it returns is told how it ended: the exit
code, or None when it gave no answer. It must not raise."""


def unattended(_command: str) -> Callable[[int | None], None]:
    """Tell nobody."""
    return lambda _code: None


def attend_git(attendant: Attendant) -> None:
    """Choose who stands by while git runs in this process, to count and to time."""
    SafeGit.attendant = attendant


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a git command said.

    Attributes:
        command: the subcommand.
        code: its exit code.
        stdout: its output, byte for byte.
        words: the end of its messages, fit for people.
        shows_damage: its messages are those of a damaged repository.
    """

    command: str
    code: int
    stdout: bytes
    words: str
    shows_damage: bool


# --- GitPython, inside the walls ---


class SafeGit(Git):
    """GitPython's command class; whatever GitPython calls ends in `execute` here."""

    search_path: ClassVar[str] = SEARCH_PATH
    attendant: ClassVar[Attendant] = unattended

    def __init__(
        self, working_dir: str | None = None, *, walls: Walls | None = None
    ) -> None:
        super().__init__(working_dir)
        self.walls = walls or Walls()

    def execute(  # type: ignore[override]  # GitPython's is six overloads
        self,
        command: Sequence[str],
        istream: BinaryIO | None = None,
        with_extended_output: bool = False,
        with_exceptions: bool = True,
        stdout_as_string: bool = True,
        strip_newline_in_stdout: bool = True,
        **unsupported: object,
    ) -> str | bytes | tuple[int, str | bytes, str]:
        """Run a git command within the walls.

        Args:
            command: GitPython's word for git, the subcommand, and its arguments.
            istream: what git reads from standard input.
            with_extended_output: return exit code, output and messages.
            with_exceptions: a non-zero exit is an error.
            stdout_as_string: decode the output as UTF-8.
            strip_newline_in_stdout: drop the last newline of the output.
            **unsupported: other ways to start a program; they are refused.

        Raises:
            GitError: it failed, or gave no answer in time.
            ToolError: there is no git.
        """
        if any(unsupported.values()):
            names = ", ".join(sorted(unsupported))
            raise NotImplementedError(f"GitPython asked for {names}: not in our walls")
        done = self._run(command[1:], istream.read() if istream else b"")
        messages = done.stderr.decode("utf-8", "backslashreplace")
        if not with_extended_output and with_exceptions and done.returncode != 0:
            raise GitError(
                f"git {command[1]}: " + last_words(messages, hidden=self.walls.hidden)
            )
        stdout: str | bytes = done.stdout
        if strip_newline_in_stdout:
            stdout = done.stdout.removesuffix(b"\n")
        if stdout_as_string:
            stdout = cast(bytes, stdout).decode("utf-8", "backslashreplace")
        if with_extended_output:
            return done.returncode, stdout, messages
        return stdout

    def _run(self, words: Sequence[str], stdin: bytes) -> process.Completed:
        walls = self.walls
        ended = SafeGit.attendant(words[0])
        code: int | None = None
        try:
            done = process.run(
                [str(find_git(self.search_path).path), *walls.flags, *words],
                env=walls.environment,
                cwd=walls.cwd,
                stdin=stdin,
                limits=walls.limits,
            )
            code = done.returncode
        except process.ProcessError as exc:
            raise GitError(f"git {words[0]}: {exc}") from exc
        finally:
            ended(code)
        return done

    def ask(self, command: str, *words: str, stdin: bytes = b"") -> Answer:
        """Run a git command; how it ended is part of the answer.

        Raises:
            GitError: it gave no answer in time, or too much of it.
            ToolError: there is no git.
        """
        code, stdout, messages = getattr(self, command.replace("-", "_"))(
            *words,
            istream=BytesIO(stdin),
            with_extended_output=True,
            stdout_as_string=False,
            strip_newline_in_stdout=False,
        )
        return Answer(
            command=command,
            code=code,
            stdout=stdout,
            words=last_words(messages, hidden=self.walls.hidden),
            shows_damage=shows_damage(messages),
        )


class SafeRepository(Repo):
    """GitPython's repository class at a known place, inside the walls.

    GitPython looks around before it opens a repository: at GIT_DIR, GIT_COMMON_DIR,
    GIT_WORK_TREE and GIT_OBJECT_DIRECTORY of the caller, and at folders that pose as
    a repository. Ours are where we put them, so nothing is looked for.

    Args:
        walls: the repository's place, and what its commands may do.
    """

    GitCommandWrapperType = SafeGit  # type: ignore[assignment]  # so GitPython says
    git: SafeGit

    def __init__(self, walls: Walls) -> None:
        place = walls.git_dir or walls.cwd / ".git"
        self.git_dir = str(place)
        self._common_dir = ""
        self._working_tree_dir = str(walls.work_tree) if walls.work_tree else None
        self._bare = walls.work_tree is None
        self.working_dir = self._working_tree_dir or self.git_dir
        self.git = SafeGit(str(self.working_dir), walls=walls)
        self.odb = GitCmdObjectDB(str(place / "objects"), self.git)

    @property
    def walls(self) -> Walls:
        """Where the repository is, and what its commands may do."""
        return self.git.walls

    def ask(self, command: str, *words: str, stdin: bytes = b"") -> Answer:
        """Run a git command that talks to nobody; see SafeGit.ask."""
        return self.git.ask(command, *words, stdin=stdin)
