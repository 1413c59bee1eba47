"""RENDER: run kustomize on overlays, in a sandbox, and give back manifests.

The only caller of kustomize. It promises that a build reads nothing but the files
that gitops.reach named, reaches no network and starts no other program; that every
build ends; and that nothing of it stays on the disk. It judges no manifest.

    renderer    overlays -> Manifests, side by side, with a cache
    sandbox     one build: a copy of the files, walls, limits
    manifests   kustomize's output -> objects
"""

from gitops.render.renderer import Renderer
from gitops.render.sandbox import LIMITS, MachineWalls, walls_here

__all__ = ["LIMITS", "MachineWalls", "Renderer", "walls_here"]
