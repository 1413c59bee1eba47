"""READ one overlay: which image, tag, digest, namespace and configuration it sets.

The only room that knows what a kustomization's ``images:`` entry looks like. It reads
and never changes; it knows nothing of what should run.

    images      the entries of any kustomization
    reading     the overlays of a fleet
"""

from gitops.overlay.images import (
    ImageEntry,
    find_image,
    image_entries,
    revision_of,
)
from gitops.overlay.reading import (
    image_named,
    kustomization_path,
    list_overlays,
    list_targets,
    read_overlay,
    read_overlays,
)

__all__ = [
    "ImageEntry",
    "find_image",
    "image_entries",
    "image_named",
    "kustomization_path",
    "list_overlays",
    "list_targets",
    "read_overlay",
    "read_overlays",
    "revision_of",
]
