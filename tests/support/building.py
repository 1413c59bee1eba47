"""Run the real kustomize on a folder, to hold our reading against its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from gitops.process import Limits, run
from tests.support.trees import write_files


def build(kustomize: Path, folder: Path, files: Mapping[str, str | bytes]) -> bytes:
    """Write the files and return the rendered text, or b"" when the build fails."""
    write_files(folder, files)
    verb = "kustomize" if kustomize.name == "kubectl" else "build"
    completed = run(
        [str(kustomize), verb, str(folder)],
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        limits=Limits(timeout_s=60),
    )
    return completed.stdout if completed.returncode == 0 else b""
