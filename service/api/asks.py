"""The bodies of requests about stacks: each holds what is asked and nothing else."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from service.api.words import NAME, Name, Reason, Strict, Version

EVERY: Final = "*"
Key = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200)
]
Value = Annotated[
    str,
    StringConstraints(pattern=r"^[^\x00-\x08\x0a-\x1f\x7f-\x9f]*$", max_length=4000),
]


class Bump(Strict):
    """Another version."""

    version: Version
    reason: Reason = ""


class Promote(Strict):
    """The version of an environment before."""

    source: Name | None = Field(
        default=None,
        alias="from",
        description="Needed where the environment follows several others.",
        examples=["development"],
    )
    reason: Reason = ""


class Rollback(Strict):
    """A version that ran here before."""

    version: Version | None = Field(
        default=None,
        description="Null: the last one that was healthy.",
        examples=["12.4.0"],
    )
    accept_data_risk: bool = Field(
        default=False,
        description="Although the database has been migrated past that version.",
    )
    reason: Reason = ""


_MANY: Final = 10_000


def _each_once(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _every_or_names(names: list[str]) -> list[str]:
    if EVERY in names and names != [EVERY]:
        raise PydanticCustomError("input", '"*" stands alone, or names do')
    return _each_once(names)


Stacklist = Annotated[
    list[Annotated[str, StringConstraints(pattern=rf"^\*$|{NAME}", max_length=63)]],
    Field(min_length=1, max_length=_MANY),
    AfterValidator(_every_or_names),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "array",
                    "items": {"type": "string", "const": EVERY},
                    "minItems": 1,
                    "maxItems": 1,
                },
                {
                    "type": "array",
                    "items": {"type": "string", "pattern": NAME, "maxLength": 63},
                    "minItems": 1,
                    "maxItems": _MANY,
                },
            ]
        }
    ),
]


class Bumps(Strict):
    """Another version for many stacks: a pull request for each environment."""

    version: Version
    environments: Annotated[list[Name], AfterValidator(_each_once)] = Field(
        min_length=1, max_length=100, examples=[["development"]]
    )
    stacks: Stacklist = Field(
        description='Names, or "*" alone for every stack.', examples=[["*"]]
    )
    reason: Reason = ""


class Configure(Strict):
    """Other values of config.env."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={
            "examples": [{"set": {"LOG_LEVEL": "debug"}, "unset": ["CACHE_TTL"]}],
            "anyOf": [
                {"required": ["set"], "properties": {"set": {"minProperties": 1}}},
                {"required": ["unset"], "properties": {"unset": {"minItems": 1}}},
            ],
        },
    )

    wanted: dict[Key, Value] = Field(
        default_factory=dict, alias="set", max_length=200, description="Key to value."
    )
    unset: list[Key] = Field(
        default_factory=list, max_length=200, description="Keys to remove."
    )
    reason: Reason = ""

    @model_validator(mode="after")
    def _names_a_key(self) -> Self:
        if not self.wanted and not self.unset:
            raise PydanticCustomError("input", "no key is named in set or unset")
        return self
