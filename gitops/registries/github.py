"""GitHub as a source of release notes: their title, their page, their text.

Notes are for reading, so a release without any is no error, and nothing is decided by
them. What they say is hostile text; whoever shows it makes it harmless (R17).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from gitops.errors import InputError, RegistryError, WebError
from gitops.model import Json
from gitops.model.images import ReleaseNotes
from gitops.registries.access import Access, talk
from gitops.registries.verdicts import check_ok
from gitops.web import Web, place_of
from gitops.web.fields import text_at

GITHUB_URL: Final = "https://api.github.com"
DIRECTUS_REPOSITORY: Final = "directus/directus"

_REPOSITORY: Final = re.compile(r"[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}", re.ASCII)
_HEADERS: Final = {
    "Accept": "application/vnd.github+json",
    "X-GitHub-Api-Version": "2022-11-28",
}
_CAP_BYTES: Final = 2 << 20
_TITLE: Final = 200
_TEXT: Final = 4000
_NOT_FOUND: Final = 404


class GitHubNotes:
    """The release notes of one repository; may be used by many threads at once.

    Args:
        web: the client.
        access: how GitHub's API is reached.
        repository: owner and name.
        deadline_s: for each question.

    Raises:
        InputError: the name is that of no repository.
    """

    def __init__(
        self,
        web: Web,
        access: Access,
        *,
        repository: str = DIRECTUS_REPOSITORY,
        deadline_s: float = 15,
    ) -> None:
        if not _REPOSITORY.fullmatch(repository):
            raise InputError(f"{repository[:80]!a} is not OWNER/NAME")
        self._web = web
        self._access = access
        self._repository = repository
        self._deadline_s = deadline_s

    def notes(self, version: str) -> ReleaseNotes | None:
        """Return the notes of a release, whose Git tag has a leading v; None for none.

        Raises:
            InputError: the login cannot be read.
            RegistryDeniedError: no right to read them.
            RegistryUnavailableError: no answer, or it is asked too often.
            RegistryError: the answer makes no sense.
        """
        access = self._access
        login = access.login()
        shown = {} if login is None else {"Authorization": login.bearer}
        tag = quote(f"v{version}", safe="")
        answer = talk(self._web, access, self._deadline_s).send(
            "GET",
            f"{access.url}/repos/{self._repository}/releases/tags/{tag}",
            headers=_HEADERS | shown,
            allowed=replace(
                access.allowed, named=access.allowed.named | {access.place.host}
            ),
            cap_bytes=_CAP_BYTES,
        )
        if answer.status == _NOT_FOUND:
            return None
        check_ok(answer, "release notes")
        try:
            return notes_of(version, answer.json())
        except WebError:
            raise RegistryError(
                f"{answer.place.host}: its answer is not that of a release",
                hint="is this the address of GitHub's API?",
            ) from None


def notes_of(version: str, data: Json) -> ReleaseNotes | None:
    """Read one release; None of a draft, which others do not see.

    Raises:
        WebError: it is none.
    """
    url = _link(text_at(data, "html_url"))
    if not url:
        raise WebError("a release has a page")
    if isinstance(data, dict) and data.get("draft") is True:
        return None
    title = " ".join(text_at(data, "name").split())
    return ReleaseNotes(
        version=version,
        title=_cut(title, _TITLE),
        url=url,
        text=_cut(_plain(text_at(data, "body")), _TEXT),
    )


def _link(text: str) -> str:
    try:
        return text if place_of(text).scheme == "https" else ""
    except InputError:
        return ""


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3].rstrip()}..."
