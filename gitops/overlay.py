"""READ one overlay: which image, tag, digest, namespace and configuration it sets.

The only file that knows what a kustomization's ``images:`` entry looks like. It reads
and never changes; it refuses what kustomize would misread in silence (an empty
``newTag`` keeps the old tag, exit code 0).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gitops import layout
from gitops.errors import InputError, TreeError, UnknownNameError, YamlError
from gitops.model import Fleet, Overlay, Revision, Target, Tree
from gitops.versions import check_digest, check_tag
from gitops.yamltext import (
    Mapping,
    Node,
    Scalar,
    Sequence as Items,
    compose,
    parse_env,
    reads_as_text,
    resolved,
)

_NAMES_SHOWN: Final = 12


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


def list_targets(tree: Tree, fleet: Fleet) -> tuple[Target, ...]:
    """Return the targets that have an overlay, without reading any.

    A folder of an environment that gitops.yaml does not name is nobody's.

    Returns:
        In the order of gitops.yaml's environments, then by stack.
    """
    order = {e.name: index for index, e in enumerate(fleet.environments)}
    found: set[Target] = set()
    for path in tree.entries:
        folder, _, name = path.rpartition("/")
        if name in layout.KUSTOMIZATION_FILES:
            target = layout.target_at(fleet.overlay_pattern, folder)
            if target is not None and target.environment in order:
                found.add(target)
    return tuple(sorted(found, key=lambda t: (order[t.environment], t.stack)))


def list_overlays(tree: Tree, fleet: Fleet) -> tuple[Overlay, ...]:
    """Read every overlay, in the order of list_targets.

    Raises:
        TreeError: one of them cannot be read; see read_overlay.
    """
    targets = list_targets(tree, fleet)
    folders = [layout.overlay_path(fleet.overlay_pattern, t) for t in targets]
    names = (*layout.KUSTOMIZATION_FILES, layout.CONFIG_FILE)
    tree.prefetch(f"{folder}/{name}" for folder in folders for name in names)
    return tuple(read_overlay(tree, fleet, target) for target in targets)


def read_overlay(tree: Tree, fleet: Fleet, target: Target) -> Overlay:
    """Read one overlay.

    Raises:
        UnknownNameError: no such environment, or no such stack there; the hint names
            those that exist.
        TreeError: a symlink or submodule on the way, or two kustomization files.
        YamlError: a file breaks the limits, there is not exactly one entry for the
            stack's image, or its tag or digest is not text that a registry can hold.
    """
    path = kustomization_path(tree, fleet, target)
    folder = path.rpartition("/")[0]
    root = compose(tree.read(path), path)
    entry = find_image(image_entries(root, path), fleet.image_of(target.stack), path)
    config = f"{folder}/{layout.CONFIG_FILE}"
    lines = parse_env(tree.read(config), config) if config in tree else ()
    return Overlay(
        target=target,
        path=folder,
        revision=revision_of(entry, path),
        namespace=_namespace(root, path),
        config={line.key: line.value for line in lines},
    )


def kustomization_path(tree: Tree, fleet: Fleet, target: Target) -> str:
    """Return the kustomization file of a target's overlay.

    Raises:
        UnknownNameError: see read_overlay.
        TreeError: a symlink or submodule on the way, or two kustomization files.
    """
    if fleet.environment(target.environment) is None:
        raise UnknownNameError(
            f"environment {target.environment} is not in {layout.FLEET_FILE}",
            hint=_known(target.environment, [e.name for e in fleet.environments]),
        )
    folder = layout.overlay_path(fleet.overlay_pattern, target)
    parts = folder.split("/")
    for count in range(1, len(parts) + 1):
        parent = "/".join(parts[:count])
        if parent in tree:
            raise TreeError(
                f"{parent}: is not a folder but a file, symlink or submodule",
                hint="keep overlays in plain folders",
            )
    path = layout.kustomization_in(tree, folder)
    if path is None:
        raise _unknown_stack(tree, fleet, target)
    return path


def _unknown_stack(tree: Tree, fleet: Fleet, target: Target) -> UnknownNameError:
    targets = list_targets(tree, fleet)
    elsewhere = [t.environment for t in targets if t.stack == target.stack]
    if elsewhere:
        return UnknownNameError(
            f"stack {target.stack} has no overlay in {target.environment}",
            hint=f"it has one in: {', '.join(elsewhere)}",
        )
    here = [t.stack for t in targets if t.environment == target.environment]
    return UnknownNameError(
        f"stack {target.stack} has no overlay in {target.environment} "
        "or any other environment",
        hint=_known(target.stack, here),
    )


def _known(asked: str, names: Sequence[str]) -> str:
    """Say which names there are, the likely one first."""
    if not names:
        return "there is none yet; run `directus-gitops init` or `add`"
    near = difflib.get_close_matches(asked, names, n=1)
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return (f"did you mean {near[0]}? " if near else "") + f"known: {shown}{more}"


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
    if images is None or _is_nothing(resolved(images)):
        return ()
    items = resolved(images)
    if not isinstance(items, Items):
        raise _misshapen(images, path, "images", "a list")
    return tuple(_entry(index, item, path) for index, item in enumerate(items.items))


def _entry(index: int, item: Node, path: str) -> ImageEntry:
    mapping = resolved(item)
    if not isinstance(mapping, Mapping):
        raise _misshapen(item, path, f"images[{index}]", "keys and values")
    scalars = {
        key: _scalar(mapping, key, path)
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
    if _is_nothing(scalar):
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


def _is_nothing(node: Node) -> bool:
    """Whether YAML reads null, or the text is empty."""
    if not isinstance(node, Scalar):
        return False
    return node.value == "" or (
        not node.style and not node.tag and node.value.lower() in ("~", "null")
    )


def _scalar(mapping: Mapping, key: str, path: str) -> Scalar | None:
    value = mapping.get(key)
    if value is None:
        return None
    found = resolved(value)
    if not isinstance(found, Scalar):
        raise _misshapen(value, path, key, "one text")
    return found


def _namespace(root: Node, path: str) -> str:
    top = resolved(root)
    found = _scalar(top, "namespace", path) if isinstance(top, Mapping) else None
    return "" if found is None or _is_nothing(found) else found.value


def _misshapen(node: Node, path: str, what: str, wanted: str) -> YamlError:
    return YamlError(
        f"{what} must be {wanted}", path=path, line=node.line, column=node.column
    )
