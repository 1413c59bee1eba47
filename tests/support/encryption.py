"""The real sops and age, and a script that plays kubeseal; import fixtures by name."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
_HEAD = f"#!{sys.executable}\nimport base64, json, os, pathlib, sys\n"
SEAL = """
import yaml
args = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert args["--format"] == "yaml" and args["--scope"] == "strict"
assert b"BEGIN CERTIFICATE" in pathlib.Path(args["--cert"]).read_bytes()
secret = yaml.safe_load(sys.stdin.buffer)
random = lambda: base64.b64encode(os.urandom(560)).decode()
values = {key: random() for key in secret["stringData"]}
body = {"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret",
        "metadata": secret["metadata"] | {"creationTimestamp": None},
        "spec": {"encryptedData": values}}
"""


@pytest.fixture(scope="session")
def sops() -> Path:
    """Return the real sops, or skip."""
    beside = Path(sys.executable).parent / "sops"
    found = beside if beside.is_file() else shutil.which("sops")
    if found is None:
        pytest.skip("sops is missing: install the development dependencies")
    return Path(found)


def new_key() -> tuple[str, str]:
    """Make an age key pair: public, private; or skip."""
    keygen = shutil.which("age-keygen")
    if keygen is None:
        pytest.skip("age-keygen is missing: install age")
    done = subprocess.run([keygen], check=True, capture_output=True, text=True)
    public = done.stdout.split("public key: ")[1].splitlines()[0]
    return public, done.stdout.splitlines()[-1]


@pytest.fixture(scope="session")
def key() -> tuple[str, str]:
    """Return an age key pair: public, private."""
    return new_key()


def program(folder: Path, name: str, text: str) -> Path:
    """Write a program."""
    path = folder / name
    path.write_text(_HEAD + text)
    path.chmod(0o755)
    return path


@pytest.fixture
def kubeseal(tmp_path: Path) -> Path:
    """Play kubeseal: random bytes of the right length stand for sealed values."""
    return program(tmp_path, "kubeseal", SEAL + "print(yaml.safe_dump(body))\n")
