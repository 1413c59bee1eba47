"""The ``images:`` entries of any kustomization: which image, tag and digest they set.

It refuses what kustomize would misread in silence: an empty ``newTag`` keeps the
base's tag with exit code 0, and an unquoted one may be a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence as Values
from dataclasses import dataclass

from gitops import layout
from gitops.errors import InputError, YamlError
from gitops.model import Revision
from gitops.versions import check_digest, check_tag
from gitops.yamltext import Mapping, Node, Scalar, Sequence, reads_as_text, resolved


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageEntry:
    """One item of ``images:``.

    Attributes:
        index: its place in the list, from 0.
        name: the image that kustomize looks for.
        new_name: the image that it writes instead; empty when it keeps the name.
        tag: the scalar of ``newTag``; None when there is no such key.
        digest: the scalar of ``digest``; None when there is no such key.
        has_suffix: there is a ``tagSuffix``.
        line: 1-based line at which the item begins.
    """

    index: int
    name: str
    new_name: str
    tag: Scalar | None
    digest: Scalar | None
    has_suffix: bool
    line: int

    @property
    def image(self) -> str:
        """The image that runs: ``newName`` where present, else ``name``."""
        return self.new_name or self.name


def image_entries(root: Node, path: str) -> tuple[ImageEntry, ...]:
    """Read ``images:`` of any kustomization.

    Args:
        root: the composed file.
        path: its name, for errors.

    Raises:
        YamlError: the file, the list or an item does not have the shape.
    """
    top = resolved(root)
    if not isinstance(top, Mapping):
        raise _misshapen(root, path, "a kustomization", "keys and values")
    images = top.get("images")
    if images is None or is_nothing(resolved(images)):
        return ()
    items = resolved(images)
    if not isinstance(items, Sequence):
        raise _misshapen(images, path, "images", "a list")
    return tuple(_entry(index, item, path) for index, item in enumerate(items.items))


def _entry(index: int, item: Node, path: str) -> ImageEntry:
    mapping = resolved(item)
    if not isinstance(mapping, Mapping):
        raise _misshapen(item, path, f"images[{index}]", "keys and values")
    scalars = {
        key: scalar_at(mapping, key, path)
        for key in ("name", "newName", "newTag", "digest")
    }
    name, new_name = scalars["name"], scalars["newName"]
    if name is None or not name.value:
        raise YamlError(
            f"images[{index}] has no name",
            path=path,
            line=item.line,
            hint="name the image that the base uses",
        )
    return ImageEntry(
        index=index,
        name=name.value,
        new_name=new_name.value if new_name else "",
        tag=scalars["newTag"],
        digest=scalars["digest"],
        has_suffix=mapping.get("tagSuffix") is not None,
        line=item.line,
    )


def find_image(entries: Iterable[ImageEntry], image: str, path: str) -> ImageEntry:
    """Return the one entry that decides what runs for an image.

    Raises:
        YamlError: there is none, or more than one.
    """
    found = [entry for entry in entries if entry.image == image]
    if not found:
        raise YamlError(
            f"no images: entry for {image}",
            path=path,
            hint=f"add `- name: {image}` with a newTag, or set the stack's image "
            f"in {layout.FLEET_FILE}",
        )
    return the_only(found, image, path)


def the_only(found: Values[ImageEntry], image: str, path: str) -> ImageEntry:
    """Return the one entry that was found.

    Raises:
        YamlError: there are more.
    """
    if len(found) > 1:
        lines = ", ".join(str(entry.line) for entry in found)
        raise YamlError(
            f"{len(found)} images: entries for {image}, in lines {lines}",
            path=path,
            line=found[1].line,
            hint="keep one of them",
        )
    return found[0]


def revision_of(entry: ImageEntry, path: str) -> Revision:
    """Return what an entry makes run.

    Raises:
        YamlError: no newTag, one that kustomize does not read as the text it shows,
            a tag or digest outside the registry's grammar, or a tagSuffix.
    """
    if entry.tag is None:
        raise YamlError(
            f"the images: entry for {entry.image} has no newTag",
            path=path,
            line=entry.line,
            hint="add newTag with the version that runs",
        )
    if entry.has_suffix:
        raise YamlError(
            f"the images: entry for {entry.image} has a tagSuffix",
            path=path,
            line=entry.line,
            hint="write the whole tag into newTag",
        )
    tag = _checked(entry.tag, "newTag", path)
    digest = _checked(entry.digest, "digest", path) if entry.digest else None
    return Revision(image=entry.image, tag=tag, digest=digest)


def _checked(scalar: Scalar, key: str, path: str) -> str:
    """Return the text of a newTag or digest that every step may rely on."""
    if is_nothing(scalar):
        raise YamlError(
            f"{key} is empty; kustomize would keep the base's in silence",
            path=path,
            line=scalar.line,
            column=scalar.column,
            hint=f"write the {key} as text in quotes, or remove the line",
        )
    if not reads_as_text(scalar):
        raise YamlError(
            f"{key} {scalar.value[:40]} is not read as text but as a number or word",
            path=path,
            line=scalar.line,
            column=scalar.column,
            hint=f'quote it: {key}: "{scalar.value[:40]}"',
        )
    try:
        check = check_tag if key == "newTag" else check_digest
        return check(scalar.value)
    except InputError as error:
        raise YamlError(
            f"{key}: {error.message}",
            path=path,
            line=scalar.line,
            column=scalar.column,
            hint=error.hint,
        ) from error


def is_nothing(node: Node) -> bool:
    """Whether YAML reads null, or the text is empty."""
    if not isinstance(node, Scalar):
        return False
    return node.value == "" or (
        not node.style and not node.tag and node.value.lower() in ("~", "null")
    )


def scalar_at(mapping: Mapping, key: str, path: str) -> Scalar | None:
    """Return the text of a key, None when there is no such key.

    Raises:
        YamlError: the value is a mapping or a list.
    """
    value = mapping.get(key)
    if value is None:
        return None
    found = resolved(value)
    if not isinstance(found, Scalar):
        raise _misshapen(value, path, key, "one text")
    return found


def _misshapen(node: Node, path: str, what: str, wanted: str) -> YamlError:
    return YamlError(
        f"{what} must be {wanted}",
        path=path,
        line=node.line,
        column=node.column,
        hint="see the overlays that `directus-gitops init` generates",
    )
