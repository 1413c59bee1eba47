"""Write docs/openapi.json and the routes in docs/api.md, with tests.support.reference.

Both come from the application's own document; a test compares them with the files, so
no route can be missing, and none can be left over. What docs/api.md says before its
routes is written by people.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from service.app import create_app
from service.clock import utc_now
from service.settings import Settings
from service.store import Store

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
MARK = "## Routes\n"


def document() -> dict[str, Any]:
    """Return the application's OpenAPI document."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        with closing(Store("", data, utc_now)) as store:
            return create_app(Settings(data=data), store).openapi()


def openapi_reference() -> str:
    """Return docs/openapi.json."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def api_reference() -> str:
    """Return docs/api.md with the routes as they are."""
    head = (DOCS / "api.md").read_text().partition(MARK)[0]
    made = document()
    rows: defaultdict[str, list[str]] = defaultdict(list)
    for path, operations in made["paths"].items():
        if "/repositories/{repository}" in path:
            continue
        for method, operation in operations.items():
            tag = operation.get("tags", ["health"])[0]
            rows[tag].append(_row(method, path, operation))
    return head + MARK + "".join(_sections(made["tags"], rows))


def _sections(tags: list[dict[str, str]], rows: dict[str, list[str]]) -> Iterator[str]:
    for tag in tags:
        yield f"\n### {tag['name'].capitalize()}\n\n{tag['description']}\n"
        yield "\n| request | role | what |\n|---|---|---|\n"
        yield from rows[tag["name"]]


def _row(method: str, path: str, operation: dict[str, Any]) -> str:
    said = operation.get("description", "").partition("\n\nRole:")[0]
    told = " ".join(said.split()).replace("|", "\\|")
    role = operation.get("x-role", "")
    return f"| `{method.upper()} {path}` | {role} | {told} |\n"
