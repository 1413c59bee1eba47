"""Wire a fleet to its agents: everything below agents/, from one description. Pure.

Promise: each overlay is reached exactly once by each agent, by the same names, with no
more rights than the kinds in base/ need. It knows no cluster: whoever administers the
agent applies these files, because a fence that the fenced repository could move would
be none. The texts of the two agents are in ``argocd`` and ``flux``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from gitops.errors import InputError
from gitops.layout import (
    AGENTS_FOLDER,
    BASE_FOLDER,
    COMPONENTS_FOLDER,
    KUSTOMIZATION_FILES,
    branch_name,
    check_pattern,
    environment_name,
    namespace_of,
    overlay_path,
    stack_name,
    target as checked_target,
)
from gitops.model import Target, Tree
from gitops.scaffold.argocd import argocd_files
from gitops.scaffold.flux import flux_files
from gitops.scaffold.secrets import SecretsChoice, secrets_choice
from gitops.scaffold.wiring import Kind, Place, Wiring

# For a repository whose address is not known yet; docs/agents.md says where it goes.
UNKNOWN_URL: Final = "https://git.example.com/directus/fleet.git"

_URL = re.compile(
    r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/[A-Za-z0-9._~/-]+"
    r"|ssh://(?:[a-z_][a-z0-9_-]*@)?[A-Za-z0-9.-]+(?::[0-9]{1,5})?/[A-Za-z0-9._~/-]+"
    r"|[a-z_][a-z0-9_-]*@[A-Za-z0-9.-]+:[A-Za-z0-9._~/-]+",
    re.ASCII,
)
_API_VERSION = re.compile(rb"^apiVersion: *[\"']?([a-zA-Z0-9./-]+)", re.MULTILINE)
_KIND = re.compile(rb"^kind: *[\"']?([A-Za-z0-9]+)", re.MULTILINE)
_CHOICE_KINDS: Final = {
    SecretsChoice.EXISTING: (),
    SecretsChoice.EXTERNAL_SECRETS: (
        Kind(group="external-secrets.io", kind="ExternalSecret"),
    ),
    SecretsChoice.SEALED_SECRETS: (Kind(group="bitnami.com", kind="SealedSecret"),),
    SecretsChoice.SOPS: (Kind(group="", kind="Secret"),),
}


class Agent(StrEnum):
    """Which agent's wiring is written."""

    ARGOCD = "argocd"
    FLUX = "flux"
    BOTH = "both"
    NONE = "none"


def agent_choice(value: str) -> Agent:
    """Accept an agent by name.

    Raises:
        InputError: no such agent.
    """
    try:
        return Agent(value)
    except ValueError as error:
        raise InputError(
            f"{value[:40]!a} is no agent", hint=f"use one of: {', '.join(Agent)}"
        ) from error


def agent_files(
    shipped: Tree,
    *,
    environments: Sequence[str],
    stacks: Sequence[str],
    agent: str,
    secrets: str,
    repository_url: str,
    branch: str,
    overlay_pattern: str,
    targets: Sequence[Target] | None = None,
) -> dict[str, bytes]:
    """Write every file below agents/.

    Args:
        shipped: the tree whose base/ says which kinds of objects there can be.
        environments: in promotion order.
        stacks: each has an overlay in each environment, unless targets says otherwise.
        agent: see Agent.
        secrets: see SecretsChoice.
        repository_url: where the agent finds the repository; no credentials in it.
        branch: what is deployed.
        overlay_pattern: where the overlays are.
        targets: the overlays, where not every stack is in every environment.

    Returns:
        path -> content; empty for no agent.

    Raises:
        InputError: an unknown choice, an address that an agent cannot use, two
            overlays that share a name, or a pattern that a folder cannot be told from.
    """
    chosen, choice = agent_choice(agent), secrets_choice(secrets)
    wiring = Wiring(
        url=_checked_url(repository_url),
        branch=branch_name(branch),
        pattern=_checked_pattern(overlay_pattern),
        places=_places(_targets(environments, stacks, targets), overlay_pattern),
        kinds=_kinds(shipped, choice),
        sops=choice is SecretsChoice.SOPS,
    )
    files: dict[str, str] = {}
    if chosen in (Agent.ARGOCD, Agent.BOTH):
        files |= {f"argocd/{name}": text for name, text in argocd_files(wiring).items()}
    if chosen in (Agent.FLUX, Agent.BOTH):
        files |= {f"flux/{name}": text for name, text in flux_files(wiring).items()}
    return {f"{AGENTS_FOLDER}/{name}": files[name].encode() for name in sorted(files)}


def _targets(
    environments: Sequence[str], stacks: Sequence[str], targets: Sequence[Target] | None
) -> tuple[Target, ...]:
    """List the overlays, environments in their order, stacks by name."""
    order = [environment_name(name) for name in environments]
    if targets is None:
        names = sorted(stack_name(name) for name in stacks)
        return tuple(checked_target(stack, env) for env in order for stack in names)
    for place in targets:
        if place.environment not in order:
            raise InputError(f"{place}: the environment is not one of the fleet's")
    return tuple(
        sorted(targets, key=lambda place: (order.index(place.environment), place.stack))
    )


def _places(targets: Sequence[Target], pattern: str) -> tuple[Place, ...]:
    """Give each overlay its name in the cluster, which is its namespace's."""
    taken: dict[str, Target] = {}
    for target in targets:
        other = taken.setdefault(namespace_of(target), target)
        if other != target:
            raise InputError(
                f"{other} and {target} would share the namespace "
                f"{namespace_of(target)}",
                hint="give one of the stacks another name",
            )
    return tuple(
        Place(target=target, name=name, path=overlay_path(pattern, target))
        for name, target in taken.items()
    )


def _checked_url(url: str) -> str:
    """Accept an address that both agents take, and that carries no credentials."""
    if not _URL.fullmatch(url) or ".." in url:
        raise InputError(
            "the repository's address is not one that an agent in a cluster can use",
            hint="use https://host/path or ssh://git@host/path, without a password",
        )
    return url


def _checked_pattern(pattern: str) -> str:
    check_pattern(pattern)
    fixed = pattern.replace("{environment}", "").replace("{stack}", "")
    together = any(p.count("{") > 1 for p in pattern.split("/"))
    if together or re.search(r"[^A-Za-z0-9._/-]", fixed):
        raise InputError(
            f"path pattern {pattern[:80]!a}: an agent cannot tell stack and "
            "environment apart",
            hint="give each a folder of its own, of letters, digits, '.', '_' and '-'",
        )
    return pattern


def _kinds(shipped: Tree, choice: SecretsChoice) -> tuple[Kind, ...]:
    """Find the kinds of namespaced objects that base/ can make."""
    found = {Kind(group="", kind="ConfigMap"), *_CHOICE_KINDS[choice]}
    others = tuple(
        f"{COMPONENTS_FOLDER}/{other}/" for other in SecretsChoice if other != choice
    )
    for path in shipped.paths_under(BASE_FOLDER):
        name = path.rpartition("/")[2]
        if name in KUSTOMIZATION_FILES or not name.endswith((".yaml", ".yml")):
            continue
        if not path.startswith(others):
            found |= _kinds_in(shipped.read(path))
    return tuple(sorted(found))


def _kinds_in(content: bytes) -> set[Kind]:
    """Read the kinds of a manifest file, one object a document."""
    found = set()
    for document in re.split(rb"^---.*$", content, flags=re.MULTILINE):
        version, kind = _API_VERSION.search(document), _KIND.search(document)
        if version and kind:
            group = version[1].decode().rpartition("/")[0]
            found.add(Kind(group=group, kind=kind[1].decode()))
    return found
