"""The script that the plugin for Argo CD runs, with the real sops and kustomize."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from gitops.layout import shipped_tree, target
from gitops.scaffold.agents import UNKNOWN_URL, agent_files
from gitops.scaffold.secrets import no_keys_yet
from gitops.sealing import AgeRecipients, encrypt_with_sops
from gitops.secretfile import SecretValue
from tests.agents.agentsim import objects, of_kind
from tests.support.encryption import key, sops
from tests.support.trees import write_files

__all__ = ["key", "sops"]  # fixtures

SECRET = SecretValue("hunter2hunter2hunter2hunter2hunter2")
KUSTOMIZATION = "kind: Kustomization\nnamespace: example-production\nresources: [{}]\n"


def generate_command() -> list[str]:
    """Return the plugin's command as the repository server would run it."""
    files = agent_files(
        shipped_tree(),
        environments=["production"],
        stacks=["example"],
        agent="argocd",
        secrets="sops",
        repository_url=UNKNOWN_URL,
        branch="main",
        overlay_pattern="overlays/{environment}/{stack}",
    )
    (plugin,) = of_kind(objects(files, "agents/argocd"), "ConfigMap")
    spec = yaml.safe_load(plugin["data"]["plugin.yaml"])["spec"]["generate"]
    return [*spec["command"], *spec["args"]]


@pytest.fixture
def tools(tmp_path: Path, kustomize: Path, sops: Path) -> Path:
    """Make a folder with sops and kustomize, as the plugin's container has them."""
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "sops").symlink_to(sops)
    if kustomize.name.startswith("kubectl"):
        script = f'#!/bin/sh\nshift\nexec {kustomize} kustomize "$@"\n'
        (folder / "kustomize").write_text(script)
        (folder / "kustomize").chmod(0o755)
    else:
        (folder / "kustomize").symlink_to(kustomize)
    return folder


def run(tools: Path, folder: Path, private: str) -> subprocess.CompletedProcess[str]:
    """Run the plugin in a folder."""
    return subprocess.run(
        generate_command(),
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        env={
            "PATH": f"{tools}:/usr/bin:/bin",
            "SOPS_AGE_KEY": private,
            "HOME": str(folder),
        },
    )


def encrypted(tools: Path, public: str) -> bytes:
    """Make an overlay's encrypted file."""
    return encrypt_with_sops(
        {"SECRET": SECRET},
        namespace="example-production",
        path="secrets.enc.yaml",
        recipients=AgeRecipients(keys=(public,)),
        sops=tools / "sops",
    )


@pytest.mark.kustomize
def test_the_plugin_decrypts_and_builds(
    tools: Path, key: tuple[str, str], tmp_path: Path
) -> None:
    files: dict[str, str | bytes] = {
        "kustomization.yaml": KUSTOMIZATION.format("secrets.enc.yaml"),
        "secrets.enc.yaml": encrypted(tools, key[0]),
    }
    write_files(tmp_path / "overlay", files)
    done = run(tools, tmp_path / "overlay", key[1])
    assert done.returncode == 0, done.stderr
    body = yaml.safe_load(done.stdout)
    assert body["stringData"] == {"SECRET": SECRET.reveal()}
    assert "sops" not in body


@pytest.mark.kustomize
def test_the_plugin_builds_an_overlay_that_has_no_keys_yet(
    tools: Path, key: tuple[str, str], tmp_path: Path
) -> None:
    files: dict[str, str | bytes] = {
        "kustomization.yaml": KUSTOMIZATION.format("secrets.enc.yaml, c.yaml"),
        "secrets.enc.yaml": no_keys_yet(target("example", "production")),
        "c.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n",
    }
    write_files(tmp_path / "overlay", files)
    done = run(tools, tmp_path / "overlay", key[1])
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["kind"] == "ConfigMap"


@pytest.mark.kustomize
def test_the_plugin_fails_rather_than_apply_what_it_cannot_decrypt(
    tools: Path, key: tuple[str, str], tmp_path: Path
) -> None:
    files: dict[str, str | bytes] = {
        "kustomization.yaml": KUSTOMIZATION.format("secrets.enc.yaml"),
        "secrets.enc.yaml": encrypted(tools, key[0]),
    }
    write_files(tmp_path / "overlay", files)
    done = run(tools, tmp_path / "overlay", "")
    assert done.returncode != 0
    assert done.stdout == ""
