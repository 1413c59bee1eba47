"""The environments as a graph: who follows whom. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from gitops.model import EnvironmentName, Fleet

Edges = Mapping[EnvironmentName, Iterable[EnvironmentName]]
"""environment -> the environments that it follows."""


def predecessors(fleet: Fleet, name: EnvironmentName) -> tuple[EnvironmentName, ...]:
    """Return the environments that one follows, as `after` names them."""
    found = fleet.environment(name)
    return found.after if found else ()


def sources_of(fleet: Fleet, name: EnvironmentName) -> tuple[EnvironmentName, ...]:
    """Return every environment that a promotion may come from.

    These are the ones in `after`, and those of a promotion rule, in that order.
    """
    ruled = (rule.source for rule in fleet.promotions if rule.target == name)
    return tuple(dict.fromkeys((*predecessors(fleet, name), *ruled)))


def find_cycle(edges: Edges) -> tuple[EnvironmentName, ...]:
    """Return one cycle, each environment followed by the next, the first one twice.

    Empty when there is none.
    """
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return tuple(error.args[1])
    return ()


def follows(edges: Edges, name: EnvironmentName, other: EnvironmentName) -> bool:
    """Whether an environment comes after another one, near or far."""
    seen: set[EnvironmentName] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current == other:
            return True
        if current not in seen:
            seen.add(current)
            waiting.extend(edges.get(current, ()))
    return False
