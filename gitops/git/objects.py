"""Git's objects as bytes: blobs, trees and commits from edits, packed for one call.

Pure. The same arguments give the same bytes, so a commit that is made again after a
crash is the same commit (rule R2). Nothing here reads a repository or a clock.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Final

from gitops import layout
from gitops.errors import InputError, TreeError
from gitops.model import BlobId, CommitId, Entry, FileEdit, Mode

_KINDS: Final = {b"commit": 1, b"tree": 2, b"blob": 3}  # gitformat-pack(5)
_FOLDER: Final = 0o040000
_SIGNATURE: Final = re.compile(
    r"-----BEGIN (PGP|SSH) SIGNATURE-----\n[\x20-\x7e\n]{1,65536}"
    r"-----END \1 SIGNATURE-----\n?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a commit is by.

    Raises:
        InputError: git could not write it: empty, or with `<`, `>` or a control.
    """

    name: str
    email: str

    def __post_init__(self) -> None:
        for value in (self.name, self.email):
            if not value.strip() or not value.isprintable() or set(value) & set("<>"):
                raise InputError(
                    f"{value[:80]!a} is not a name or address for a commit",
                    hint="use a name and an e-mail address, without < and >",
                )

    def signed(self, at: datetime) -> str:
        """Write it with a date, as commits do."""
        return f"{self.name.strip()} <{self.email.strip()}> {_seconds(at)} +0000"


def _seconds(at: datetime) -> int:
    if at.tzinfo is None or at.microsecond:
        raise InputError(
            f"a commit cannot be dated {at.isoformat()}",
            hint="give an aware time in whole seconds",
        )
    return int(at.timestamp())


@dataclass(frozen=True, slots=True)
class GitObject:
    """One object, not yet stored.

    Attributes:
        kind: b"blob", b"tree" or b"commit".
        content: without git's header.
    """

    kind: bytes
    content: bytes

    @property
    def id(self) -> str:
        """Its name in hexadecimal (SHA-1 object format)."""
        header = b"%s %d\0" % (self.kind, len(self.content))
        return hashlib.sha1(header + self.content, usedforsecurity=False).hexdigest()


def commit_object(
    tree: str,
    parents: Sequence[CommitId],
    message: str,
    identity: Identity,
    at: datetime,
) -> GitObject:
    """Write a commit, byte for byte as `git commit-tree` does.

    Raises:
        InputError: an empty message, one with NUL, or a date that git cannot hold.
    """
    if "\0" in message or not message.strip():
        raise InputError("a commit needs a message without NUL characters")
    who = identity.signed(at)
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
    lines += [f"author {who}", f"committer {who}", "", message]
    text = "\n".join(lines)
    return GitObject(b"commit", _utf8(text if text.endswith("\n") else text + "\n"))


def with_signature(commit: GitObject, signature: str) -> GitObject:
    """Write a signature into a commit, byte for byte as `git commit-tree -S` does.

    Raises:
        InputError: it is no signature.
    """
    if not _SIGNATURE.fullmatch(signature):
        raise InputError("a kept signature of a commit cannot be read")
    head, _, message = commit.content.partition(b"\n\n")
    folded = signature.rstrip("\n").replace("\n", "\n ").encode()
    return GitObject(b"commit", b"%s\ngpgsig %s\n\n%s" % (head, folded, message))


def signature_of(commit: GitObject) -> str:
    """Return the signature of a commit; empty without one."""
    head = commit.content.partition(b"\n\n")[0].decode("utf-8", "backslashreplace")
    found = re.search(r"^gpgsig ((?:.*)(?:\n .*)*)", head, re.MULTILINE)
    return found[1].replace("\n ", "\n") + "\n" if found else ""


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise InputError("text for a commit must be valid Unicode") from exc


def pack(objects: Iterable[GitObject]) -> bytes:
    """Write objects as one pack, in their order, each once."""
    distinct = {item.id: item for item in objects}
    body = BytesIO()
    body.write(b"PACK" + struct.pack(">II", 2, len(distinct)))
    for item in distinct.values():
        body.write(_pack_header(_KINDS[item.kind], len(item.content)))
        body.write(zlib.compress(item.content, 1))
    content = body.getvalue()
    return content + hashlib.sha1(content, usedforsecurity=False).digest()


def _pack_header(kind: int, size: int) -> bytes:
    """Write type and size: 4 bits of size, then 7 a byte, lowest first."""
    header, byte, size = bytearray(), kind << 4 | size & 15, size >> 4
    while size:
        header.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    header.append(byte)
    return bytes(header)


# --- trees ---


@dataclass(frozen=True, slots=True)
class _Item:
    """One line of a folder."""

    mode: int
    id: str


def parse_listing(listing: bytes) -> Iterable[tuple[bytes, str, str]]:
    """Read `git ls-tree -z`: path, mode, object id."""
    for line in listing.split(b"\0"):
        if line:
            place, _, path = line.partition(b"\t")
            mode, _, oid = place.decode().split(" ")
            yield path, mode, oid


def entries_of(listing: bytes) -> dict[str, Entry]:
    """Read `git ls-tree -r -z`; a path that is no UTF-8 shows its bytes escaped."""
    return {
        path.decode("utf-8", "backslashreplace"): Entry(_mode(mode), BlobId(oid))
        for path, mode, oid in parse_listing(listing)
    }


def _mode(text: str) -> Mode:
    """Read a mode; old histories hold 100664, which git treats as 100644."""
    return next((mode for mode in Mode if mode.value == text), Mode.FILE)


class TreeWriter:
    """The folders that edits touch, and the new trees that follow from them.

    Args:
        listing: `git ls-tree -r -t -z` of the base; b"" for an empty base.
        edits: what happens to its files; the last edit of a path counts.
    """

    def __init__(self, listing: bytes, edits: Sequence[FileEdit]) -> None:
        self._objects: list[GitObject] = []
        touched = {b""}
        for edit in edits:
            folder = _split(layout.checked_path(edit.path))[0]
            while folder not in touched:
                touched.add(folder)
                folder = folder.rpartition(b"/")[0]
        self._folders: dict[bytes, dict[bytes, _Item]] = {name: {} for name in touched}
        for path, mode, oid in parse_listing(listing):
            folder, _, name = path.rpartition(b"/")
            if folder in touched:
                self._folders[folder][name] = _Item(int(mode, 8), oid)
        for edit in edits:
            self._apply(edit)
        for edit in edits:
            self._check_folders(edit)

    def _apply(self, edit: FileEdit) -> None:
        folder, name = _split(edit.path)
        items = self._folders[folder]
        old = items.get(name)
        if edit.after is None:
            if old is not None and old.mode != _FOLDER:
                del items[name]
            return
        if not edit.mode.is_plain or (old and not _is_plain(old.mode)):
            raise TreeError(
                f"{edit.path}: a folder, link or submodule is not overwritten",
                hint="remove it first",
            )
        blob = GitObject(b"blob", edit.after)
        self._objects.append(blob)
        items[name] = _Item(int(edit.mode, 8), blob.id)

    def _check_folders(self, edit: FileEdit) -> None:
        """Refuse to write below something that is no folder once all edits are in."""
        folder = _split(edit.path)[0]
        while folder and edit.after is not None:
            above, _, name = folder.rpartition(b"/")
            item = self._folders[above].get(name)
            if item is not None and item.mode != _FOLDER:
                raise TreeError(
                    f"{edit.path}: {folder.decode()} is not a folder",
                    hint="remove the file, link or submodule first",
                )
            folder = above

    def write(self) -> tuple[str, tuple[GitObject, ...]]:
        """Return the root tree's id and the new objects, leaves first."""
        deepest_first = sorted(
            (name for name in self._folders if name),
            key=lambda name: (-name.count(b"/"), name),
        )
        for folder in deepest_first:
            above, _, name = folder.rpartition(b"/")
            items, siblings = self._folders[folder], self._folders[above]
            old = siblings.get(name)
            if items:
                siblings[name] = _Item(_FOLDER, self._tree(items))
            elif old is not None and old.mode == _FOLDER:
                del siblings[name]  # git knows no empty folders
        return self._tree(self._folders[b""]), tuple(self._objects)

    def _tree(self, items: dict[bytes, _Item]) -> str:
        ordered = sorted(items.items(), key=lambda pair: _sort_key(*pair))
        stream = BytesIO()
        for name, item in ordered:
            stream.write(b"%o %s\0" % (item.mode, name) + bytes.fromhex(item.id))
        tree = GitObject(b"tree", stream.getvalue())
        self._objects.append(tree)
        return tree.id


def _split(path: str) -> tuple[bytes, bytes]:
    folder, _, name = path.encode().rpartition(b"/")
    return folder, name


def _is_plain(mode: int) -> bool:
    return mode not in (_FOLDER, 0o120000, 0o160000)


def _sort_key(name: bytes, item: _Item) -> bytes:
    """Order as git does: a folder sorts as if its name ended in a slash."""
    return name + b"/" if item.mode == _FOLDER else name
