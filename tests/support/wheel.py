"""Build the wheel, install it into an empty environment, and use it from there.

An editable install reads base/, overlays/ and agents/ from the checkout; the wheel
must carry its own copies. This proves that it does, away from the checkout.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> None:
    """Raise when something that the editable install can do fails in the wheel."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)])
        (wheel,) = folder.glob("*.whl")
        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv" / "bin" / "python"
        _run([str(python), *pip[1:], "install", str(wheel)])
        program = str(folder / "venv" / "bin" / "directus-gitops")
        env = os.environ | {
            "HOME": str(folder / "home"),
            "DIRECTUS_GITOPS_DATA": str(folder / "data"),
            "DIRECTUS_GITOPS_KUSTOMIZE": os.environ.get("TEST_KUSTOMIZE")
            or _run([sys.executable, "-m", "tests.support.tools"], cwd=ROOT).strip(),
        }
        _run([program, "init", "fleet", "--json"], cwd=folder, env=env)
        seen = json.loads(
            _run([program, "validate", "--json"], cwd=folder / "fleet", env=env)
        )
        if seen != {"findings": []}:
            raise SystemExit(f"the wheel's own tree has findings: {seen}")
        sys.stdout.write(f"{wheel.name}: init and validate work from the wheel\n")


def _run(
    argv: list[str], *, cwd: Path | None = None, env: dict[str, str] | None = None
) -> str:
    done = subprocess.run(
        argv, cwd=cwd, env=env, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{argv}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
