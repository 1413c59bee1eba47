"""What a newer release makes of the files that an older one generated.

The steps of an upgrade stand on this: it brings together the record, the old texts
from the repository's history, git's merge, and what the scaffold writes today.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gitops.layout import AGENTS_FOLDER, BASE_FOLDER, PRISTINE_FOLDER
from gitops.model import (
    BlobId,
    FileEdit,
    Finding,
    Mode,
    Tree,
    WriteFile,
)
from gitops.overlay import list_targets
from gitops.scaffold import Generated, agent_files
from gitops.upgrade import (
    Combined,
    File,
    FileChange,
    Names,
    Settled,
    Sides,
    ancestors_wanted,
    compared,
    files_below,
    ids_below,
    ids_of,
    ids_of_files,
    settled,
    wanted,
)
from gitops.workflow.place import Workplace, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one call of `upgrade` does; nothing, when there are no changes."""

    changes: tuple[FileChange, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One upgrade: where, from what, to what.

    Attributes:
        place: for history and for merging.
        world: the base branch.
        record: how its files were generated.
        release: of this program.
        shipped: the tree that has the release's base/.
    """

    place: Workplace
    world: World
    record: Generated
    release: str
    shipped: Tree

    @property
    def tree(self) -> Tree:
        """The repository as it is."""
        return self.world.tree

    @property
    def is_same_release(self) -> bool:
        """Whether the files are this release's own."""
        return self.record.release == self.release

    @property
    def brings_a_base(self) -> bool:
        """Whether the release's base/ is another than the one that was generated."""
        theirs = ids_of_files(files_below(self.shipped, BASE_FOLDER))
        return theirs != ids_below(self.record.files, BASE_FOLDER)

    def settle(self, sides: Sequence[Sides], names: Names) -> tuple[Settled, ...]:
        """Settle files with what history and git know."""

        def merge(old: bytes, ours: bytes, theirs: bytes) -> Combined:
            labels = (names.ours, names.old, names.theirs)
            result = self.place.mirror.merge_file(old, ours, theirs, labels=labels)
            return Combined(text=result.content, is_conflicted=result.conflicted)

        ancestors = self.place.mirror.read_blobs(ancestors_wanted(sides))
        return settled(sides, ancestors=ancestors, merge=merge, names=names)

    def settle_base(self, folder: str) -> tuple[Settled, ...]:
        """Settle base/ as people have it against the release's, into a folder."""
        shipped = files_below(self.shipped, BASE_FOLDER)
        sides = compared(
            folder,
            old=ids_below(self.record.files, BASE_FOLDER),
            ours=files_below(self.tree, BASE_FOLDER),
            theirs={name: file.content for name, file in shipped.items()},
        )
        return self.settle(sides, self._names)

    def settle_agents(self, bases: Tree) -> tuple[Settled, ...]:
        """Settle the agents' files, written for the kinds of objects in some bases.

        An agent of which no file is left was taken out on purpose, and stays out.
        """
        ours = files_below(self.tree, AGENTS_FOLDER)
        old = ids_below(self.record.files, AGENTS_FOLDER)
        theirs = self._agents(bases)
        gone = {_top(name) for name in old} - {_top(name) for name in ours}
        sides = compared(
            AGENTS_FOLDER,
            old={name: blob for name, blob in old.items() if _top(name) not in gone},
            ours=ours,
            theirs={n: text for n, text in theirs.items() if _top(n) not in gone},
        )
        return self.settle(sides, self._names)

    def recorded(self, results: Iterable[Settled]) -> dict[str, BlobId]:
        """Return the record's files, with those that were settled as they are now."""
        fresh = tuple(results)
        paths = {result.sides.path for result in fresh}
        others = {p: blob for p, blob in self.record.files.items() if p not in paths}
        return others | ids_of(fresh)

    def kept_texts(
        self, recorded: Iterable[BlobId], pristine: Mapping[BlobId, bytes]
    ) -> tuple[FileChange, ...]:
        """Keep the texts that later upgrades start from, and no others.

        A text that people have edited stands nowhere as the release wrote it; without
        it in the history the next upgrade would have no common ancestor.

        Args:
            recorded: all blobs that the records will name.
            pristine: those of them that would be nowhere, with their bytes.
        """
        needed = set(recorded)
        gone: dict[str, File | None] = {
            path: None
            for path in self.tree.paths_under(PRISTINE_FOLDER)
            if path.rpartition("/")[2] not in needed
        }
        new = {f"{PRISTINE_FOLDER}/{blob}": text for blob, text in pristine.items()}
        return (*wanted(self.tree, gone), *written(self.tree, new))

    @property
    def _names(self) -> Names:
        return Names(
            ours="yours",
            old=f"generated by {self.record.release}",
            theirs=f"directus-gitops {self.release}",
        )

    def _agents(self, bases: Tree) -> dict[str, bytes]:
        """Write the agents' files for the overlays that there are."""
        fleet, choices = self.world.fleet, self.record.choices
        files = agent_files(
            bases,
            environments=[environment.name for environment in fleet.environments],
            stacks=(),
            agent=choices.agent,
            secrets=choices.secrets,
            repository_url=choices.repository_url,
            branch=fleet.branch,
            overlay_pattern=fleet.overlay_pattern,
            targets=list_targets(self.tree, fleet),
        )
        return {path[len(AGENTS_FOLDER) + 1 :]: text for path, text in files.items()}


def _top(name: str) -> str:
    return name.partition("/")[0]


# --- changes ---


def written(tree: Tree, files: Mapping[str, bytes]) -> tuple[FileChange, ...]:
    """Want whole files with these bytes, under the mode that they have."""
    entries = tree.entries
    return wanted(
        tree,
        {
            path: File(
                content=content,
                mode=entries[path].mode if path in entries else Mode.FILE,
            )
            for path, content in files.items()
        },
    )


def in_order(*changes: FileChange) -> tuple[FileChange, ...]:
    """Sort changes of files by path: the same upgrade is the same plan."""
    return tuple(sorted(changes, key=lambda change: change.path))


def after(tree: Tree, changes: Iterable[FileChange]) -> Tree:
    """Return a tree as it is after changes of whole files."""
    return tree.with_edits(
        [
            FileEdit(
                path=change.path,
                before=None,
                after=change.content if isinstance(change, WriteFile) else None,
            )
            for change in changes
        ]
    )
