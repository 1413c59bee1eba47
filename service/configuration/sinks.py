"""Who is told what happened: the sinks of service.toml, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gitops.web import Allowed
from service.configuration.nouns import NOTHING, Credential

EVERY: Final = "*"


class SinkKind(StrEnum):
    """In which form a sink is told."""

    WEBHOOK = "webhook"
    SLACK = "slack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """Someone who is told what happened.

    Attributes:
        name: of its cursor and its metrics.
        kind: see SinkKind.
        url: where its address is; whoever knows that may post, so it is a secret.
        secret: signs what a webhook is told; None to sign nothing.
        events: actions of the audit trail, or their beginnings with a star; empty
            for all.
        repositories: their names; empty for all.
        allowed: what may be reached; the host of `url` is added when it is used.
    """

    name: str
    kind: SinkKind
    url: Credential
    secret: Credential | None = None
    events: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    allowed: Allowed = NOTHING

    def wants(self, action: str, repository: str) -> bool:
        """Whether it is to be told of an entry of the audit trail."""
        is_ours = not self.repositories or repository in self.repositories
        return is_ours and (
            not self.events or any(_fits(event, action) for event in self.events)
        )


def _fits(event: str, action: str) -> bool:
    if event.endswith(EVERY):
        return action.startswith(event.removesuffix(EVERY))
    return action == event
