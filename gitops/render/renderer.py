"""Overlays to manifests: pre-scan each, build what is new, remember what was built."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final, TypeAlias

from gitops.errors import RenderError
from gitops.model import BlobId, Manifests, Tree
from gitops.process import Limits
from gitops.reach import Memory, prefetch, reached
from gitops.render.manifests import manifests_of
from gitops.render.sandbox import LIMITS, build
from gitops.toolchain import Kustomize

Progress: TypeAlias = Callable[[int, int], None]
"""Told how many overlays are done, and how many there are."""

_WORKERS: Final = 2
_AHEAD: Final = 8  # builds whose files are in memory before their turn comes
_CACHED_BYTES: Final = 8 << 20  # of output; the objects parsed from it take ten times


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What decides a build's output: the folder, and every file that it reads."""

    folder: str
    files: tuple[tuple[str, BlobId], ...]


class Renderer:
    """Builds overlays with one kustomize.

    It may be shared by threads. Two calls with the same files get the same objects.

    Args:
        tool: what builds; see gitops.toolchain.
        scratch: a folder of ours for the copies; made if it is not there.
        limits: what one build may use.
    """

    def __init__(
        self, tool: Kustomize, scratch: Path, *, limits: Limits = LIMITS
    ) -> None:
        self._tool = tool
        self._scratch = scratch
        self._limits = limits
        self._memory = Memory()
        self._cache = _Cache(_CACHED_BYTES)
        self._prescan = Lock()

    def render(
        self,
        tree: Tree,
        folders: Sequence[str],
        *,
        progress: Progress | None = None,
    ) -> dict[str, Manifests]:
        """Build overlays.

        Args:
            tree: the files of the repository.
            folders: each holds a kustomization file.
            progress: told after each overlay.

        Returns:
            Folder -> manifests, in the order given.

        Raises:
            RenderError: one cannot, or must not, be built; the first in that order.
            ToolError: kustomize cannot be started.
        """
        rendered = {}
        for folder, found in self.attempt(tree, folders, progress=progress).items():
            if isinstance(found, RenderError):
                raise found
            rendered[folder] = found
        return rendered

    def attempt(
        self,
        tree: Tree,
        folders: Sequence[str],
        *,
        progress: Progress | None = None,
    ) -> dict[str, Manifests | RenderError]:
        """Build overlays, each for itself: one that fails does not stop the others.

        Args:
            tree: the files of the repository.
            folders: see render.
            progress: told after each overlay, built or not.

        Returns:
            Folder -> manifests, or why there are none; in the order given.

        Raises:
            ToolError: kustomize cannot be started.
        """
        wanted = tuple(dict.fromkeys(folders))
        prefetch(tree, wanted)
        found: dict[str, Manifests | RenderError] = {}
        for folder, result in self._results(tree, wanted):
            found[folder] = result
            if progress is not None:
                progress(len(found), len(wanted))
        return {folder: found[folder] for folder in wanted}

    def _results(
        self, tree: Tree, folders: tuple[str, ...]
    ) -> Iterator[tuple[str, Manifests | RenderError]]:
        """Yield results as they come; the tree is only read by this thread."""
        running: dict[Future[Manifests | RenderError], str] = {}
        pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="render")
        try:
            for folder in folders:
                found = self._prepare(tree, folder)
                if isinstance(found, RenderError | Manifests):
                    yield folder, found
                    continue
                inputs, files = found
                running[pool.submit(self._build, inputs, files)] = folder
                while len(running) >= _AHEAD:
                    yield from _ended(running)
            while running:
                yield from _ended(running)
        finally:
            pool.shutdown(cancel_futures=True)

    def _prepare(
        self, tree: Tree, folder: str
    ) -> RenderError | Manifests | tuple[_Inputs, dict[str, bytes]]:
        """Scan a folder; return what is known already, or what to build."""
        try:
            with self._prescan:
                paths = reached(tree, folder, memory=self._memory)
        except RenderError as error:
            return error
        inputs = _Inputs(folder, tuple((p, tree.entries[p].blob) for p in paths))
        known = self._cache.get(inputs)
        if known is not None:
            return known
        return inputs, {path: tree.read(path) for path in paths}

    def _build(
        self, inputs: _Inputs, files: Mapping[str, bytes]
    ) -> Manifests | RenderError:
        try:
            text = build(
                self._tool, self._scratch, files, inputs.folder, limits=self._limits
            )
            manifests = manifests_of(text, inputs.folder)
        except RenderError as error:
            return error
        self._cache.put(inputs, manifests)
        return manifests


def _ended(
    running: dict[Future[Manifests | RenderError], str],
) -> Iterator[tuple[str, Manifests | RenderError]]:
    """Wait for at least one build, and take those that have ended off the list."""
    for future in wait(running, return_when=FIRST_COMPLETED).done:
        yield running.pop(future), future.result()


class _Cache:
    """The latest manifests, up to an amount of text."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._kept: OrderedDict[_Inputs, Manifests] = OrderedDict()
        self._lock = Lock()

    def get(self, inputs: _Inputs) -> Manifests | None:
        with self._lock:
            found = self._kept.get(inputs)
            if found is not None:
                self._kept.move_to_end(inputs)
            return found

    def put(self, inputs: _Inputs, manifests: Manifests) -> None:
        with self._lock:
            if inputs in self._kept:
                return
            self._kept[inputs] = manifests
            self._size += len(manifests.text)
            while self._size > self._most:
                _, oldest = self._kept.popitem(last=False)
                self._size -= len(oldest.text)
