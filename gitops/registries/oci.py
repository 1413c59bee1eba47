"""Ask a registry which tags there are, and what a tag stands for.

Rule: OCI distribution specification 1.1. It only reads. Promises: a listing is whole or
an error; "no such image" is only what the registry says so itself (`verdicts`); a
manifest is asked for once, after that only whether it is still the same, by HEAD, which
Docker Hub does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Final

from gitops.errors import InputError, RegistryError, WebError
from gitops.model.images import Image
from gitops.registries.access import Access, Talk
from gitops.registries.asking import Line
from gitops.registries.manifests import (
    Configuration,
    Index,
    Single,
    configuration_of,
    digest_told,
    document_of,
)
from gitops.registries.verdicts import check_ok, is_absent
from gitops.versions import check_digest, check_image, check_tag
from gitops.web import Answer, Web
from gitops.web.fields import texts_at

_MAX_TAGS: Final = 50_000
_MAX_KNOWN: Final = 1024
_FIRST_CHOICE: Final = "linux/amd64"
_NOTHING: Final = Configuration(platform="", created_at=None)
_OK: Final = 200


class ImageRegistry:
    """One registry; may be used by many threads at once.

    Args:
        web: the client.
        access: how the registry is reached.
        deadline_s: for each question, whatever it takes.
    """

    def __init__(self, web: Web, access: Access, *, deadline_s: float = 30) -> None:
        self._line = Line(web, access)
        self._deadline_s = deadline_s
        self._known: dict[tuple[str, str], Image] = {}

    @property
    def remaining(self) -> int | None:
        """Pulls that are left in its window, as it last said; None if it does not."""
        return self._line.remaining

    def tags(self, repository: str) -> tuple[str, ...]:
        """Return every tag of a repository, in the registry's order.

        Args:
            repository: its name in this registry, such as directus/directus.

        Raises:
            InputError: the name is none, or the login cannot be read.
            RegistryDeniedError: no right to read it.
            RegistryUnavailableError: no answer, or it is asked too often.
            RegistryError: there is no such repository, the answer makes no sense, its
                pages lead elsewhere, or there are too many.
        """
        _check_repository(repository)
        found: dict[str, None] = {}
        talking = self._line.talk(self._deadline_s)
        for answer in self._line.pages(talking, repository):
            if is_absent(answer):
                raise RegistryError(f"{answer.place.host}: has no {repository}")
            check_ok(answer, "the list of tags")
            found |= dict.fromkeys(_tags_of(answer))
            if len(found) > _MAX_TAGS:
                raise RegistryError(
                    f"{answer.place.host}: lists more than {_MAX_TAGS} tags"
                )
        return tuple(found)

    def resolve(self, repository: str, reference: str) -> Image | None:
        """Return what a tag or a digest stands for.

        Args:
            repository: its name in this registry.
            reference: a tag or a digest.

        Returns:
            None only when the registry says that there is no such image.

        Raises:
            InputError: a name is none, or the login cannot be read.
            RegistryDeniedError: no right to read it.
            RegistryUnavailableError: no answer, or it is asked too often.
            RegistryError: the answer makes no sense; never "it does not exist".
        """
        _check_repository(repository)
        is_digest = ":" in reference
        (check_digest if is_digest else check_tag)(reference)
        talking = self._line.talk(self._deadline_s)
        known = self._known.get((repository, reference))
        if known is not None and (
            is_digest or self._is_still(talking, repository, reference, known)
        ):
            return known
        answer = self._line.manifest(talking, repository, reference)
        if is_absent(answer):
            return None
        check_ok(answer, "an image")
        image = self._described(talking, repository, answer)
        if is_digest and image.digest != reference:
            raise RegistryError(
                f"{answer.place.host}: its manifest is not what was asked for"
            )
        self._remember(repository, (reference, image.digest), image)
        return image

    def _is_still(
        self, talking: Talk, repository: str, reference: str, known: Image
    ) -> bool:
        """Whether a tag stands for what it did."""
        answer = self._line.manifest(talking, repository, reference, method="HEAD")
        return answer.status == _OK and digest_told(answer) == known.digest

    def _remember(
        self, repository: str, references: tuple[str, ...], image: Image
    ) -> None:
        if len(self._known) > _MAX_KNOWN:
            self._known.clear()
        for reference in references:
            self._known[repository, reference] = image

    def _described(self, talking: Talk, repository: str, answer: Answer) -> Image:
        document = document_of(answer)
        match document:
            case Single(digest=digest, created_at=created):
                told = self._configuration(talking, repository, document)
                return Image(
                    digest=digest,
                    platforms=(told.platform,) if told.platform else (),
                    created_at=created or told.created_at,
                )
            case Index(digest=digest, children=children, created_at=created):
                return Image(
                    digest=digest,
                    platforms=tuple(sorted({child.platform for child in children})),
                    created_at=created or self._built(talking, repository, document),
                )

    def _built(self, talking: Talk, repository: str, index: Index) -> datetime | None:
        """Return when an index was built: when one of its images was."""
        ranked = sorted(index.children, key=lambda one: one.platform != _FIRST_CHOICE)
        if not ranked:
            return None
        answer = self._line.manifest(talking, repository, ranked[0].digest)
        check_ok(answer, "an image of an index")
        document = document_of(answer)
        if document.digest != ranked[0].digest or not isinstance(document, Single):
            raise RegistryError(
                f"{answer.place.host}: an image of its index is another one"
            )
        told = self._configuration(talking, repository, document)
        return document.created_at or told.created_at

    def _configuration(
        self, talking: Talk, repository: str, single: Single
    ) -> Configuration:
        """Read what an image says of itself; nothing where that may not be reached."""
        answer = self._line.blob(talking, repository, single.config)
        if answer is None:
            return _NOTHING
        check_ok(answer, "an image's configuration")
        return configuration_of(answer, single.config)


def _check_repository(repository: str) -> None:
    check_image(f"registry.invalid/{repository}")


def _tags_of(answer: Answer) -> Iterator[str]:
    """Yield the tags of a page; what no tag can be is left out."""
    try:
        found = tuple(texts_at(answer.json(), "tags"))
    except WebError:
        raise RegistryError(
            f"{answer.place.host}: its answer is no list of tags",
            hint="is this the address of a registry?",
        ) from None
    for text in found:
        with suppress(InputError):
            yield check_tag(text)
