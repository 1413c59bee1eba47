"""What real forges once answered, as two other projects recorded it.

The source distributions of `ogr` (MIT: GitHub, GitLab, Forgejo) and of `PyGithub`
(LGPL: GitHub) hold them; they are fetched by pip at a pinned hash, read as data, and
never committed. Reading one project takes seconds, so tests that do are a `gate`.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from gitops.model import Json
from gitops.web import Answer, place_of
from tests.support.packages import Package, or_skip, python_source

OGR: Final = Package(
    name="ogr",
    version="0.61.1",
    sha="80a9354e3f056144b5cf1f11e70618da44bd034a48eaefd27636d320a1cee284",
    only=("tests/integration/",),
)
PYGITHUB: Final = Package(
    name="PyGithub",
    version="2.10.0",
    sha="90ff24ef1cd1bd57124c2a3869cafee9d7b066909129ecdaba2c2d1903bc118d",
    only=("tests/ReplayData/",),
)


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """One exchange with a real forge.

    Attributes:
        method: in capitals.
        url: whole.
        sent: the request's JSON; None where it was not recorded (ogr records none).
        status: of the answer.
        headers: of the answer.
        body: of the answer, unpacked; JSON is written anew, so key order may differ.
        source: the file it comes from.
    """

    method: str
    url: str
    sent: Json
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    source: str

    @property
    def path(self) -> str:
        """The path of its address."""
        return urlsplit(self.url).path

    @property
    def answer(self) -> Answer:
        """It as our client hands an answer back."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Answer(
            status=self.status,
            headers=headers,
            body=self.body,
            place=place_of(self.url),
        )

    def json(self) -> Any:
        """Read the body; None when it is empty or no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@cache
def ogr(forge: str) -> tuple[Recorded, ...]:
    """Return the exchanges of one forge: github, gitlab or forgejo; or skip."""
    folder = or_skip(python_source, OGR) / "tests" / "integration" / forge
    return tuple(
        one for path in sorted(folder.rglob("*.yaml")) for one in _read_requre(path)
    )


@cache
def pygithub() -> tuple[Recorded, ...]:
    """Return GitHub's exchanges; or skip."""
    folder = or_skip(python_source, PYGITHUB) / "tests" / "ReplayData"
    return tuple(
        one for path in sorted(folder.rglob("*.txt")) for one in _read_replay(path)
    )


def _read_requre(path: Path) -> Iterator[Recorded]:
    """Read a file of the recorder `requre`: method, address, answers in order."""
    with path.open("rb") as file:
        whole = yaml.load(file, Loader=yaml.CSafeLoader)
    for module, calls in whole.items():
        if module == "_requre":
            continue
        for method, answers in calls.get("send", {}).items():
            for url, outputs in answers.items():
                for one in outputs:
                    yield _of_requre(path, method, url, one["output"])


def _of_requre(
    path: Path, method: str, url: str, output: Mapping[str, Any]
) -> Recorded:
    content = output["_content"]
    body = content if isinstance(content, str) else json.dumps(content)
    return Recorded(
        method=method,
        url=url,
        sent=None,
        status=output["status_code"],
        headers={name: str(value) for name, value in output["headers"].items()},
        body=b"" if content is None else body.encode(),
        source=path.name,
    )


def _read_replay(path: Path) -> Iterator[Recorded]:
    """Read a file of PyGithub: ten lines an exchange, and an empty one after each."""
    lines = path.read_text("utf-8").split("\n")
    for start in range(0, len(lines) - 9, 11):
        scheme, method, host, _, target, _, sent, status, headers, body = lines[
            start : start + 10
        ]
        if not status.isdecimal():  # a body of several lines: what follows is not read
            return
        yield Recorded(
            method=method,
            url=target if "://" in target else f"{scheme}://{host}{target}",
            sent=_json(sent),
            status=int(status),
            headers=dict(ast.literal_eval(headers)),
            body=body.encode(),
            source=path.name,
        )


def _json(text: str) -> Json:
    try:
        found: Json = json.loads(text)
    except ValueError:
        return None
    return found
