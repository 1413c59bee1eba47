"""The keys of a stack's Secret, as data: what each is for, and what a new one means.

It must not hold a value. Facts about Directus: docs/secrets.md names their sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gitops.model import Json, Manifest
from gitops.secretfile import SECRET_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What a new value of a key means.

    Attributes:
        is_free: the cluster alone has to learn it. Otherwise something else keeps the
            old value, and Directus stops working until that is changed too.
        effect: what people notice.
        steps: what to do besides writing the new value, in order.
    """

    is_free: bool
    effect: str
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySpec:
    """One key of the Secret.

    Attributes:
        name: the key, which is the environment variable that carries it.
        purpose: what it is for.
        length: how many characters are made; 0 where a person must bring the value.
        beside: the key that an overlay needs too where it runs the server that learns
            the value from the same Secret; without it that server is elsewhere, has
            its value already, and a made one would be wrong. "" where there is none.
        rotation: what a new value means.
    """

    name: str
    purpose: str
    length: int = 0
    beside: str = ""
    rotation: Rotation

    @property
    def is_made(self) -> bool:
        """Whether a random value will do, where the overlay runs all that needs it."""
        return self.length > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredKey:
    """A key that an overlay's objects refer to.

    Attributes:
        spec: the key.
        is_optional: every reference to it is optional; pods start without it.
        is_made: a random value will do here.
    """

    spec: KeySpec
    is_optional: bool
    is_made: bool


# --- the keys we know ---

_PROVIDER: Final = (
    "make a second credential at the provider, which keeps the first one valid",
    "write the new value and restart the pods",
    "withdraw the first credential at the provider",
)
_ONLY_FIRST: Final = "none: it is read once, when the database is first installed"
_CHANGE_THERE: Final = ("change it in Directus itself, in the user's own page",)

_KNOWN: Final = (
    KeySpec(
        name="SECRET",
        purpose="signs sessions and tokens; one value for all pods of a stack",
        length=48,
        rotation=Rotation(
            is_free=True,
            effect="everybody is logged out; open share links and password mails end",
            steps=("restart all pods at once: old and new ones refuse each other",),
        ),
    ),
    KeySpec(
        name="DB_PASSWORD",
        purpose="Directus logs in to the database with it",
        length=40,
        beside="DB_ROOT_PASSWORD",
        rotation=Rotation(
            is_free=False,
            effect="the database keeps the old one: it reads this only when it is new",
            steps=(
                "change it in the database: ALTER USER directus, or ALTER ROLE",
                "write the new value and restart Directus and the backup's next run",
            ),
        ),
    ),
    KeySpec(
        name="DB_ROOT_PASSWORD",
        purpose="the database's administrator; Directus never sees it",
        length=40,
        rotation=Rotation(
            is_free=False,
            effect="the database keeps the old one: it reads this only when it is new",
            steps=(
                "change it in the database: ALTER USER root, or ALTER ROLE postgres",
            ),
        ),
    ),
    KeySpec(
        name="REDIS_PASSWORD",
        purpose="Directus and Redis know each other by it",
        length=40,
        rotation=Rotation(
            is_free=True,
            effect="the cache is lost; requests fail until both have restarted",
            steps=("restart Redis, then Directus",),
        ),
    ),
    KeySpec(
        name="ADMIN_EMAIL",
        purpose="the first administrator's login",
        rotation=Rotation(is_free=True, effect=_ONLY_FIRST, steps=_CHANGE_THERE),
    ),
    KeySpec(
        name="ADMIN_PASSWORD",
        purpose="the first administrator's password",
        length=32,
        rotation=Rotation(is_free=True, effect=_ONLY_FIRST, steps=_CHANGE_THERE),
    ),
    KeySpec(
        name="ADMIN_TOKEN",
        purpose="the first administrator's static token",
        length=40,
        rotation=Rotation(is_free=True, effect=_ONLY_FIRST, steps=_CHANGE_THERE),
    ),
    KeySpec(
        name="METRICS_TOKENS",
        purpose="Prometheus reads /metrics with it",
        length=40,
        rotation=Rotation(
            is_free=True,
            effect="metrics are missing until both Directus and Prometheus know it",
            steps=("restart Directus; the ServiceMonitor reads the same Secret",),
        ),
    ),
    KeySpec(
        name="LICENSE_KEY",
        purpose="the licence of Directus 12 and newer",
        rotation=Rotation(
            is_free=False,
            effect="each environment's activation belongs to one key",
            steps=("release the old activation with the vendor first",),
        ),
    ),
    KeySpec(
        name="STORAGE_S3_KEY",
        purpose="the name of the credential for the bucket of uploads",
        rotation=Rotation(is_free=False, effect="uploads fail", steps=_PROVIDER),
    ),
    KeySpec(
        name="STORAGE_S3_SECRET",
        purpose="the credential for the bucket of uploads",
        rotation=Rotation(is_free=False, effect="uploads fail", steps=_PROVIDER),
    ),
    KeySpec(
        name="EMAIL_SMTP_PASSWORD",
        purpose="Directus sends mail with it",
        rotation=Rotation(is_free=False, effect="mail stays unsent", steps=_PROVIDER),
    ),
)
_BY_NAME: Final = {spec.name: spec for spec in _KNOWN}


def known_keys() -> tuple[KeySpec, ...]:
    """Return the keys that base and components refer to."""
    return _KNOWN


def key_spec(name: str) -> KeySpec:
    """Describe a key; one that we do not know is a person's to bring."""
    return _BY_NAME.get(name) or KeySpec(
        name=name,
        purpose="added by the overlay",
        rotation=Rotation(
            is_free=False,
            effect="whatever gave it out keeps the old value",
            steps=("change it there too",),
        ),
    )


# --- which of them an overlay needs ---


def required_keys(objects: Iterable[Manifest]) -> tuple[RequiredKey, ...]:
    """Find the keys of the stack's Secret that rendered objects refer to, by name."""
    optional: dict[str, bool] = {}
    for manifest in objects:
        for name, is_optional in _references(manifest.body):
            optional[name] = optional.get(name, True) and is_optional
    return tuple(
        RequiredKey(
            spec=spec,
            is_optional=optional[spec.name],
            is_made=spec.is_made and (not spec.beside or spec.beside in optional),
        )
        for spec in map(key_spec, sorted(optional))
    )


def _references(value: Json) -> Iterator[tuple[str, bool]]:
    """Walk to every {name: <the Secret>, key: ...}, in whatever kind of object."""
    if isinstance(value, Mapping):
        key = value.get("key")
        if value.get("name") == SECRET_NAME and isinstance(key, str):
            yield key, value.get("optional") is True
        for child in value.values():
            yield from _references(child)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for child in value:
            yield from _references(child)
