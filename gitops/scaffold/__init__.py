"""PLAN the files of a new repository, stack or environment. Pure.

Promise: the same options give the same bytes, every overlay builds as it stands, and no
secret is among them. It writes nothing itself, and base/ is copied, never made.

    options     the choices of `init`, checked
    overlays    one overlay
    fleetfile   gitops.yaml
    agents      everything below agents/ (argocd, flux, wiring)
    secrets     what an overlay adds for each way to keep secrets
    readme      the repository's README
    generated   the record of how it was made
    linemerge   generated files with hand edits
    plans       all of it together
"""

from gitops.scaffold.agents import Agent, agent_files
from gitops.scaffold.generated import (
    Generated,
    read_generated,
    record_of,
    write_generated,
)
from gitops.scaffold.options import (
    Cache,
    Choices,
    Database,
    Options,
    Platform,
    Storage,
    read_options,
)
from gitops.scaffold.overlays import overlay_files
from gitops.scaffold.plans import plan_add_environment, plan_add_stack, plan_init
from gitops.scaffold.secrets import SecretsChoice

__all__ = [
    "Agent",
    "Cache",
    "Choices",
    "Database",
    "Generated",
    "Options",
    "Platform",
    "SecretsChoice",
    "Storage",
    "agent_files",
    "overlay_files",
    "plan_add_environment",
    "plan_add_stack",
    "plan_init",
    "read_generated",
    "read_options",
    "record_of",
    "write_generated",
]
