"""The programs: git, kustomize, and the walls around kustomize."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gitops.errors import ToolError
from gitops.git import use_git
from gitops.render import Renderer, walls_here
from gitops.scaffold import read_options
from service.clock import Clock
from service.creation import plan_of, tree_of_plan
from service.doctor.checks import Check
from service.repository import kustomize_of
from service.settings import Settings

_OVERLAY: Final = "overlays/development/example"


def git(settings: Settings, _clock: Clock) -> Iterator[Check]:
    """Look for a git that is new enough."""
    program = use_git(settings.search_path)
    version = ".".join(map(str, program.version))
    yield Check.ok("git", f"git {version}")


def kustomize(settings: Settings, _clock: Clock) -> Iterator[Check]:
    """Look for a kustomize that may be used."""
    tool = kustomize_of(settings)
    inside = " (in kubectl)" if tool.is_kubectl else ""
    yield Check.ok("kustomize", f"kustomize {tool.version}{inside}")


def build(settings: Settings, _clock: Clock) -> Iterator[Check]:
    """Build an overlay as `init` makes it, within the walls."""
    try:
        tool = kustomize_of(settings)
    except ToolError:
        return  # told above
    tree = tree_of_plan(plan_of(read_options(), requested_by="doctor"))
    with tempfile.TemporaryDirectory() as scratch:
        built = Renderer(tool, Path(scratch)).render(tree, [_OVERLAY])[_OVERLAY]
    kinds = {manifest.kind for manifest in built.objects}
    if "Deployment" not in kinds:
        yield Check.problem(
            "kustomize-build",
            "a build of an overlay that has a Deployment brought none",
            "is it kustomize itself? run `directus-gitops tools install`",
        )
        return
    yield Check.ok(
        "kustomize-build", f"an overlay builds to {len(built.objects)} objects"
    )


def sandbox(_settings: Settings, _clock: Clock) -> Iterator[Check]:
    """Look which walls this machine can put around kustomize (R8)."""
    walls = walls_here()
    missing = [
        words
        for words, is_there in (
            ("its network cannot be taken away (no `unshare -n`)", walls.network),
            ("its memory cannot be limited (no `prlimit`)", walls.limits),
        )
        if not is_there
    ]
    if not missing:
        yield Check.ok("sandbox", "kustomize runs without network and within limits")
        return
    yield Check.warning(
        "sandbox",
        f"kustomize: {'; '.join(missing)}",
        "install util-linux and allow user namespaces, or limit the container itself; "
        "what a repository may reach is checked before each build all the same",
    )
