"""What both agents are told: the same fleet, in one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gitops.model import EnvironmentName, Target
from gitops.yamltext import Style, scalar_text

# One name for all that an agent keeps for this repository.
FLEET_NAME: Final = "directus-gitops"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Kind:
    """A kind of Kubernetes object; the group is "" for the core."""

    group: str
    kind: str

    @property
    def resource(self) -> str:
        """Its name in RBAC rules: lower case, plural."""
        name = self.kind.lower()
        if name.endswith("s"):
            return f"{name}es"
        return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One overlay.

    Attributes:
        target: its stack and environment.
        name: `<stack>-<environment>`: its namespace, and its name with the agent.
        path: its folder in the repository.
    """

    target: Target
    name: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """A fleet as its agents see it.

    Attributes:
        url: the repository's address.
        branch: what is deployed.
        pattern: where overlays are, with {environment} and {stack}.
        places: every overlay, in the order of the environments.
        kinds: the namespaced kinds that may be applied, sorted.
        sops: encrypted Secrets are to be decrypted.
    """

    url: str
    branch: str
    pattern: str
    places: tuple[Place, ...]
    kinds: tuple[Kind, ...]
    sops: bool

    def environments(self) -> tuple[EnvironmentName, ...]:
        """Name the environments that have an overlay, in their order."""
        return tuple(dict.fromkeys(place.target.environment for place in self.places))


def scalar(value: str) -> str:
    """Write a text as YAML, quoted where a reader might take it for something else."""
    return scalar_text(value, like=Style.PLAIN)
