"""gitops.yaml when it is new, and with one environment more. Pure text.

Promise: a person's file keeps every byte; the new environment is one more item, in the
way in which the others are written, and the result is read again and compared.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gitops.errors import InputError, PlanError, UnknownNameError
from gitops.fleet import read_fleet
from gitops.layout import DEFAULT_OVERLAY_PATTERN, FLEET_FILE
from gitops.model import Environment, EnvironmentName, Fleet
from gitops.yamltext import (
    Alias,
    Mapping,
    Node,
    Scalar,
    Sequence as Items,
    Style,
    compose,
    resolved,
    scalar_text,
)

_FLEET: Final = """\
# The fleet: its environments, and how a version travels from one to the next.
# Rules only. Addresses and credentials are in the settings of the service.
apiVersion: directus-gitops/v1
branch: {branch}

paths:
  overlay: "{pattern}"

defaults:
  image: {image}
  carry: []         # keys of config.env that travel with a promotion

environments:
{environments}

# A stack exists where its overlay exists; this only overrides the defaults:
#   acme: {{image: registry.example.com/acme/directus, carry: [FEATURE_X]}}
stacks: {{}}

# The gates of each way. Without an entry, a promotion is opened by request, and a
# person merges it:
#   - {{from: staging, to: production, schedule: "0 9 * * 1-4", timezone: Europe/Berlin,
#      soak: 24h, approvals: {{count: 1}}}}
promotions: []
"""
_END_OF_LINE = re.compile(rb"[^\r\n]*(?P<newline>\r\n|\n|\r|\Z)")


def fleet_text(
    environments: Sequence[Environment], *, branch: str, image: str
) -> bytes:
    """Write a new gitops.yaml.

    Args:
        environments: in order.
        branch: the base branch.
        image: the default image.
    """
    text = _FLEET.format(
        branch=scalar_text(branch, like=Style.PLAIN),
        pattern=DEFAULT_OVERLAY_PATTERN,
        image=scalar_text(image, like=Style.PLAIN),
        environments="\n".join(f"  - {_item(e)}" for e in environments),
    )
    return text.encode()


def with_environment(text: bytes, fleet: Fleet, added: Environment) -> bytes:
    """Insert an environment at the end of the list.

    Args:
        text: gitops.yaml as it is.
        fleet: what it says.
        added: the new environment.

    Raises:
        InputError: there is an environment of that name.
        UnknownNameError: it follows one that there is not.
        PlanError: the file is written in a way that one more item would not fit.
    """
    known = [environment.name for environment in fleet.environments]
    if added.name in known:
        raise InputError(
            f"environment {added.name} is in {FLEET_FILE} already",
            hint=f"known: {', '.join(known)}",
        )
    for name in added.after:
        if name not in known:
            raise UnknownNameError(
                f"environment {name} is not in {FLEET_FILE}",
                hint=f"known: {', '.join(known)}",
            )
    after = _inserted(text, _environments(text), _item(added).encode())
    wanted = replace(fleet, environments=(*fleet.environments, added))
    if read_fleet(after) != wanted:
        raise _unfit()
    return after


def _item(environment: Environment) -> str:
    parts = [f"name: {_flow(environment.name)}"]
    if environment.after:
        names = ", ".join(_flow(name) for name in environment.after)
        parts.append(f"after: [{names}]")
    return "{" + ", ".join(parts) + "}"


def _flow(name: EnvironmentName) -> str:
    return scalar_text(name, like=Style.PLAIN, flow=True)


def _environments(text: bytes) -> Items:
    root = resolved(compose(text, FLEET_FILE))
    found = root.get("environments") if isinstance(root, Mapping) else None
    if not isinstance(found, Items) or not found.items:
        raise _unfit()
    return found


def _inserted(text: bytes, items: Items, item: bytes) -> bytes:
    if items.flow:
        at = _end(items.items[-1])
        return text[:at] + b", " + item + text[at:]
    line = _END_OF_LINE.match(text, _end(items.items[-1]))
    newline = line["newline"] if line else b""
    at = line.end() if line else len(text)
    indented = b" " * (items.column - 1) + b"- " + item
    if newline:
        return text[:at] + indented + newline + text[at:]
    return text + b"\n" + indented + b"\n"


def _end(node: Node) -> int:
    """Return the first byte after a node; a block ends where its last leaf does."""
    match node:
        case Scalar() | Alias():
            return node.end
        case Mapping(flow=False, items=[*_, (_, last)]):
            return _end(last)
        case Items(flow=False, items=[*_, last]):
            return _end(last)
        case _:
            return node.end


def _unfit() -> PlanError:
    return PlanError(
        f"{FLEET_FILE}: the list of environments is written in a way that no line can "
        "be added to",
        hint="write it as a list with one item a line, or add the environment by hand",
    )
