"""From folder to folder: everything that the build of one folder reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from gitops.errors import RenderError, TreeError, YamlError
from gitops.layout import KUSTOMIZATION_FILES, checked_path, kustomization_in
from gitops.model import BlobId, Mode, Tree
from gitops.reach.paths import UnsafePathError, local_path, shown
from gitops.reach.references import Kind, Reference, references
from gitops.yamltext import compose_stream

DEPTH: Final = 32  # kustomizations on the way from an overlay to its deepest base
FILES: Final = 2_000  # what one overlay may read
LOADS: Final = 5_000  # times kustomize loads a folder; shared bases count each time
BYTES: Final = 64 << 20  # the same, in bytes
FILE_BYTES: Final = 1 << 20  # also what the API server takes for one ConfigMap
_REMEMBERED: Final = 20_000

_HINT_LOCAL: Final = (
    "copy the files into the repository and name them by a relative path"
)


@dataclass(slots=True)
class Memory:
    """What was learned about blobs, for the next folders of the same fleet.

    Attributes:
        checked: YAML files that keep our limits.
        references: what kustomization files point to.
    """

    checked: set[BlobId] = field(default_factory=set)
    references: dict[BlobId, tuple[Reference, ...]] = field(default_factory=dict)

    def forget_if_large(self) -> None:
        """Start again rather than grow for ever."""
        if len(self.checked) + len(self.references) > _REMEMBERED:
            self.checked.clear()
            self.references.clear()


def reached(
    tree: Tree, folder: str, *, memory: Memory | None = None
) -> tuple[str, ...]:
    """List the files that a build of a folder reads.

    Args:
        tree: the files of the repository.
        folder: it holds a kustomization file; "" is the repository's root.
        memory: what earlier calls learned, also of other trees.

    Returns:
        Paths of plain files, sorted; all YAML among them keeps the limits of R9.

    Raises:
        RenderError: one of them is missing, lies elsewhere or is unsafe (R8); the
            message begins with the file and line that names it.
    """
    known = memory if memory is not None else Memory()
    known.forget_if_large()
    walk = _Walk(tree=tree, folder=folder, memory=known)
    walk.start()
    return tuple(sorted(walk.found))


def prefetch(tree: Tree, folders: Iterable[str]) -> None:
    """Load all files below some folders at once, before many of them are walked.

    A tree that asks git for each file would start a process for each; see
    Tree.prefetch. What lies outside, such as a shared base, is loaded on the way.
    """
    wanted = frozenset(folders)
    tree.prefetch(path for path in tree.entries if not wanted.isdisjoint(_above(path)))


def _above(path: str) -> Iterator[str]:
    """Yield the folders that a file lies in, the nearest first."""
    while path:
        path = path.rpartition("/")[0]
        yield path


@dataclass(slots=True)
class _Walk:
    """One run from one folder."""

    tree: Tree
    folder: str
    memory: Memory
    found: set[str] = field(default_factory=set)
    stack: list[str] = field(default_factory=list)
    loads: dict[str, int] = field(default_factory=dict)
    size: int = 0

    def start(self) -> None:
        """Walk from the first folder.

        Raises:
            RenderError: see reached.
        """
        try:
            path = self.folder and checked_path(self.folder)
            file = kustomization_in(self.tree, path)
        except TreeError as error:
            raise RenderError(
                error.message, path=self.folder, hint=error.hint
            ) from error
        if file is None:
            raise RenderError(
                f"{shown(self.folder)}: no folder with a kustomization file",
                path=self.folder,
                hint="a symlink, a submodule or a file in its place is not followed",
            )
        try:
            self._enter(path, file)
        except YamlError as error:
            raise _in_yaml(error) from error
        except TreeError as error:  # the first kustomization file is a symlink
            raise RenderError(error.message, path=file, hint=error.hint) from error

    # --- folders ---

    def _enter(self, folder: str, file: str) -> int:
        """Visit a folder; return how often kustomize loads folders below and it."""
        if folder in self.loads:
            return self.loads[folder]
        self.stack.append(folder)
        loads = 1
        self._add(file)
        found = self._references(file)
        self.tree.prefetch(_guessed(folder, found))
        for reference in found:
            loads += self._follow(reference, folder, file)
            if loads > LOADS:
                raise self._refused(
                    reference, file, f"leads to more than {LOADS} kustomizations"
                )
        self.stack.pop()
        self.loads[folder] = loads
        return loads

    def _references(self, file: str) -> tuple[Reference, ...]:
        blob = self.tree.entries[file].blob
        known = self.memory.references.get(blob)
        if known is None:
            try:
                known = references(self.tree.read(file), file)
            except RenderError as error:
                raise self._with_origin(error) from error
            self.memory.references[blob] = known
        return known

    def _follow(self, reference: Reference, folder: str, file: str) -> int:
        """Go where a reference leads; return the loads of a folder, 0 for a file."""
        try:
            path = local_path(folder, reference.value)
        except UnsafePathError as reason:
            raise self._refused(
                reference, file, str(reason), hint=_HINT_LOCAL
            ) from reason
        self._check_way(reference, path, file)
        try:
            if path in self.tree and reference.kind is not Kind.FOLDER:
                self._add(path, is_yaml=reference.kind is not Kind.BYTES)
                return 0
            below = self._kustomization(reference, path)
            if below is None:
                raise self._refused(
                    reference,
                    file,
                    self._what_is_at(path),
                    hint=f"it must be {reference.kind}",
                )
            self._check_stack(reference, path, file)
            return self._enter(path, below)
        except YamlError as error:
            raise self._with_origin(_in_yaml(error)) from error
        except TreeError as error:
            problem = f"cannot be read: {error.message}"
            raise self._refused(reference, file, problem, hint=error.hint) from error

    def _what_is_at(self, path: str) -> str:
        if path in self.tree:
            return "is a file"
        if any(self.tree.paths_under(path)):
            return "is a folder without a kustomization file"
        return "is not in the repository"

    def _kustomization(self, reference: Reference, path: str) -> str | None:
        if reference.kind in (Kind.FILE_OR_FOLDER, Kind.FOLDER):
            return kustomization_in(self.tree, path)
        return None

    def _check_way(self, reference: Reference, path: str, file: str) -> None:
        """Refuse a path that is, or leads through, a pointer to somewhere else."""
        parts = path.split("/")
        for end in range(1, len(parts) + 1):
            entry = self.tree.entries.get("/".join(parts[:end]))
            if entry is not None and not entry.mode.is_plain:
                kind = "symlink" if entry.mode is Mode.SYMLINK else "submodule"
                raise self._refused(
                    reference,
                    file,
                    f"leads through a {kind}; only plain files are read",
                    hint=f"replace the {kind} by the files themselves",
                )

    def _check_stack(self, reference: Reference, folder: str, file: str) -> None:
        if folder in self.stack:
            way = [*self.stack[self.stack.index(folder) :], folder]
            names = " -> ".join(name or "the root" for name in way)
            raise self._refused(reference, file, f"leads in a circle: {names}")
        if len(self.stack) >= DEPTH:
            raise self._refused(
                reference, file, f"is more than {DEPTH} kustomizations deep"
            )

    # --- files ---

    def _add(self, path: str, *, is_yaml: bool = False) -> None:
        """Take a file into the answer.

        Raises:
            TreeError: it is too large, or it is YAML that breaks a limit of R9.
        """
        content = self.tree.read(path)
        if len(content) > FILE_BYTES:
            raise YamlError(
                f"{len(content)} bytes; at most {FILE_BYTES} are read",
                path=path,
                hint="split the file; a cluster takes no larger object either",
            )
        blob = self.tree.entries[path].blob
        if is_yaml and blob not in self.memory.checked:
            compose_stream(content, path)
            self.memory.checked.add(blob)
        if path not in self.found:
            self.found.add(path)
            self.size += len(content)
        if len(self.found) > FILES or self.size > BYTES:
            raise TreeError(
                f"more than {FILES} files or {BYTES >> 20} MiB are read in all"
            )

    # --- errors ---

    def _refused(
        self,
        reference: Reference,
        file: str,
        problem: str,
        *,
        hint: str = "take this reference out, or correct it",
    ) -> RenderError:
        return self._with_origin(
            RenderError(
                f"{file}:{reference.line}: {reference.field} "
                f"{shown(reference.value)} {problem}",
                path=file,
                line=reference.line,
                hint=hint,
            )
        )

    def _with_origin(self, error: RenderError) -> RenderError:
        """Say which build it was, where the fault lies in a shared file."""
        if error.path.rpartition("/")[0] == self.folder:
            return error
        return RenderError(
            f"{error.message} (reached from {self.folder or 'the root'})",
            path=error.path,
            line=error.line,
            hint=error.hint,
        )


def _guessed(folder: str, found: Sequence[Reference]) -> Iterator[str]:
    """Yield the paths that references will be followed to, where they are good."""
    for reference in found:
        try:
            path = local_path(folder, reference.value)
        except UnsafePathError:
            continue
        yield path
        if reference.kind in (Kind.FILE_OR_FOLDER, Kind.FOLDER):
            yield from (f"{path}/{name}" for name in KUSTOMIZATION_FILES)


def _in_yaml(error: YamlError) -> RenderError:
    return RenderError(error.message, path=error.path, line=error.line, hint=error.hint)
