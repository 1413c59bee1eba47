"""The npm registry as a list of releases: versions, when they came, what is deprecated.

Directus is published there under the very versions that its images have as tags. Rule:
the registry's package metadata; only its full form has the times. A version that was
taken back is still among the times, so only what is among the versions counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from gitops.errors import InputError, RegistryError, WebError
from gitops.model import Json
from gitops.model.images import Release
from gitops.registries.access import Access, talk
from gitops.registries.manifests import moment
from gitops.registries.verdicts import check_ok
from gitops.web import Web
from gitops.web.fields import mapping_at

NPM_URL: Final = "https://registry.npmjs.org"
DIRECTUS_PACKAGE: Final = "directus"

_PACKAGE: Final = re.compile(
    r"(?:@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*", re.ASCII
)
_CAP_BYTES: Final = 64 << 20  # some megabytes for a package with a thousand versions
_MAX_VERSIONS: Final = 20_000
_MAX_PACKAGE: Final = 214
_WORDS: Final = 300


class NpmReleases:
    """The releases of one package; may be used by many threads at once.

    Args:
        web: the client.
        access: how the registry is reached.
        package: its name.
        deadline_s: for each question.

    Raises:
        InputError: the name is that of no package.
    """

    def __init__(
        self,
        web: Web,
        access: Access,
        *,
        package: str = DIRECTUS_PACKAGE,
        deadline_s: float = 60,
    ) -> None:
        if len(package) > _MAX_PACKAGE or not _PACKAGE.fullmatch(package):
            raise InputError(f"{package[:80]!a} is not the name of a package")
        self._web = web
        self._access = access
        self._package = package
        self._deadline_s = deadline_s

    def releases(self) -> tuple[Release, ...]:
        """Return every version of the package, in the registry's order.

        Raises:
            InputError: the login cannot be read.
            RegistryDeniedError: no right to read it.
            RegistryUnavailableError: no answer, or it is asked too often.
            RegistryError: it is not there, or the answer makes no sense.
        """
        access = self._access
        login = access.login()
        allowed = replace(
            access.allowed, named=access.allowed.named | {access.place.host}
        )
        answer = talk(self._web, access, self._deadline_s).send(
            "GET",
            f"{access.url}/{quote(self._package, safe='@')}",
            headers={} if login is None else {"Authorization": login.bearer},
            allowed=allowed,
            cap_bytes=_CAP_BYTES,
        )
        check_ok(answer, "the package")
        try:
            return releases_of(answer.json())
        except WebError:
            raise RegistryError(
                f"{answer.place.host}: its answer is not that of a package",
                hint="is this the address of an npm registry?",
            ) from None


def releases_of(data: Json) -> tuple[Release, ...]:
    """Read a package's metadata.

    Raises:
        WebError: it is none.
    """
    versions = mapping_at(data, "versions")
    if not versions:
        raise WebError("a package has versions")
    times = mapping_at(data, "time")
    return tuple(
        _release(name, mapping_at(versions, name), times.get(name))
        for name in [*versions][:_MAX_VERSIONS]
    )


def _release(name: str, fields: Mapping[str, Json], at: Json) -> Release:
    deprecated = fields.get("deprecated")
    reason = deprecated if isinstance(deprecated, str) else ""
    return Release(
        version=name,
        published_at=moment(at) if isinstance(at, str) else None,
        # An empty text takes a deprecation back; true is one without a reason.
        deprecated=reason[:_WORDS] or ("deprecated" if deprecated is True else ""),
    )
