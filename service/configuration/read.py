"""Text of service.toml -> repositories. Reads no other file and no variable.

Promises one error, of the first fault, with file, line where it can be told, field and
hint; never with a value. Certificates and secrets are read when they are used.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gitops.errors import InputError
from gitops.model import Json
from gitops.web import Allowed, network, place_of
from service.configuration.gitaccess import git_host, git_of
from service.configuration.lines import Loc, key_lines
from service.configuration.nouns import (
    Credential,
    ForgeKind,
    HealthSource,
    Lookup,
    Networks,
    RepositorySettings,
    ReviewSettings,
    SourceKind,
    TextFile,
    WebhookSecrets,
    credential_of,
)
from service.configuration.registries import (
    RegistryKind,
    RegistrySettings,
    default_realms,
    default_url,
    registry_host,
)
from service.configuration.shape import (
    FileShape,
    GitShape,
    HealthShape,
    NetworksShape,
    NotifyShape,
    RegistryShape,
    RepositoryShape,
    ReviewsShape,
)
from service.configuration.sinks import Sink, SinkKind
from service.configuration.values import REFUSED

_MAX_BYTES: Final = 1 << 20
_MAX_KEY: Final = 32  # a longer one may be anything
_WHERE: Final = re.compile(r"\(at line ([0-9]+), column ([0-9]+)\)")
_DOCUMENTED: Final = "docs/settings.md describes every key"
_TYPES: Final = {
    "string_type": "must be a text",
    "list_type": "must be a list",
    "model_type": "must be a table",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "greater_than_equal": "is too small",
    "less_than_equal": "is too large",
}
_APPLICATIONS: Final = {SourceKind.DEPLOYMENT: "directus"}
_NAMESPACES: Final = {
    SourceKind.FLUX: "flux-system",
    SourceKind.DEPLOYMENT: "{namespace}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where settings were written.

    Attributes:
        spell: names the place of a field, for people.
        folder: what relative paths start from.
        lookup: reads an environment variable, when a credential is used.
    """

    spell: Callable[[Loc], str]
    folder: Path
    lookup: Lookup = field(repr=False)


def read_configuration(
    text: bytes, *, name: str, folder: Path, lookup: Lookup
) -> tuple[RepositorySettings, ...]:
    """Read service.toml.

    Args:
        text: of the file.
        name: of the file, for errors.
        folder: of the file.
        lookup: see Origin.

    Raises:
        InputError: it is no TOML, or breaks a rule.
    """
    data = _parsed(text, name)
    return repositories_of(data, _origin_of(text, name, folder, lookup))


def read_sinks(
    text: bytes, *, name: str, folder: Path, lookup: Lookup
) -> tuple[Sink, ...]:
    """Read who is told, of the same file; see read_configuration.

    Raises:
        InputError: it is no TOML, or breaks a rule.
    """
    data = _parsed(text, name)
    origin = _origin_of(text, name, folder, lookup)
    shapes = _shape_of(data, origin).notify
    _check_names([item.name for item in shapes], ("notify",), origin)
    return tuple(
        _sink(item, ("notify", index), origin) for index, item in enumerate(shapes)
    )


def _origin_of(text: bytes, name: str, folder: Path, lookup: Lookup) -> Origin:
    lines = key_lines(text)

    def spell(loc: Loc) -> str:
        line = lines.get(loc) or lines.get(loc[:-1]) or 0
        return f"{name}{f':{line}' if line else ''}: {_spelled(loc)}"

    return Origin(spell=spell, folder=folder, lookup=lookup)


def repositories_of(
    data: Mapping[str, Json], origin: Origin
) -> tuple[RepositorySettings, ...]:
    """Make repositories of plain data in the shape of the file.

    Raises:
        InputError: it breaks a rule.
    """
    shape = _shape_of(data, origin)
    _check_names([item.name for item in shape.repository], ("repository",), origin)
    return tuple(
        _repository(item, ("repository", index), origin)
        for index, item in enumerate(shape.repository)
    )


def _shape_of(data: Mapping[str, Json], origin: Origin) -> FileShape:
    try:
        return FileShape.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise _fault(first, origin) from None


# --- from shapes to values ---


def _repository(shape: RepositoryShape, loc: Loc, origin: Origin) -> RepositorySettings:
    if (shape.forge is ForgeKind.EMBEDDED) != (not shape.url):
        raise InputError(
            f"{origin.spell((*loc, 'url'))}: does not go with the forge",
            hint="a forge elsewhere needs an address, and the embedded one has none",
        )
    _check_names([item.name for item in shape.health], (*loc, "health"), origin)
    if shape.app_id and shape.forge is not ForgeKind.GITHUB:
        raise InputError(
            f"{origin.spell((*loc, 'app_id'))}: does not go with the forge",
            hint="only GitHub has Apps; elsewhere `credential` is a token",
        )
    named = frozenset(place_of(url).host for url in (shape.url, shape.api) if url)
    networks = _networks(shape.networks, named | git_host(shape.git))
    return RepositorySettings(
        name=shape.name,
        url=shape.url.rstrip("/"),
        forge=shape.forge,
        api=shape.api.rstrip("/"),
        branch=shape.branch,
        app_id=shape.app_id,
        credential=credential_of(
            shape.credential,
            place=origin.spell((*loc, "credential")),
            folder=origin.folder,
            lookup=origin.lookup,
        ),
        ca=_ca(shape.ca, (*loc, "ca"), origin),
        git=git_of(
            shape.git,
            is_embedded=shape.forge is ForgeKind.EMBEDDED,
            spell=lambda key: origin.spell((*loc, "git", key)),
            folder=origin.folder,
            lookup=origin.lookup,
        ),
        networks=networks,
        health=tuple(
            _source(item, networks.health, (*loc, "health", index), origin)
            for index, item in enumerate(shape.health)
        ),
        webhooks=_webhooks(shape, loc, origin),
        reviews=ReviewSettings(**shape.reviews.model_dump()),
        registries=_registries(shape, networks.registry, loc, origin),
    )


def _registries(
    shape: RepositoryShape, allowed: Allowed, loc: Loc, origin: Origin
) -> tuple[RegistrySettings, ...]:
    found: dict[tuple[RegistryKind, str], RegistrySettings] = {}
    for index, item in enumerate(shape.registry):
        here = (*loc, "registry", index)
        registry = _registry(item, allowed, here, origin)
        if (registry.kind, registry.host) in found:
            raise InputError(
                f"{origin.spell((*here, 'host'))}: is there twice",
                hint="one table for each host, one for npm and one for GitHub",
            )
        found[registry.kind, registry.host] = registry
    return tuple(found.values())


def _registry(
    shape: RegistryShape, allowed: Allowed, loc: Loc, origin: Origin
) -> RegistrySettings:
    if (shape.kind is RegistryKind.IMAGES) != bool(shape.host):
        raise InputError(
            f"{origin.spell((*loc, 'host'))}: does not go with the kind",
            hint="images need the host that their names begin with, the others none",
        )
    host = registry_host(shape.host) if shape.host else ""
    return RegistrySettings(
        kind=shape.kind,
        host=host,
        url=shape.url.rstrip("/") or default_url(shape.kind, host),
        username=shape.username,
        credential=credential_of(
            shape.credential,
            place=origin.spell((*loc, "credential")),
            folder=origin.folder,
            lookup=origin.lookup,
        ),
        ca=_ca(shape.ca, (*loc, "ca"), origin),
        realms=default_realms(shape.kind, host) | {r.lower() for r in shape.realms},
        platforms=tuple(shape.platforms),
        pin=shape.pin,
        allowed=allowed,
    )


def _webhooks(shape: RepositoryShape, loc: Loc, origin: Origin) -> WebhookSecrets:
    plain, signing = "webhook_secret", "webhook_signing_token"
    if shape.forge is ForgeKind.EMBEDDED and shape.webhook_secret:
        raise InputError(
            f"{origin.spell((*loc, plain))}: does not go with the forge",
            hint="the embedded forge is in this process and sends no webhooks",
        )
    if shape.forge is not ForgeKind.GITLAB and shape.webhook_signing_token:
        raise InputError(
            f"{origin.spell((*loc, signing))}: does not go with the forge",
            hint="only GitLab has signing tokens; use webhook_secret",
        )
    return WebhookSecrets(
        plain=_credentials(shape.webhook_secret, (*loc, plain), origin),
        signing=_credentials(shape.webhook_signing_token, (*loc, signing), origin),
    )


def _credentials(
    references: list[str], loc: Loc, origin: Origin
) -> tuple[Credential, ...]:
    found = (
        credential_of(
            reference,
            place=origin.spell(loc),
            folder=origin.folder,
            lookup=origin.lookup,
        )
        for reference in references
    )
    return tuple(credential for credential in found if credential is not None)


def _source(
    shape: HealthShape, allowed: Allowed, loc: Loc, origin: Origin
) -> HealthSource:
    return HealthSource(
        name=shape.name,
        kind=shape.kind,
        url=shape.url.rstrip("/"),
        credential=credential_of(
            shape.credential,
            place=origin.spell((*loc, "credential")),
            folder=origin.folder,
            lookup=origin.lookup,
        ),
        ca=_ca(shape.ca, (*loc, "ca"), origin),
        application=shape.application
        or _APPLICATIONS.get(shape.kind, "{stack}-{environment}"),
        namespace=shape.namespace or _NAMESPACES.get(shape.kind, ""),
        allowed=allowed,
    )


def _sink(shape: NotifyShape, loc: Loc, origin: Origin) -> Sink:
    url, secret = (
        credential_of(
            reference,
            place=origin.spell((*loc, key)),
            folder=origin.folder,
            lookup=origin.lookup,
        )
        for key, reference in (("url", shape.url), ("secret", shape.secret))
    )
    if url is None or (secret is not None and shape.kind is not SinkKind.WEBHOOK):
        raise InputError(
            f"{origin.spell((*loc, 'secret'))}: does not go with the kind",
            hint="Slack reads no signature: leave it out",
        )
    return Sink(
        name=shape.name,
        kind=shape.kind,
        url=url,
        secret=secret,
        events=tuple(shape.events),
        repositories=tuple(shape.repositories),
        allowed=_allowed(shape.networks),
    )


def _ca(path: str, loc: Loc, origin: Origin) -> TextFile | None:
    if not path:
        return None
    return TextFile(path=origin.folder / path, place=origin.spell(loc))


def _networks(shape: NetworksShape, forge: frozenset[str]) -> Networks:
    return Networks(
        health=_allowed(shape.health),
        forge=_allowed(shape.forge, named=forge),
        registry=_allowed(shape.registry),
    )


def _allowed(items: list[str], named: frozenset[str] = frozenset()) -> Allowed:
    found = {item: network(item) for item in items}
    return Allowed(
        named=named,
        hosts=frozenset(item.lower() for item, net in found.items() if net is None),
        networks=tuple(net for net in found.values() if net is not None),
    )


def _check_names(names: list[str], loc: Loc, origin: Origin) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InputError(
                f"{origin.spell((*loc, index, 'name'))}: is there twice",
                hint="give each a name of its own",
            )


# --- faults ---


def _parsed(text: bytes, name: str) -> dict[str, Json]:
    if len(text) > _MAX_BYTES:
        raise InputError(f"{name}: has more than {_MAX_BYTES} bytes", hint=_DOCUMENTED)
    try:
        return tomllib.loads(text.decode())
    except tomllib.TOMLDecodeError as error:
        # Not in its words: they may quote what stands there.
        found = _WHERE.search(str(error))
        place = f"{name}:{found[1]}:{found[2]}" if found else name
        raise InputError(f"{place}: is not TOML", hint=_DOCUMENTED) from None
    except (UnicodeDecodeError, RecursionError):
        raise InputError(f"{name}: is not TOML in UTF-8", hint=_DOCUMENTED) from None


def _fault(error: ErrorDetails, origin: Origin) -> InputError:
    loc = error["loc"]
    problem, hint = _told(error, loc)
    return InputError(f"{origin.spell(loc)}: {problem}", hint=hint or _DOCUMENTED)


def _told(error: ErrorDetails, loc: Loc) -> tuple[str, str]:
    kind, context = error["type"], error.get("ctx", {})
    if kind == REFUSED:
        return context["problem"], context["hint"]
    if kind == "missing":
        return "is missing", f"add {loc[-1]}"
    if kind == "extra_forbidden":
        return "unknown key", _nearest(str(loc[-1]), _keys_at(loc[:-1]))
    if kind == "enum":
        return "is not one that we know", f"known: {context.get('expected', '')}"
    return _TYPES.get(kind, "has the wrong type"), ""


def _keys_at(loc: Loc) -> list[str]:
    shapes: dict[str, type[BaseModel]] = {
        "repository": RepositoryShape,
        "git": GitShape,
        "networks": NetworksShape,
        "reviews": ReviewsShape,
        "health": HealthShape,
        "registry": RegistryShape,
        "notify": NotifyShape,
    }
    tables = [part for part in loc if isinstance(part, str)]
    return list((shapes[tables[-1]] if tables else FileShape).model_fields)


def _nearest(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"


def _spelled(loc: Loc) -> str:
    text = "".join(
        f"[{part}]" if isinstance(part, int) else f".{_shown(part)}" for part in loc
    )
    return text.removeprefix(".")


def _shown(key: str) -> str:
    plain = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if plain and len(key) <= _MAX_KEY else "..."
