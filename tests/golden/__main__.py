"""Write the golden trees, the digests and the shipped examples anew."""

from __future__ import annotations

import shutil

from tests.golden.cases import CASES, FOLDER, MATRIX_FILE, generated, held, matrix
from tests.support.trees import write_files


def main() -> None:
    """Write all of it; `git diff` shows what changed."""
    for name, options in CASES.items():
        shutil.rmtree(FOLDER / name, ignore_errors=True)
        write_files(FOLDER / name, held(options))
    MATRIX_FILE.write_text(matrix())
    root = FOLDER.parent.parent
    example = generated(CASES["default"])
    for folder in ("overlays", "agents"):
        shutil.rmtree(root / folder, ignore_errors=True)
        shipped = {p: c for p, c in example.items() if p.startswith(f"{folder}/")}
        write_files(root, shipped)


if __name__ == "__main__":
    main()
