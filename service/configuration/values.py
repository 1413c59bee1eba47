"""What one value of service.toml may be, as types for its shape.

A check never shows the value: it may be a secret in the wrong place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from gitops import branch_name, environment_name
from gitops.errors import InputError
from gitops.git import check_url
from gitops.web import host_name, host_pattern, network, place_of
from service.configuration.registries import registry_host

REFUSED: Final = "refused"
"""The kind of every error that is raised here; its context has problem and hint."""

NO_SOURCE: Final = "none"
"""What a promotion rule says that asks for no health."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_PLACEHOLDER: Final = re.compile(r"\{(stack|environment|namespace)\}")
_OBJECT: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
_EVENT: Final = re.compile(r"[a-z][a-z ]{0,62}\*?|\*", re.ASCII)
_USERNAME: Final = re.compile(r"[\x21-\x39\x3b-\x7e]{0,256}", re.ASCII)
_PLATFORM: Final = re.compile(r"[a-z0-9]{1,16}(?:/[a-z0-9]{1,16}){1,2}", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_MAX_PATH: Final = 1024
_CRUD: Final = " .,:;\"\\'"
_MAX_KEYS: Final = 4  # each costs work at every delivery, and two rotate


def refused(problem: str, hint: str) -> PydanticCustomError:
    """Make the error of one value."""
    return PydanticCustomError(REFUSED, "{problem}", {"problem": problem, "hint": hint})


def _checked(check: Callable[[str], object]) -> AfterValidator:
    """Keep a text that a checker of the library accepts."""

    def validate(value: str) -> str:
        try:
            check(value)
        except InputError as error:
            raise refused(error.message, error.hint) from None
        return value

    return AfterValidator(validate)


def _repository_name(value: str) -> None:
    if not _NAME.fullmatch(value) or ".." in value:
        raise InputError(
            "is not a name", hint="use 1 to 63 of A-Z, a-z, 0-9, ., _ and -"
        )


def _source_name(value: str) -> None:
    try:
        environment_name(value)
    except InputError as error:
        raise InputError("is not a name", hint=error.hint) from None
    if value == NO_SOURCE:
        raise InputError(
            "means that a rule asks for no health", hint="call the source otherwise"
        )


def _address(value: str) -> None:
    if "?" in value:
        raise InputError("has a query", hint="leave out what begins with ?")
    place_of(value)


def _optional_address(value: str) -> None:
    if value:
        _address(value)


def _address_pattern(value: str) -> None:
    _address(_without_placeholders(value))
    host = re.sub(r"^[^:]*://", "", value).partition("/")[0]
    fixed = host.rpartition(".")[2] if "." in host else host
    if _PLACEHOLDER.search(fixed):
        raise InputError(
            "lets the names of stacks decide which host is asked",
            hint="end the host with a domain: https://{stack}.example.com",
        )


def _object_pattern(value: str) -> None:
    if value and not _OBJECT.fullmatch(_without_placeholders(value)):
        raise InputError(
            "is not the name of a Kubernetes object",
            hint="use a-z, 0-9, -, {stack}, {environment} and {namespace}",
        )


def _without_placeholders(value: str) -> str:
    bare = _PLACEHOLDER.sub("x", value)
    if "{" in bare or "}" in bare:
        raise InputError(
            "has braces around something unknown",
            hint="known: {stack}, {environment}, {namespace}",
        )
    return bare


def _reference(value: str) -> None:
    kind, _, rest = value.partition(":")
    good = (kind == "env" and _VARIABLE.fullmatch(rest)) or (
        kind == "file" and rest and _is_path(rest)
    )
    if value and not good:
        raise InputError(
            "does not say where the secret is",
            hint="write env:NAME of a variable or file:PATH; never the secret itself",
        )


def _needed_reference(value: str) -> None:
    if not value:
        raise InputError("is empty", hint="write env:NAME or file:PATH")
    _reference(value)


def _one_or_many(value: object) -> object:
    if isinstance(value, str):
        return [value] if value else []
    return value


def _not_too_many(value: list[str]) -> list[str]:
    if len(value) > _MAX_KEYS:
        raise refused(
            f"has more than {_MAX_KEYS} secrets", "keep the new one and the old one"
        )
    return value


def _sink_name(value: str) -> None:
    if not _NAME.fullmatch(value):
        raise InputError(
            "is not a name", hint="use 1 to 63 of A-Z, a-z, 0-9, ., _ and -"
        )


def _event(value: str) -> None:
    if not _EVENT.fullmatch(value):
        raise InputError(
            "is not the name of an event",
            hint="write an action of the audit trail, such as pull request merged",
        )


def _optional_registry_host(value: str) -> None:
    if value:
        registry_host(value)


def _username(value: str) -> None:
    if not _USERNAME.fullmatch(value):
        raise InputError("is not the name of a user", hint="a colon cannot be in it")


def _platform(value: str) -> None:
    if not _PLATFORM.fullmatch(value):
        raise InputError("is not a platform", hint="write linux/amd64 or linux/arm64")


def _branch(value: str) -> None:
    try:
        branch_name(value)
    except InputError as error:
        raise InputError("is not a branch name", hint=error.hint) from None


def _number(value: str) -> None:
    if value and not _DIGITS.fullmatch(value):
        raise InputError("is not a number", hint="GitHub shows it as the App ID")


def _path(value: str) -> None:
    if not _is_path(value):
        raise InputError("is not a path", hint="name a PEM file")


def _is_path(value: str) -> bool:
    return len(value) <= _MAX_PATH and (value.isprintable() or not value)


def _git_address(value: str) -> None:
    try:
        if value:
            check_url(value, allow_file=False)
    except InputError as error:
        raise InputError("is not an address for git", hint=error.hint) from None


def _person(value: str) -> None:
    if not value.isprintable() or set(value) & set("<>") or len(value) > _MAX_PATH:
        raise InputError("git cannot write it", hint="leave out < and > and line ends")
    if value != value.strip(_CRUD):
        raise InputError(
            "begins or ends with a mark that git takes away",
            hint="write it without dots, commas, colons, quotes and blanks at its ends",
        )


def _reachable(value: str) -> None:
    if network(value) is None:
        host_pattern(value)


# --- types ---

AddressPattern: TypeAlias = Annotated[str, _checked(_address_pattern)]
BranchText: TypeAlias = Annotated[str, _checked(_branch)]
EventText: TypeAlias = Annotated[str, _checked(_event)]
HostName: TypeAlias = Annotated[str, _checked(host_name)]
GitAddress: TypeAlias = Annotated[str, _checked(_git_address)]
NeededReference: TypeAlias = Annotated[str, _checked(_needed_reference)]
NumberText: TypeAlias = Annotated[str, _checked(_number)]
ObjectPattern: TypeAlias = Annotated[str, _checked(_object_pattern)]
OptionalAddress: TypeAlias = Annotated[str, _checked(_optional_address)]
OptionalRegistryHost: TypeAlias = Annotated[str, _checked(_optional_registry_host)]
PathText: TypeAlias = Annotated[str, _checked(_path)]
PersonText: TypeAlias = Annotated[str, _checked(_person)]
PlatformText: TypeAlias = Annotated[str, _checked(_platform)]
Reachable: TypeAlias = Annotated[str, _checked(_reachable)]
Reference: TypeAlias = Annotated[str, _checked(_reference)]
RepositoryName: TypeAlias = Annotated[str, _checked(_repository_name)]
SinkName: TypeAlias = Annotated[str, _checked(_sink_name)]
SourceName: TypeAlias = Annotated[str, _checked(_source_name)]
Username: TypeAlias = Annotated[str, _checked(_username)]
References: TypeAlias = Annotated[
    list[NeededReference],
    BeforeValidator(_one_or_many),
    AfterValidator(_not_too_many),
]
