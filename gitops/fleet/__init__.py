"""gitops.yaml -> Fleet, and the published JSON Schema of that file. Pure.

Promises that a Fleet keeps every rule of docs/gitops-yaml.md; a file that breaks one
ends in an error with line, column and the field. Addresses and credentials have no
place in this file, so no key for them will ever be added here.

    schema    the shape: keys, types, defaults, words for people
    faults    what the schema finds, in our words and with a position
    order     environments as a graph
    read      text -> Fleet
"""

from gitops.fleet.order import predecessors, sources_of
from gitops.fleet.read import BUMP_GROUP, NO_HEALTH, read_fleet
from gitops.fleet.schema import API_VERSION, DEFAULT_BRANCH, DEFAULT_IMAGE, fleet_schema

__all__ = [
    "API_VERSION",
    "BUMP_GROUP",
    "DEFAULT_BRANCH",
    "DEFAULT_IMAGE",
    "NO_HEALTH",
    "fleet_schema",
    "predecessors",
    "read_fleet",
    "sources_of",
]
