"""The shape of gitops.yaml as a JSON Schema (draft 2020-12). Data only.

The reader checks keys, types, limits and words by it. The patterns are for editors:
there the library's own checkers decide, because they can say what is wrong.
"""

from __future__ import annotations

import copy
from typing import Final, cast

from gitops.layout import DEFAULT_OVERLAY_PATTERN
from gitops.model import Json

API_VERSION: Final = "directus-gitops/v1"
DEFAULT_BRANCH: Final = "main"
DEFAULT_IMAGE: Final = "directus/directus"

MAX_DURATION_S: Final = 366 * 86_400

_NAME: Final = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
_STACK: Final = "^([*]|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$"
_KEY: Final = "^[A-Za-z_][A-Za-z0-9_]*$"
_DURATION: Final = "^(0|[1-9][0-9]{0,8})[smhdw]$"
_CRON: Final = "^[0-9A-Za-z*,/#-]+( +[0-9A-Za-z*,/#-]+){4}$"
_LABEL: Final = "^[A-Za-z0-9]([A-Za-z0-9 ._:/+-]{0,48}[A-Za-z0-9])?$"
_PERSON: Final = "^[A-Za-z0-9_{][A-Za-z0-9._@/{}+:-]{0,126}$"
_IMAGE: Final = "^[A-Za-z0-9][A-Za-z0-9._:/-]{0,254}$"


def _object(
    description: str, properties: dict[str, Json], *, required: tuple[str, ...] = ()
) -> dict[str, Json]:
    found: dict[str, Json] = {
        "description": description,
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }
    if required:
        found["required"] = list(required)
    return found


def _text(description: str, pattern: str, **more: Json) -> dict[str, Json]:
    return {"description": description, "type": "string", "pattern": pattern, **more}


def _count(description: str) -> dict[str, Json]:
    return {
        "description": description,
        "type": "integer",
        "minimum": 0,
        "maximum": 20,
        "default": 0,
    }


def _people(description: str, pattern: str) -> dict[str, Json]:
    return {
        "description": description,
        "type": "array",
        "items": {"type": "string", "pattern": pattern},
        "maxItems": 20,
        "uniqueItems": True,
        "default": [],
    }


def _keys(description: str, **more: Json) -> dict[str, Json]:
    return {
        "description": description,
        "type": "array",
        "items": {"type": "string", "pattern": _KEY},
        "uniqueItems": True,
        **more,
    }


def _images(description: str, **more: Json) -> dict[str, Json]:
    return {
        "description": description,
        "type": "array",
        "items": {"type": "string", "pattern": _IMAGE},
        "uniqueItems": True,
        **more,
    }


_TIMEZONE: Final = "Name in the IANA time zone database."

_WINDOW: Final = {
    **_object(
        "One window: exactly one of allow and deny.",
        {
            "allow": _text("Promotions may open for a while from each time.", _CRON),
            "deny": _text("No promotion opens for a while from each time.", _CRON),
            "for": _text("How long: a number and one of s, m, h, d, w.", _DURATION),
            "timezone": {
                "description": f"{_TIMEZONE} Without it, that of the promotion.",
                "type": "string",
            },
        },
        required=("for",),
    ),
    "oneOf": [{"required": ["allow"]}, {"required": ["deny"]}],
}

_PROMOTION: Final = _object(
    "One way from an environment to a later one, with its gates.",
    {
        "from": _text("The environment that a revision leaves.", _NAME),
        "to": _text("The environment that it enters.", _NAME),
        "schedule": _text(
            "When the service opens it: five fields of cron; 0 and 7 are Sunday. "
            "Without it, only by request.",
            _CRON,
        ),
        "timezone": {
            "description": f"{_TIMEZONE} The schedule is read in it.",
            "type": "string",
            "default": "UTC",
        },
        "missed": {
            "description": "What happens when the service was down at the time.",
            "enum": ["skip", "run once"],
            "default": "skip",
        },
        "soak": _text(
            "How long a revision must be healthy in `from`; without health, how long "
            "ago it must have been merged there.",
            _DURATION,
            default="0s",
        ),
        "health": _text(
            "A health source in the service's settings, or none.", _NAME, default="none"
        ),
        "windows": {
            "description": "When promotions may be opened. With allow windows, one "
            "must be open; a deny window that is open wins.",
            "type": "array",
            "items": cast(Json, _WINDOW),
            "default": [],
        },
        "merge": {
            "description": "Who merges. A step between majors is never automatic.",
            "enum": ["review", "automatic"],
            "default": "review",
        },
        "approvals": _object(
            "What a merge needs.",
            {
                "count": _count("Approvals by people other than the author."),
                "go": _count("Releases by a person with the role releaser."),
            },
        ),
        "group": _text(
            "Stacks that come this way share one pull request of this name. Without "
            "it, each has its own.",
            _NAME,
        ),
        "rollback": _object(
            "When the service goes back by itself. It needs health.",
            {
                "within": _text(
                    "A promotion whose health fails in this time after the merge is "
                    "rolled back.",
                    _DURATION,
                ),
            },
            required=("within",),
        ),
    },
    required=("from", "to"),
)

_UPDATE: Final = _object(
    "Where new releases open pull requests without anybody asking.",
    {
        "environment": _text("Where they come in.", _NAME),
        "stacks": {
            "description": "Names of stacks, or * for every one of the environment.",
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "pattern": _STACK},
            "uniqueItems": True,
            "default": ["*"],
        },
        "allow": {
            "description": "A range; only versions in it. ~11 is every 11, ~11.3 every "
            "11.3, ^11.3.2 is 11 from 11.3.2 on, >=11.1 <12, 11.*; || between two.",
            "type": "string",
            "default": "*",
        },
        "ignore": {
            "description": "Ranges; no version in one of them.",
            "type": "array",
            "items": {"type": "string"},
            "uniqueItems": True,
            "default": [],
        },
        "prereleases": {
            "description": "Whether pre-releases such as 12.0.0-rc.1 count.",
            "type": "boolean",
            "default": False,
        },
        "minimumAge": _text(
            "How long a version must have been published. One whose age nobody tells "
            "waits.",
            _DURATION,
            default="0s",
        ),
        "step": {
            "description": "How far at once. A major has to be asked for.",
            "enum": ["patch", "minor", "major"],
            "default": "minor",
        },
        "source": {
            "description": "Who says which versions there are: the image's registry, "
            "or npm, which has every Directus with its date. The image's registry "
            "proves in any case that the image exists.",
            "enum": ["registry", "npm"],
            "default": "registry",
        },
        "group": _text(
            "The stacks that are updated share one pull request of this name. Without "
            "it, each has its own.",
            _NAME,
        ),
    },
    required=("environment",),
)

_SCHEMA: Final[dict[str, Json]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://raw.githubusercontent.com/directus-gitops/directus-gitops/"
    "main/docs/gitops.schema.json",
    "title": "gitops.yaml",
    **_object(
        "The fleet of one repository: environments, stacks and the rules by which "
        "revisions move. Addresses and credentials are in the service's settings.",
        {
            "apiVersion": {
                "description": "The version of this format.",
                "const": API_VERSION,
            },
            "branch": {
                "description": "The base branch, which pull requests go to.",
                "type": "string",
                "default": DEFAULT_BRANCH,
            },
            "paths": _object(
                "Where things are, for a tree that was not generated.",
                {
                    "overlay": {
                        "description": "Folder of an overlay; it holds {environment} "
                        "and {stack} once each.",
                        "type": "string",
                        "default": DEFAULT_OVERLAY_PATTERN,
                    }
                },
            ),
            "defaults": _object(
                "What holds for every stack that does not say otherwise.",
                {
                    "image": _text(
                        "Image repository, without a tag.",
                        _IMAGE,
                        default=DEFAULT_IMAGE,
                    ),
                    "carry": _keys(
                        "Keys of config.env that travel with a promotion. Names of "
                        "secrets are refused.",
                        default=[],
                    ),
                    "carryImages": _images(
                        "Names of other images: entries of an overlay whose tag and "
                        "digest travel with a promotion.",
                        default=[],
                    ),
                },
            ),
            "environments": {
                "description": "The environments, in the order in which they are "
                "shown.",
                "type": "array",
                "minItems": 1,
                "items": _object(
                    "One environment.",
                    {
                        "name": _text("Its name.", _NAME),
                        "after": {
                            "description": "The environments that it follows; a "
                            "promotion takes its revision from one of them.",
                            "type": "array",
                            "items": {"type": "string", "pattern": _NAME},
                            "uniqueItems": True,
                            "default": [],
                        },
                        "labels": _people(
                            "Labels of pull requests that change it, on forges that "
                            "have labels.",
                            _LABEL,
                        ),
                        "reviewers": _people(
                            "Who is asked to review them, as the forge names people; "
                            "at GitHub a team is org/team.",
                            _PERSON,
                        ),
                    },
                    required=("name",),
                ),
            },
            "stacks": {
                "description": "What a stack overrides. A stack exists where its "
                "overlay exists; it need not be named here.",
                "type": "object",
                "propertyNames": {"pattern": _NAME},
                "additionalProperties": _object(
                    "Overrides of one stack.",
                    {
                        "image": _text("Image repository of this stack.", _IMAGE),
                        "carry": _keys("Keys that travel, instead of the default."),
                        "carryImages": _images(
                            "Images that travel, instead of the default."
                        ),
                    },
                ),
                "default": {},
            },
            "promotions": {
                "description": "The gates of each way between two environments.",
                "type": "array",
                "items": _PROMOTION,
                "default": [],
            },
            "updates": {
                "description": "Where new releases are proposed; the first rule that "
                "covers a stack in an environment counts.",
                "type": "array",
                "items": _UPDATE,
                "default": [],
            },
        },
        required=("apiVersion", "environments"),
    ),
}


def fleet_schema() -> dict[str, Json]:
    """Return the schema that docs/gitops.schema.json publishes; a copy."""
    return copy.deepcopy(_SCHEMA)
