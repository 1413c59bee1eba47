"""Changes to file edits: a draft of the tree, changed step by step, then compared."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never, cast

from gitops import layout
from gitops.edit.images import set_image_tag
from gitops.errors import PlanError, TreeError
from gitops.model import (
    NO_FILE,
    BlobId,
    Change,
    Difference,
    Entry,
    FileEdit,
    Fleet,
    Mode,
    RemoveFile,
    Revision,
    SetConfig,
    SetImage,
    SetRevision,
    Target,
    Tree,
    UnsetConfig,
    WriteFile,
    blob_id,
)
from gitops.overlay import image_named, kustomization_path
from gitops.yamltext import parse_env, set_env, unset_env


def edit(
    tree: Tree, fleet: Fleet, plan_changes: Sequence[Change]
) -> tuple[FileEdit, ...]:
    """Turn wanted changes into file edits, in the order of the paths.

    Args:
        tree: the files as they are.
        fleet: where overlays are, and which image each stack runs.
        plan_changes: made one after the other; the last one wins.

    Returns:
        One edit a file that changes; none for what is already so.

    Raises:
        UnknownNameError: a target that has no overlay.
        TreeError: a path that may not be written, or a symlink or submodule there.
        YamlError: a file that we do not read, or a place that no exact edit can reach.
        InputError: a tag, digest, key or value outside its grammar.
        PlanError: another image than the stack's, a missing config.env, a file that
            is not the one to be replaced, or a result that could not be proved.
    """
    tree.prefetch(_paths_read(fleet, plan_changes))
    draft = _Draft.of(tree, fleet)
    for change in plan_changes:
        draft.make(change)
    return draft.edits()


def _paths_read(fleet: Fleet, changes: Sequence[Change]) -> list[str]:
    names = (*layout.KUSTOMIZATION_FILES, layout.CONFIG_FILE)
    return [
        f"{layout.overlay_path(fleet.overlay_pattern, change.target)}/{name}"
        for change in changes
        if isinstance(change, SetRevision | SetImage | SetConfig | UnsetConfig)
        for name in names
    ]


@dataclass(frozen=True, slots=True)
class _Draft:
    """The tree while it is being changed: private, and gone with the call."""

    tree: Tree
    fleet: Fleet
    now: Tree
    entries: dict[str, Entry]
    added: dict[BlobId, bytes]
    touched: dict[str, dict[str, Difference]] = field(default_factory=dict)

    @classmethod
    def of(cls, tree: Tree, fleet: Fleet) -> _Draft:
        entries, added = dict(tree.entries), dict[BlobId, bytes]()
        old = cast("MutableMapping[BlobId, bytes]", tree.blobs)  # never written to
        now = Tree(commit=None, entries=entries, blobs=ChainMap(added, old))
        return cls(tree=tree, fleet=fleet, now=now, entries=entries, added=added)

    def make(self, change: Change) -> None:
        match change:
            case SetRevision():
                self._set_revision(change)
            case SetImage(target=target, name=name, revision=revision):
                self._set_image(target, name, revision)
            case SetConfig(target=target, key=key, value=value):
                self._configure(target, key, value)
            case UnsetConfig(target=target, key=key):
                self._configure(target, key, None)
            case WriteFile():
                self._write_file(change)
            case RemoveFile(path=path):
                _check_replaced(self.tree.entries.get(path), change, NO_FILE)
                if path in self.now:
                    self.now.read(path)  # a symlink or submodule is not ours to remove
                    self._note(path)
                    del self.entries[path]
            case _:
                assert_never(change)

    def edits(self) -> tuple[FileEdit, ...]:
        found = (self._edit(path) for path in sorted(self.touched))
        return tuple(edit for edit in found if edit is not None)

    def _edit(self, path: str) -> FileEdit | None:
        """Compare a file with what it was: changes that cancel out leave nothing."""
        old, new = self.tree.entries.get(path), self.entries.get(path)
        if old == new:
            return None
        known = new or old
        return FileEdit(
            path=path,
            before=self.tree.read(path) if old else None,
            after=self.now.read(path) if new else None,
            mode=known.mode if known else Mode.FILE,
            differences=tuple(
                d for d in self.touched[path].values() if d.before != d.after
            ),
        )

    def _set_revision(self, change: SetRevision) -> None:
        revision, target = change.revision, change.target
        path = kustomization_path(self.now, self.fleet, target)
        image = self.fleet.image_of(target.stack)
        if revision.image != image:
            raise PlanError(
                f"{target}: the plan names image {revision.image}, "
                f"but the stack runs {image}",
                hint=f"change the stack's image in {layout.FLEET_FILE} first",
            )
        text = self.now.read(path)
        after, differences = set_image_tag(
            text, path, image, revision.tag, revision.digest
        )
        self._store(path, after, differences)

    def _set_image(self, target: Target, name: str, revision: Revision) -> None:
        path = kustomization_path(self.now, self.fleet, target)
        entry = image_named(self.now, self.fleet, target, name)
        if entry is None or entry.image != revision.image:
            has = f"runs {entry.image}" if entry else "has no such entry"
            raise PlanError(
                f"{path}: the plan names image {revision.image} for {name}, "
                f"but the overlay {has}",
                hint="ask for it again: the overlay has changed since",
            )
        after, differences = set_image_tag(
            self.now.read(path), path, entry.index, revision.tag, revision.digest
        )
        self._store(path, after, differences)

    def _configure(self, target: Target, key: str, value: str | None) -> None:
        folder = kustomization_path(self.now, self.fleet, target).rpartition("/")[0]
        path = f"{folder}/{layout.CONFIG_FILE}"
        if path not in self.now:
            if value is None:
                return
            raise PlanError(
                f"{path}: no such file, so {key} cannot be set for {target}",
                hint="create it, and name it in the kustomization: "
                "configMapGenerator: [{name: ..., behavior: merge, "
                f"envs: [{layout.CONFIG_FILE}]}}]",
            )
        text = self.now.read(path)
        old = {line.key: line.value for line in parse_env(text, path)}.get(key)
        if old == value:
            return
        if value is None:
            after = unset_env(text, path, key)
        else:
            after = set_env(text, path, key, value)
        difference = Difference(path=path, field=key, before=old, after=value)
        self._store(path, after, (difference,))

    def _write_file(self, change: WriteFile) -> None:
        path = layout.checked_path(change.path)
        if not change.mode.is_plain:
            raise PlanError(f"{path}: only plain files are written, not {change.mode}")
        if path in self.now:
            self.now.read(path)  # never through a symlink or into a submodule
        else:
            self._check_room(path)
        blob = blob_id(change.content)
        _check_replaced(self.tree.entries.get(path), change, blob)
        self.added[blob] = change.content
        self.entries[path] = Entry(change.mode, blob)
        self._note(path)

    def _check_room(self, path: str) -> None:
        """Refuse a new file below something that is no folder, or in a folder's place.

        Raises:
            TreeError: git could not store both.
        """
        parts = path.split("/")
        for count in range(1, len(parts)):
            parent = "/".join(parts[:count])
            if parent in self.now:
                raise TreeError(
                    f"{path}: {parent} is not a folder but a file, symlink or submodule"
                )
        if any(other.startswith(f"{path}/") for other in self.entries):
            raise TreeError(f"{path}: is a folder; a file cannot take its place")

    def _store(
        self, path: str, content: bytes, differences: Sequence[Difference]
    ) -> None:
        """Keep new bytes under the file's own mode."""
        if not differences:
            return
        blob = blob_id(content)
        self.added[blob] = content
        self.entries[path] = Entry(self.entries[path].mode, blob)
        self._note(path, differences)

    def _note(self, path: str, differences: Sequence[Difference] = ()) -> None:
        """Remember what changed since the beginning, one difference a field."""
        known = self.touched.setdefault(path, {})
        for new in differences:
            old = known.get(new.field, new)
            known[new.field] = Difference(
                path=path, field=new.field, before=old.before, after=new.after
            )


def _check_replaced(
    standing: Entry | None, change: WriteFile | RemoveFile, wanted: BlobId
) -> None:
    """Refuse to write over content that the change was not made from.

    Raises:
        PlanError: the file has become something else since.
    """
    found = standing.blob if standing else NO_FILE
    if change.replaces is not None and found not in (change.replaces, wanted):
        raise PlanError(
            f"{change.path}: has changed since this change was made from it",
            hint="close the pull request that holds it, and ask for it again",
        )
