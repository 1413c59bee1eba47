"""The README's session is what happens, and the container files say what is so."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import PROGRAM

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text()


def session() -> list[tuple[str, list[str]]]:
    """Return the commands of the first session, each with the lines shown for it."""
    (text,) = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    steps: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], []))
        else:
            steps[-1][1].append(line)
    return steps


@pytest.mark.kustomize
def test_the_session_in_the_readme_is_what_happens(
    tmp_path: Path, kustomize: Path
) -> None:
    env = {
        "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "DIRECTUS_GITOPS_KUSTOMIZE": str(kustomize),
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    here = tmp_path
    steps = session()
    assert len(steps) > 5
    for command, shown in steps:
        if command.startswith("cd "):
            here /= command[3:]
            continue
        if command.startswith("git diff"):
            subprocess.run(["git", "fetch", "-q"], cwd=here, env=env, check=True)
        done = subprocess.run(
            ["sh", "-c", command], cwd=here, env=env, check=False, capture_output=True
        )
        out = done.stdout.decode()
        assert done.returncode == 0, f"{command}\n{out}{done.stderr.decode()}"
        lines = [line.rstrip() for line in out.splitlines()]
        missing = [line for line in shown if line != "..." and line not in lines]
        assert not missing, f"{command}\n{out}"


def test_every_make_target_that_the_readme_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"make ([a-z]+)", README))
    assert named
    assert named <= targets


def test_every_page_of_the_documentation_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    todo = [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen:
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^)#:\s]+\.md)", page.read_text())
        todo += [(page.parent / link).resolve() for link in links]
    pages = set((ROOT / "docs").glob("*.md"))
    assert not {p.name for p in pages - seen}
