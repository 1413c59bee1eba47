"""One repository by variables alone -> the same values as by service.toml.

A variable is named by its table and its key: `HEALTH_URL` is `repository.health.url`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gitops.model import Json
from service.configuration.lines import Loc
from service.configuration.nouns import Lookup, RepositorySettings
from service.configuration.read import Origin, repositories_of

GROUPS: Final = ("repository_", "health_", "networks_", "registry_", "reviews_", "git_")
"""How the names of the settings begin that describe the repository."""
_MANY_DIGITS: Final = 10
_WORDS: Final[dict[str, Json]] = {"true": True, "false": False}
_LISTS: Final = frozenset({"webhook_secret", "webhook_signing_token"})


def read_variables(
    given: Mapping[str, str], *, folder: Path, lookup: Lookup
) -> tuple[RepositorySettings, ...]:
    """Read the repository that variables describe; none when none is given.

    Args:
        given: setting -> its text; an empty one is as good as none.
        folder: what relative paths start from.
        lookup: see Origin.

    Raises:
        InputError: a value breaks a rule; names the variable, without its value.
    """
    groups = [_group(given, one) for one in GROUPS]
    if not any(groups):
        return ()
    repository, health, networks, registry, reviews, git = groups
    name = repository.get("url", "").rstrip("/").rpartition("/")[2]
    described: dict[str, Json] = {
        "name": name.removesuffix(".git"),
        **{
            key: list[Json](_items(value)) if key in _LISTS else value
            for key, value in repository.items()
        },
        "git": dict[str, Json](git),
        "networks": {key: _items(value) for key, value in networks.items()},
        "reviews": {key: _plain(value) for key, value in reviews.items()},
    }
    if not described["name"]:
        del described["name"]
    if health:
        kind = health.get("kind", "")
        described["health"] = [{"name": kind, **health} if kind else dict(health)]
    if registry:
        described["registry"] = [dict(registry)]
    origin = Origin(spell=_variable, folder=folder, lookup=lookup)
    return repositories_of({"repository": [described]}, origin)


def _group(given: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {
        name.removeprefix(prefix): value
        for name, value in given.items()
        if name.startswith(prefix) and value
    }


def _plain(value: str) -> Json:
    """Read a word or a number as TOML would; anything else stays text."""
    if value.isascii() and value.isdigit() and len(value) < _MANY_DIGITS:
        return int(value)
    return _WORDS.get(value.lower(), value)


def _items(value: str) -> list[str]:
    return [item.strip() for item in value.split(",") if item.strip()]


def _variable(loc: Loc) -> str:
    """Name the variable of a field: that of `repository[0].health[0].url`."""
    names = [part for part in loc if isinstance(part, str)]
    return f"DIRECTUS_GITOPS_{'_'.join(names[-2:]).upper()}"
