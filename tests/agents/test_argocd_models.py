"""agents/argocd against Argo CD's own models, by node: types, and unknown fields."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from gitops.layout import shipped_tree
from gitops.scaffold.agents import UNKNOWN_URL, agent_files
from tests.agents.agentsim import applications, objects, of_kind

HERE = Path(__file__).parent / "argocd_models"
CACHE = Path(__file__).resolve().parents[2] / ".cache"
FILES = ("package.json", "package-lock.json", "check.mjs")


@pytest.fixture(scope="session")
def models() -> Path:
    """Install the models beside the script, once; return their folder, or skip."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("npm or node is missing: Argo CD's models cannot be installed")
    content = b"".join((HERE / name).read_bytes() for name in FILES)
    folder = CACHE / f"argocd-models-{hashlib.sha256(content).hexdigest()[:12]}"
    if folder.is_dir():
        return folder
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        made = Path(scratch) / "models"
        shutil.copytree(HERE, made)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(
            command, cwd=made, check=False, capture_output=True, text=True
        )
        if done.returncode != 0:
            last = done.stderr.strip().splitlines()[-1:]
            pytest.skip(f"npm could not install Argo CD's models: {last}")
        try:
            made.rename(folder)
        except OSError:  # another test process was first
            assert folder.is_dir()
    return folder


def problems(models: Path, bodies: list[dict[str, Any]]) -> list[str]:
    """Ask the models."""
    done = subprocess.run(
        ["node", str(models / "check.mjs")],
        input=json.dumps(bodies),
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


def wired(secrets: str = "existing") -> list[dict[str, Any]]:
    """Generate agents/argocd for two stacks in two environments."""
    files = agent_files(
        shipped_tree(),
        environments=["staging", "production"],
        stacks=["acme", "example"],
        agent="argocd",
        secrets=secrets,
        repository_url=UNKNOWN_URL,
        branch="main",
        overlay_pattern="overlays/{environment}/{stack}",
    )
    bodies = objects(files, "agents/argocd")
    return [body for body in bodies if body["kind"] != "ConfigMap"]


def test_argocd_knows_every_field_and_so_it_does_of_what_is_made(models: Path) -> None:
    bodies = [body for secrets in ("existing", "sops") for body in wired(secrets)]
    paths = ["overlays/staging/acme/kustomization.yaml"]
    for found in of_kind(bodies, "ApplicationSet"):
        bodies = [*bodies, *applications(found, paths)]
    assert [body["kind"] for body in bodies].count("Application") == 2
    assert problems(models, bodies) == []


@pytest.mark.parametrize(
    ("field", "value"), [("sourceRepo", []), ("description", 1), ("destinations", {})]
)
def test_a_misspelt_field_and_a_wrong_type_would_be_found(
    models: Path, field: str, value: object
) -> None:
    (project,) = of_kind(wired(), "AppProject")
    project["spec"][field] = value
    assert any(
        field in problem or "type" in problem for problem in problems(models, [project])
    )


def test_an_object_of_another_kind_is_not_passed_over(models: Path) -> None:
    body = {"apiVersion": "argoproj.io/v1", "kind": "AppProject", "metadata": {}}
    assert "no model for argoproj.io/v1" in problems(models, [body])[0]
