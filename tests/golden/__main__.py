"""Write the golden trees, the digests and the example overlays anew."""

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
    shutil.rmtree(root / "overlays", ignore_errors=True)
    example = generated(CASES["default"])
    write_files(root, {p: c for p, c in example.items() if p.startswith("overlays/")})


if __name__ == "__main__":
    main()
