"""Slices of forges' own descriptions: kept as files, and compared with the whole.

A slice is what `sliced` cuts of a whole description, byte for byte; a whole one is no
part of this repository, so the comparison is only where it lies beside the checkout.

    python -m tests.contract.slices     writes them anew
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.conftest import SHARED
from tests.contract.openapi import sliced

_SLICES: Final = Path(__file__).with_name("specs")
_FORGEJO: Final = "/repos/{owner}/{repo}"


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Some operations of a description.

    Attributes:
        name: of the file that is kept.
        whole: file of the whole description.
        operations: methods by path.
    """

    name: str
    whole: str
    operations: Mapping[str, Collection[str]]

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return _SLICES / f"{self.name}.json"

    @property
    def whole_path(self) -> Path:
        """Where the whole one is, if it is."""
        return SHARED / "specs" / self.whole

    def read(self) -> dict[str, Any]:
        """Return what is kept."""
        found: dict[str, Any] = json.loads(self.path.read_text("utf-8"))
        return found

    def cut(self) -> dict[str, Any]:
        """Cut it anew.

        Raises:
            OSError: the whole description is not there.
        """
        return sliced(json.loads(self.whole_path.read_text("utf-8")), self.operations)


FORGEJO: Final = Slice(
    name="forgejo",
    whole="forgejo.swagger.oas3.json",
    operations={
        "/user": ["get"],
        _FORGEJO: ["get"],
        f"{_FORGEJO}/branches/{{branch}}": ["get", "delete"],
        f"{_FORGEJO}/compare/{{basehead}}": ["get"],
        f"{_FORGEJO}/commits/{{ref}}/status": ["get"],
        f"{_FORGEJO}/statuses/{{sha}}": ["post"],
        f"{_FORGEJO}/labels": ["get", "post"],
        f"{_FORGEJO}/pulls": ["get", "post"],
        f"{_FORGEJO}/pulls/{{index}}": ["get", "patch"],
        f"{_FORGEJO}/pulls/{{index}}/reviews": ["get"],
        f"{_FORGEJO}/pulls/{{index}}/requested_reviewers": ["post"],
        f"{_FORGEJO}/pulls/{{index}}/merge": ["post"],
        f"{_FORGEJO}/issues/{{index}}/comments": ["get", "post"],
        f"{_FORGEJO}/issues/comments/{{id}}": ["patch"],
        f"{_FORGEJO}/issues/{{index}}/labels": ["post"],
        f"{_FORGEJO}/issues/{{index}}/timeline": ["get"],
    },
)
SLICES: Final = (FORGEJO,)


def main() -> None:
    """Write every slice whose whole description is there."""
    for one in SLICES:
        if one.whole_path.exists():
            text = json.dumps(one.cut(), indent=1, ensure_ascii=False)
            one.path.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
