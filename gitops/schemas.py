"""The official Kubernetes schemas, compiled once and handed to the rules.

The files are those inside the installed package kubernetes-validate (its strict
variants, which refuse unknown fields); its code is not used, because checking with
jsonschema-rs is several hundred times faster. Only this module reads them. It knows
shapes, not meaning: what is wrong beyond the shape is the work of gitops.validate.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Final, TypeAlias

import jsonschema_rs

from gitops.errors import InputError, ToolError
from gitops.model import Manifest

DEFAULT_VERSION: Final = "1.33"
"""A version that managed clusters still run, not the newest: stable APIs gain fields
and lose none, so what fits here fits later, and a field that is too new is found."""

_FOLDER = re.compile(r"v(\d+\.\d+)\.\d+-local-strict", re.ASCII)
_WANTED = re.compile(r"v?(\d+\.\d+)(\.\d+)?", re.ASCII)
_SHOWN_LENGTH = 60

Place: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaProblem:
    """One way in which an object breaks its schema.

    Attributes:
        path: the place for people, ``spec.ports[0].port``; empty for the object.
        message: the problem; values are shown only where they cannot be secret.
        at: the same place as keys and indexes.
    """

    path: str
    message: str
    at: Place = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSchema:
    """There is no schema for this apiVersion and kind; the caller decides.

    Attributes:
        known_as: apiVersions in which Kubernetes itself has the kind.
        is_builtin_group: whether the API group is one of Kubernetes itself.
        group_as_written: the built-in group that differs in letter case only, or "".
    """

    known_as: tuple[str, ...] = ()
    is_builtin_group: bool = False
    group_as_written: str = ""


def dotted(place: Place) -> str:
    """Write a place for people: ``spec.template.spec.containers[0].image``."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[\w-]+", part):
            text += f".{part}" if text else part
        else:
            text += f"[{part}]"
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Schemas:
    """The schemas of one Kubernetes version; a kind is compiled when first asked for.

    Attributes:
        version: the minor version, ``1.33``.
    """

    version: str
    _definitions: Mapping[str, Any]
    _registry: jsonschema_rs.Registry
    _names: Mapping[tuple[str, str], str]
    _compiled: dict[str, jsonschema_rs.Validator] = field(default_factory=dict)

    def problems(self, manifest: Manifest) -> tuple[SchemaProblem, ...] | NoSchema:
        """Compare an object with its schema, strictly.

        Returns:
            The problems sorted by place, none when it fits; or NoSchema.
        """
        name = self._names.get((manifest.api_version, manifest.kind))
        if name is None:
            return self._without_schema(manifest)
        validator = self._validator(name)
        body: Any = manifest.body
        try:
            if validator.is_valid(body):
                return ()
            found = list(validator.iter_errors(body))
        except ValueError:
            return (
                SchemaProblem(path="", message="holds a value that is no JSON value"),
            )
        is_secret = manifest.kind == "Secret"
        problems = [p for error in found for p in _problems(error, is_secret)]
        return tuple(sorted(problems, key=lambda p: (p.path, p.message)))

    def _without_schema(self, manifest: Manifest) -> NoSchema:
        group = _group(manifest.api_version)
        groups = {_group(api) for api, _ in self._names}
        known = sorted(api for api, kind in self._names if kind == manifest.kind)
        return NoSchema(
            known_as=tuple(known),
            is_builtin_group=group in groups,
            group_as_written=next(
                (known for known in groups if known == group.lower() != group), ""
            ),
        )

    def _validator(self, name: str) -> jsonschema_rs.Validator:
        if name not in self._compiled:
            base = self._definitions["$id"]
            self._compiled[name] = jsonschema_rs.validator_for(
                {
                    "$schema": self._definitions["$schema"],
                    "$ref": f"{base}#/$defs/{name}",
                },
                registry=self._registry,
            )
        return self._compiled[name]


def available_versions() -> tuple[str, ...]:
    """List the Kubernetes minor versions that can be checked, oldest first."""
    return tuple(_folders())


def load_schemas(version: str = DEFAULT_VERSION) -> Schemas:
    """Return the schemas of a Kubernetes version; the second call costs nothing.

    Args:
        version: ``1.33``, ``v1.33`` or ``1.33.4``; the patch number has no meaning.

    Raises:
        InputError: no such version here.
        ToolError: the installed schema files are damaged.
    """
    wanted = _WANTED.fullmatch(version)
    if wanted is None or wanted[1] not in _folders():
        raise InputError(
            f"no schemas for Kubernetes {version[:20]!a}",
            hint=f"choose one of {', '.join(available_versions())}",
        )
    return _load(wanted[1])


@cache
def _folders() -> dict[str, Traversable]:
    root = resources.files("kubernetes_validate").joinpath("kubernetes-json-schema")
    found = {
        match[1]: folder
        for folder in root.iterdir()
        if (match := _FOLDER.fullmatch(folder.name))
    }
    return dict(sorted(found.items(), key=lambda item: _numbers(item[0])))


@cache
def _load(version: str) -> Schemas:
    return read_definitions(version, _folders()[version] / "_definitions.json")


def read_definitions(version: str, file: Traversable) -> Schemas:
    """Read one file of schema definitions.

    Raises:
        ToolError: it is not what kubernetes-validate ships.
    """
    try:
        definitions = json.loads(file.read_bytes())
        registry = jsonschema_rs.Registry([(definitions["$id"], definitions)])
        names = {
            (_api_version(known), known["kind"]): name
            for name, schema in definitions["$defs"].items()
            for known in schema.get("x-kubernetes-group-version-kind", ())
            if "apiVersion" in schema.get("properties", {})
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ToolError(
            f"the Kubernetes schemas of version {version} cannot be read",
            hint="install the package kubernetes-validate again",
        ) from error
    return Schemas(
        version=version, _definitions=definitions, _registry=registry, _names=names
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _group(api_version: str) -> str:
    return api_version.rpartition("/")[0]


def _api_version(known: Mapping[str, str]) -> str:
    group, version = known["group"], known["version"]
    return f"{group}/{version}" if group else version


# --- words ---


def _problems(
    error: jsonschema_rs.ValidationError, is_secret: bool
) -> Iterator[SchemaProblem]:
    at: Place = tuple(error.instance_path)
    kind: Any = error.kind
    value: Any = error.instance
    match kind.name:
        case "additionalProperties":
            for name in sorted(kind.unexpected):
                yield _at((*at, name), "unknown field")
        case "required":
            yield _at(at, f"the field {kind.property} is required")
        case "type":
            wanted = [name for name in kind.types if name != "null"]
            yield _at(at, f"must be {_wanted(wanted)}, not {_shown(value, is_secret)}")
        case "oneOf":
            wanted = _choices(kind)
            yield _at(at, f"must be {_wanted(wanted)}, not {_shown(value, is_secret)}")
        case rule:
            yield _at(at, f"breaks the schema's rule {rule}")


def _at(place: Place, message: str) -> SchemaProblem:
    return SchemaProblem(path=dotted(place), message=message, at=place)


def _choices(kind: Any) -> list[str]:
    found = {
        name
        for errors in getattr(kind, "context", ())
        for error in errors
        for name in getattr(error.kind, "types", ())
    }
    return sorted(found - {"null"}) or ["one of the allowed forms"]


_WORDS: Final = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}


def _wanted(types: list[str]) -> str:
    return " or ".join(_WORDS.get(name, name) for name in types)


def _shown(value: object, is_secret: bool) -> str:
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list):
        return "a list"
    if is_secret:
        return "what it is"
    kind = {bool: "a boolean", str: "text"}.get(type(value), "a number")
    return f"{kind} {_name(str(value))}"


def _name(text: str) -> str:
    shown = text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}..."
    return ascii(shown)
