"""The address of a repository on Azure DevOps -> where its API is. Pure.

Microsoft's own hosts and servers of one's own write addresses differently, and leave
out the project where it is called like the repository.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from gitops.errors import InputError
from gitops.web import place_of

_CLOUD: Final = "dev.azure.com"
_OLD_CLOUD: Final = ".visualstudio.com"
_COLLECTION: Final = "DefaultCollection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where one repository is.

    Attributes:
        root: of the API of its organization or collection.
        people: of the API that knows people.
        project: name or id.
        repository: name or id.
    """

    root: str
    people: str
    project: str
    repository: str

    @property
    def page(self) -> str:
        """Address of the repository's pages."""
        return f"{self.root}/{quote(self.project)}/_git/{quote(self.repository)}"


def home_of(address: str, api: str = "") -> Home:
    """Read the address of a repository.

    Args:
        address: of its page or its clone: `.../PROJECT/_git/REPOSITORY`.
        api: root of the organization or collection; derived when empty.

    Raises:
        InputError: it names no repository.
    """
    place = place_of(address)
    before, mark, after = place.path.partition("/_git/")
    repository = unquote(after.strip("/"))
    if not mark or not repository or "/" in repository:
        raise InputError(
            "the address names no repository of Azure DevOps",
            hint="write one such as https://dev.azure.com/ORGANIZATION/PROJECT/_git/NAME",
        )
    parts = [part for part in before.split("/") if part]
    above = _above(place.host, parts)
    project = unquote(parts[len(above)]) if len(parts) > len(above) else repository
    path = "".join(f"/{part}" for part in above)
    root = api.rstrip("/") or f"{place.scheme}://{place.authority}{path}"
    return Home(
        root=root,
        people=api.rstrip("/") or _people(place.host, above) or root,
        project=project,
        repository=repository,
    )


def _above(host: str, parts: list[str]) -> list[str]:
    """Return what comes before the project: an organization, or a collection."""
    if host == _CLOUD:
        return parts[:1]
    if host.endswith(_OLD_CLOUD):
        return [part for part in parts[:1] if part == _COLLECTION]
    return parts[:-1]


def _people(host: str, above: list[str]) -> str:
    """Return where Microsoft's own hosts keep people; empty for other servers."""
    if host == _CLOUD and above:
        return f"https://vssps.{_CLOUD}/{above[0]}"
    if host.endswith(_OLD_CLOUD):
        return f"https://{host.removesuffix(_OLD_CLOUD)}.vssps{_OLD_CLOUD}"
    return ""
