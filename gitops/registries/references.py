"""The name of an image -> which registry has it, and under which name. Pure.

Rule: the reference grammar of the distribution project. The first part is a host when
it has a dot or a colon or is `localhost`; else the image is Docker Hub's, and one
without a slash is in `library/` there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DOCKER_HUB: Final = "docker.io"
"""What Docker Hub is called in the names of images."""

DOCKER_HUB_URL: Final = "https://registry-1.docker.io"
"""Where its registry is."""

DOCKER_HUB_REALM: Final = "auth.docker.io"
"""Where its tokens come from: another domain than the registry's."""

_HUB_NAMES: Final = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io"})
_LIBRARY: Final = "library"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageName:
    """An image repository, parted.

    Attributes:
        host: of its registry, with a port where one is given; `docker.io` for the Hub.
        path: its name in that registry.
    """

    host: str
    path: str


def image_name(image: str) -> ImageName:
    """Part an image repository, which `gitops.versions.check_image` has accepted."""
    first, slash, rest = image.partition("/")
    if not slash or not (set(first) & set(".:") or first == "localhost"):
        first, rest = DOCKER_HUB, image
    host = first.lower()
    if host not in _HUB_NAMES:
        return ImageName(host=host, path=rest)
    path = rest if "/" in rest else f"{_LIBRARY}/{rest}"
    return ImageName(host=DOCKER_HUB, path=path)


def scope_of(path: str) -> str:
    """Name the right that reading a repository needs, and no other."""
    return f"repository:{path}:pull"
