"""Which files a kustomize build reads: all of them, named before anything runs (R8).

The front door: ``reached`` follows a folder's kustomization through bases, components,
patches and generators, and answers with paths of this repository or with RenderError.
What it lists is all that a build may need; what it refuses, kustomize would have
fetched, run or read from somewhere else. It runs nothing and writes nothing.

    references    what one kustomization file points to
    paths         a value of such a field -> a path of this repository
    walk          from folder to folder, with limits
"""

from gitops.reach.walk import Memory, prefetch, reached

__all__ = ["Memory", "prefetch", "reached"]
