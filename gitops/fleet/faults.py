"""What is wrong with gitops.yaml, in our words and at its place. Pure.

Promises the first fault in the order of the file, so that people work from top to
bottom, and a hint that names the nearest thing that would have been right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Final, cast

import jsonschema_rs
from jsonschema_rs import ValidationError, ValidationErrorKind as Kind

from gitops.errors import FleetError
from gitops.fleet.schema import fleet_schema
from gitops.layout import FLEET_FILE
from gitops.model import Json
from gitops.yamltext import Path

Positions = Mapping[Path, tuple[int, int]]

_TYPES: Final = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "boolean": "true or false",
}


def spell_path(path: Path) -> str:
    """Write where in the file: `promotions[0].soak`; "the file" for all of it."""
    text = "".join(
        f"[{part}]" if isinstance(part, int) else f".{_key(part)}" for part in path
    )
    return text.removeprefix(".") or "the file"


def _key(name: str) -> str:
    plain = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if plain else f"{name[:80]!a}"


def fault_at(
    path: Path, problem: str, *, positions: Positions, hint: str = ""
) -> FleetError:
    """Make the error of one field that is in the file."""
    line, column = positions[path]
    return FleetError(
        f"{spell_path(path)}: {problem}",
        path=FLEET_FILE,
        line=line,
        column=column,
        hint=hint or "docs/gitops-yaml.md describes every key",
    )


def nearest(name: str, known: Sequence[str]) -> str:
    """Suggest the known name that was meant, or list them all."""
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"


@cache
def _validator() -> jsonschema_rs.Validator:
    return jsonschema_rs.Draft202012Validator(fleet_schema())


def check_shape(data: Json, positions: Positions) -> None:
    """Accept what has the keys and types of the schema.

    Raises:
        FleetError: the first thing that has not.
    """
    faults = [
        fault_at(path, problem, positions=positions, hint=hint)
        for error in _validator().iter_errors(data)
        for path, problem, hint in _told(error)
    ]
    if faults:
        raise min(faults, key=lambda fault: (fault.line, fault.column))


def _told(error: ValidationError) -> Iterator[tuple[Path, str, str]]:
    """Yield place, problem and hint; nothing where a checker of ours decides."""
    path: Path = tuple(error.instance_path)
    match error.kind:
        case Kind.Pattern() | Kind.PropertyNames():
            pass
        case Kind.AdditionalProperties(unexpected=names):
            known = _keys_at(error.schema_path[:-1])
            for name in names:
                yield (*path, name), "unknown key", nearest(name, known)
        case Kind.Required(property=name):
            yield path, f"the key {name} is missing", f"add {name}"
        case Kind.Type(types=types):
            yield path, _type_problem(error.instance, types), _type_hint(error, types)
        case _:
            yield _told_of_value(path, error)


def _told_of_value(path: Path, error: ValidationError) -> tuple[Path, str, str]:
    shown = _shown(error.instance)
    match error.kind:
        case Kind.Constant(expected_value=value):
            return path, f"{shown} is not known", f"this release reads {value}"
        case Kind.Enum(options=options):
            known = [str(option) for option in options]
            return path, f"{shown} is not allowed", nearest(str(error.instance), known)
        case Kind.Minimum(limit=limit):
            return path, f"{shown} is too small", f"at least {limit}"
        case Kind.Maximum(limit=limit):
            return path, f"{shown} is too large", f"at most {limit}"
        case Kind.MinItems():
            return path, "the list is empty", "name at least one"
        case Kind.UniqueItems():
            return path, "an item is there twice", "name each once"
        case Kind.OneOfNotValid() | Kind.OneOfMultipleValid():
            hint = "write allow: or deny: with a schedule"
            return path, "needs exactly one of allow and deny", hint
        case _:  # pragma: no cover  the schema uses no other keyword; a test says so
            return path, error.message, ""


def _keys_at(schema_path: Sequence[str | int]) -> list[str]:
    node = cast(Mapping[str, Json], fleet_schema())
    for part in schema_path:
        node = cast(Mapping[str, Json], node[str(part)])
    return list(cast(Mapping[str, Json], node["properties"]))


def _type_problem(instance: object, types: Sequence[str]) -> str:
    wanted = " or ".join(_TYPES.get(name, name) for name in types)
    return f"must be {wanted}, but is {_shown(instance)}"


def _type_hint(error: ValidationError, types: Sequence[str]) -> str:
    if error.instance is None:
        return "write a value, or leave the key out"
    if error.instance_path[-1:] in (["soak"], ["for"], ["within"], ["minimumAge"]):
        return "write a duration: 90m, 24h, 7d"
    scalar = not isinstance(error.instance, dict | list)
    return "put it in quotes" if scalar and types == ["string"] else ""


def _shown(instance: object) -> str:
    match instance:
        case None:
            return "empty"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case bool():
            return f"the truth value {str(instance).lower()}"
        case str():
            return f"{instance[:80]!a}"
        case _:
            return f"the number {str(instance)[:80]}"
