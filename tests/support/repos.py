"""Real repositories, made and looked at by the real git: the tests' other side."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from gitops.git import Identity
from gitops.model import BranchName, CommitId, FileEdit
from tests.support.trees import write_files

MAIN = BranchName("main")
BOT = Identity(name="Directus GitOps", email="bot@example.com")
NOON = datetime(2025, 3, 4, 12, 0, tzinfo=UTC)
_PERSON = {
    "GIT_AUTHOR_NAME": "Ann Example",
    "GIT_AUTHOR_EMAIL": "ann@example.com",
    "GIT_AUTHOR_DATE": "2025-03-01T08:00:00Z",
    "GIT_COMMITTER_NAME": "Ann Example",
    "GIT_COMMITTER_EMAIL": "ann@example.com",
    "GIT_COMMITTER_DATE": "2025-03-01T09:00:00Z",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "HOME": "/nonexistent",
    "LC_ALL": "C",
}


def git(
    folder: Path, *words: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
) -> str:
    """Run git as a person would, and return what it prints; a failure is loud."""
    done = subprocess.run(
        ["git", *words],
        cwd=folder,
        input=stdin,
        capture_output=True,
        env={"PATH": os.environ["PATH"], **_PERSON, **(env or {})},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().rstrip("\n")


def make_checkout(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Make a checkout with one commit on main."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--template=", "--initial-branch=main")
    commit_files(folder, files, "First commit")
    return folder


def commit_files(
    folder: Path, files: Mapping[str, str | bytes], message: str
) -> CommitId:
    """Write files into a checkout and commit everything."""
    write_files(folder, files)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", message)
    return CommitId(git(folder, "rev-parse", "HEAD"))


def make_remote(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Make a bare repository with one commit on main."""
    person = make_checkout(folder.with_name(f"{folder.name}.person"), files)
    git(folder.parent, "init", "--quiet", "--bare", "--template=", str(folder))
    git(folder, "symbolic-ref", "HEAD", "refs/heads/main")
    git(person, "remote", "add", "origin", f"file://{folder}")
    git(person, "push", "--quiet", "origin", "main")
    return folder


def copy_remote(template: Path, folder: Path) -> Path:
    """Copy a remote and its person's checkout: much faster than to make them again."""
    shutil.copytree(template, folder)
    person = shutil.copytree(person_of(template), person_of(folder))
    config = person / ".git" / "config"
    config.write_text(config.read_text().replace(f"{template}\n", f"{folder}\n"))
    return folder


def person_of(remote: Path) -> Path:
    """Return the checkout of the person who pushes to a remote."""
    return remote.with_name(f"{remote.name}.person")


def person_pushes(
    remote: Path,
    files: Mapping[str, str | bytes],
    branch: str = "main",
    message: str = "A person's commit",
) -> CommitId:
    """Let a person commit on a branch of the remote and push it."""
    person = person_of(remote)
    git(person, "fetch", "--quiet", "origin")
    known = git(person, "for-each-ref", f"refs/remotes/origin/{branch}")
    start = f"origin/{branch}" if known else "origin/main"
    git(person, "checkout", "--quiet", "-B", "work", start)
    commit = commit_files(person, files, message)
    git(person, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
    return commit


def tip_of(repository: Path, ref: str) -> CommitId | None:
    """Return where a full ref of a repository is."""
    words = ("for-each-ref", "--format=%(refname) %(objectname)", ref)
    lines = (line.split(" ") for line in git(repository, *words).splitlines())
    return next((CommitId(commit) for name, commit in lines if name == ref), None)


def tree_id(repository: Path, commit: str) -> str:
    """Return the id of a commit's tree."""
    return git(repository, "rev-parse", f"{commit}^{{tree}}")


def wrote(path: str, content: str | bytes) -> FileEdit:
    """Edit: the file has these bytes now."""
    after = content.encode() if isinstance(content, str) else content
    return FileEdit(path=path, before=None, after=after)


def removed(path: str) -> FileEdit:
    """Edit: the file is gone."""
    return FileEdit(path=path, before=b"", after=None)
