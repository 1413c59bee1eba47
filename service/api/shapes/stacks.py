"""Where stacks stand, as documents."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import Field

from gitops import model
from gitops.secretnames import is_secret
from gitops.tokenshapes import token_shape
from service.api.shapes.common import Listed, Shape
from service.api.shapes.stops import Hold, Pin
from service.desk import Station, etag_of

MASKED = "***"


class Observation(Shape):
    """What one source says of a target, and since when."""

    source: str = Field(examples=["argocd"])
    health: model.Health
    version: str
    detail: str
    since: datetime
    at: datetime


class Standing(Shape):
    """One stack in one environment."""

    name: str = Field(description="Of the environment.", examples=["staging"])
    image: str = Field(examples=["directus/directus"])
    version: str = Field(examples=["12.4.1"])
    digest: str | None
    pull_request: int | None = Field(
        description="Number of the open one that changes it."
    )
    health: model.Health = Field(description="The worst that any source says.")
    hold: Hold | None
    pin: Pin | None
    observations: list[Observation]
    etag: str = Field(description="For If-Match, when its configuration is changed.")

    @classmethod
    def of(cls, station: Station) -> Standing:
        """Shape where a stack stands in one environment."""
        overlay = station.overlay
        return cls(
            name=overlay.target.environment,
            image=overlay.revision.image,
            version=overlay.revision.tag,
            digest=overlay.revision.digest,
            pull_request=station.pull_request,
            health=station.health,
            hold=None if station.hold is None else Hold.of(station.hold),
            pin=None if station.pin is None else Pin.of(station.pin),
            observations=[
                Observation(
                    source=seen.source,
                    health=seen.health,
                    version=seen.version,
                    detail=seen.detail,
                    since=seen.since,
                    at=seen.at,
                )
                for seen in station.observations
            ],
            etag=etag_of(overlay),
        )


class Stack(Shape):
    """One stack in its environments."""

    name: str = Field(examples=["example"])
    environments: list[Standing]


class Stacks(Listed):
    """Stacks by name."""

    stacks: list[Stack]


def stacks_of(stations: Iterable[Station]) -> list[Stack]:
    """Shape where every stack stands, by name."""
    by_name: dict[str, list[Standing]] = {}
    for station in stations:
        known = by_name.setdefault(station.overlay.target.stack, [])
        known.append(Standing.of(station))
    return [Stack(name=name, environments=by_name[name]) for name in sorted(by_name)]


class Config(Shape):
    """The configuration of a stack in one environment."""

    stack: str
    environment: str
    config: dict[str, str] = Field(
        description="config.env; what looks like a secret is masked.",
        examples=[{"LOG_LEVEL": "info"}],
    )
    etag: str

    @classmethod
    def of(cls, overlay: model.Overlay) -> Config:
        """Shape a configuration; nothing that looks like a secret comes out."""
        return cls(
            stack=overlay.target.stack,
            environment=overlay.target.environment,
            config={
                key: MASKED if is_secret(key, value) or token_shape(value) else value
                for key, value in sorted(overlay.config.items())
            },
            etag=etag_of(overlay),
        )
