"""GitHub's own examples of webhooks, signed by GitHub's own package, in node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.support.packages import Package, npm, or_skip

METHODS: Final = Package(
    name="@octokit/webhooks-methods",
    version="6.0.0",
    sha="MFlzzoDJVw/GcbfzVC1RLR36QqkTLUf79vLVO3D+xn7r0QgxnFoLZgtrzxiQErAjFUOdH6fas2KeQ"
    "J1yr/qaXQ==",
)
EXAMPLES: Final = Package(
    name="@octokit/webhooks-examples",
    version="7.6.1",
    sha="De6U3XB6O3DtCa7bKgCMzTHdeopqqZ6SNivMYJnK65ierKL1AnNIA0tkRYCRS7lwGT792d+Ps1Wbf"
    "Hlso6MynQ==",
    only=("package.json", "api.github.com/"),
)
SCRIPT: Final = Path(__file__).with_suffix(".mjs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """One event as GitHub would send it.

    Attributes:
        event: its name.
        body: its bytes.
        signature: the header X-Hub-Signature-256.
    """

    event: str
    body: bytes
    signature: str


def signed(secret: str, bodies: Sequence[str] | None = None) -> list[Signed]:
    """Sign bodies, or every example there is; skip where node or npm is missing."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is missing: GitHub's package cannot sign")
    folders = [or_skip(npm, package) for package in (METHODS, EXAMPLES)]
    done = subprocess.run(
        [node, str(SCRIPT), *map(str, folders)],
        input=json.dumps({"secret": secret, "bodies": bodies}),
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stderr
    return [
        Signed(
            event=one["event"], body=one["body"].encode(), signature=one["signature"]
        )
        for one in json.loads(done.stdout)
    ]
