"""A machine asks all that the OpenAPI document lets it, and much that it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.api import service_over
from tests.support.lab import Lab

pytestmark = [pytest.mark.gate, pytest.mark.kustomize]

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = Path(sys.executable).parent / "st"
CONFIG = f"""\
hooks = "{ROOT}/tests/support/schemathesis_hooks.py"
workers = 1
continue-on-failure = true
seed = 4711
[generation]
max-examples = 25
[phases]
stateful.enabled = false
"""
# What no schema can say: a version that never ran here, a key that names a secret, a
# time that is over.
REFUSED = """
[[operations]]
include-operation-id-regex = "^(rollback|configure|create_token)"
checks.positive_data_acceptance.expected-statuses = [
    "2xx", "401", "403", "404", "409", "412", "422", "503",
]
[auth.openapi.bearer]
bearer = "${SCHEMATHESIS_TOKEN}"
"""
STREAM = "/events$"


def test_nothing_that_the_document_lets_ask_breaks_the_service(
    lab: Lab, kustomize: Path, tmp_path: Path
) -> None:
    (tmp_path / "schemathesis.toml").write_text(CONFIG + REFUSED)
    options = {"requests_per_min": 10**6, "wrong_tokens_per_min": 10**6}
    with service_over(lab, kustomize, **options) as service:
        token = service.token()
        done = subprocess.run(
            [
                *(PROGRAM, "run", f"{service.address}/openapi.json"),
                *("--phases", "examples,coverage,fuzzing"),
                *("--checks", "all"),
                *("--exclude-path-regex", STREAM),
                "--no-color",
            ],
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "PYTHONPATH": str(ROOT),
                "SCHEMATHESIS_TOKEN": token,
            },
            check=False,
            capture_output=True,
            text=True,
        )
        still = service.ask("GET", "/stacks")
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert still.status_code == 200, "the run lost its token"
    assert "Fuzzing" in done.stdout
    assert "No test cases" not in done.stdout
