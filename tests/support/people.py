"""What people do by themselves: branches, pull requests, heads that mean harm."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from gitops.forges import Capabilities, Forge, PullRequestDraft
from gitops.forges.embedded import EmbeddedForge
from gitops.git import BareRepository
from gitops.model import BranchName, CommitId, PullRequest
from tests.support.places import MAIN, NOON, OVERLAY, commit_files
from tests.support.repos import git

SHOP = "overlays/development/shop"
TOKEN = "ghp_" + "a1B2" * 9
"""A credential by its form; it belongs to nobody."""


def open_as_person(
    forge: Forge,
    branch: str,
    head: CommitId,
    *,
    at: datetime = NOON,
    base: BranchName = MAIN,
) -> PullRequest:
    """Open a pull request as eve."""
    draft = PullRequestDraft(
        branch=BranchName(branch),
        base=base,
        head=head,
        title="Something of mine",
        body="Please look.",
        author="eve",
    )
    return forge.open(draft, now=at)


def propose(
    forge: Forge,
    origin: BareRepository,
    files: Mapping[str, str | bytes | None],
    *,
    branch: str = "eve/mine",
    at: datetime = NOON,
) -> PullRequest:
    """Push files onto a branch as a person, and open a pull request for it."""
    head = commit_files(origin, files, branch=BranchName(branch), at=at)
    return open_as_person(forge, branch, head, at=at)


def overlay(version: str, *, more: str = "", base: str = "../../../base") -> str:
    """Return the kustomization of shop in development, at another version."""
    text = OVERLAY.format(stack="shop", environment="development")
    return text.replace("12.4.0", version).replace("../../../base", base) + more


class NumberedForge(EmbeddedForge):
    """The embedded forge, as one that shows heads by number, of forks too.

    Attributes:
        forks: numbers of pull requests whose head is in another repository.
        drafts: numbers of those that are drafts.
    """

    forks: frozenset[int] = frozenset()
    drafts: frozenset[int] = frozenset()

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, review_refs="refs/pull/{number}/head")

    def list_open(self) -> tuple[PullRequest, ...]:
        return tuple(self._as_told(one) for one in super().list_open())

    def read(self, number: int) -> PullRequest:
        return self._as_told(super().read(number))

    def _as_told(self, shown: PullRequest) -> PullRequest:
        return replace(
            shown,
            from_fork=shown.number in self.forks,
            is_draft=shown.number in self.drafts,
        )


def hidden(origin: Path, shown: PullRequest) -> None:
    """Keep a pull request's head under its number too, as forges do."""
    git(origin, "update-ref", f"refs/pull/{shown.number}/head", shown.head)


# --- heads that mean harm ---


@dataclass(frozen=True)
class Harm:
    """A head that means harm, and what is said of it.

    Attributes:
        files: that are committed; None removes one.
        links: path -> where a symlink points.
        said: in the verdict or the comment.
        hides: what must be in neither.
    """

    said: str
    files: Mapping[str, str | bytes | None] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    hides: str = "\0"


def laughs() -> str:
    """Return ten lines that are ten thousand million values."""
    lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    for one, other in zip("abcdefghi", "bcdefghij", strict=True):
        lines.append(f"{other}: &{other} [{','.join([f'*{one}'] * 10)}]")
    return "\n".join(lines) + "\n"


def harms(sentinel: Path, address: str) -> dict[str, Harm]:
    """Return heads that mean harm.

    Args:
        sentinel: a program; it must never run.
        address: of a server; it must never be asked.
    """
    file = f"{SHOP}/kustomization.yaml"

    def base(reference: str, said: str) -> Harm:
        return Harm(files={file: overlay("12.4.1", base=reference)}, said=said)

    def more(text: str, said: str) -> Harm:
        return Harm(files={file: overlay("12.4.1", more=text)}, said=said)

    program = f"'file:///srv/x//y?ref=--upload-pack={sentinel}'"
    secret = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"
        f"stringData: {{a: {TOKEN}}}\n"
    )
    return {
        "a remote base": base("https://github.com/a/b?ref=main", "is a URL"),
        "an address": base(f"{address}/a", "is a URL"),
        "a program in a base": base(program, "is a URL"),
        "a path that leaves": base("../../../../../etc", "leaves the repository"),
        "an absolute path": base("/etc", "absolute path"),
        "a shared base that leaves": Harm(
            files={"base/kustomization.yaml": "resources: [../../etc]\n"},
            said="leaves the repository",
        ),
        "an exec generator": more("generators: [g.yaml]\n", "generators"),
        "a chart": more("helmCharts: [{name: x}]\n", "helmCharts"),
        "a file by an address": more(f"patches: [{{path: {address}/p}}]\n", "is a URL"),
        "laughs": more(laughs(), "aliases"),
        "brackets": more(f"x: {'[' * 50_000}\n", "nested deeper"),
        "broken YAML": Harm(files={file: "a: [\n"}, said="not YAML"),
        "two documents": more("---\na: 1\n", "document"),
        "nothing": Harm(files={file: ""}, said="is empty"),
        "a python tag": more(
            f'x: !!python/object/apply:os.system ["touch {sentinel}"]\n',
            "is not allowed",
        ),
        "no YAML at all": Harm(files={file: b"\xff\xfe\x00"}, said="UTF-8"),
        "a circle": Harm(
            files={"base/kustomization.yaml": "resources: [../base]\n"},
            said="circle",
        ),
        "a huge file": Harm(
            files={f"{SHOP}/config.env": "A=" + "x" * 1_500_000}, said="1048576"
        ),
        "a broken gitops.yaml": Harm(
            files={"gitops.yaml": "environments: 7\n"}, said="gitops.yaml"
        ),
        "no gitops.yaml": Harm(files={"gitops.yaml": None}, said="gitops.yaml"),
        "a link for a file": Harm(
            files={f"{SHOP}/config.env": None},
            links={f"{SHOP}/config.env": "/etc/passwd"},
            said="symlink",
            hides="root:",
        ),
        "a link for the overlay": Harm(
            files={f"{SHOP}/config.env": None, file: None},
            links={SHOP: "/etc"},
            said="symlink",
        ),
        "a link for the base": Harm(
            files={"base/kustomization.yaml": None, "base/deployment.yaml": None},
            links={"base": "../.."},
            said="symlink",
        ),
        "a token": Harm(
            files={f"{SHOP}/config.env": f"LOG_LEVEL={TOKEN}\n"},
            said="secret-token",
            hides=TOKEN,
        ),
        "a token elsewhere": Harm(
            files={"notes.txt": f"it is {TOKEN}\n"}, said="secret-token", hides=TOKEN
        ),
        "a Secret that does not build": Harm(
            files={
                f"{SHOP}/s.yaml": secret + f"  b: {TOKEN}: x\n",
                file: overlay("12.4.1", base="s.yaml"),
            },
            said="secret",
            hides=TOKEN,
        ),
        "a Secret in clear": Harm(
            files={
                f"{SHOP}/s.yaml": secret.replace(TOKEN, "hunter2hunter2"),
                file: overlay("12.4.1").replace(
                    "[../../../base]", "[../../../base, s.yaml]"
                ),
            },
            said="plain-secret",
            hides="hunter2hunter2",
        ),
        "markup in a value": Harm(
            files={
                f"{SHOP}/config.env": "LOG_LEVEL=<script>@all closes #1</script>\n",
                file: overlay("12.4.1", more="x: 1\n"),
            },
            said="x",
            hides="<script>@all",
        ),
    }


def commit_harm(origin: Path, harm: Harm, branch: str) -> CommitId:
    """Commit a head that means harm onto a branch, whatever it holds."""
    index = {"GIT_INDEX_FILE": str(origin.with_name("harm.index"))}
    git(origin, "read-tree", "main", env=index)
    for path, content in harm.files.items():
        if content is None:
            gone = f"0 {'0' * 40}\t{path}\n".encode()
            git(origin, "update-index", "--index-info", stdin=gone, env=index)
        else:
            data = content.encode() if isinstance(content, str) else content
            _stage(origin, index, "100644", path, data)
    for path, to in harm.links.items():
        _stage(origin, index, "120000", path, to.encode())
    tree = git(origin, "write-tree", env=index)
    commit = git(origin, "commit-tree", "-p", "main", "-m", "harm", tree)
    git(origin, "update-ref", f"refs/heads/{branch}", commit)
    return CommitId(commit)


def _stage(
    origin: Path, index: Mapping[str, str], mode: str, path: str, content: bytes
) -> None:
    blob = git(origin, "hash-object", "-w", "--stdin", stdin=content)
    line = f"{mode} {blob}\t{path}\n".encode()
    git(origin, "update-index", "--index-info", stdin=line, env=index)


def tree_bomb(origin: Path, base: CommitId) -> CommitId:
    """Write a commit of ten small objects that lists ten thousand million files."""
    blob = git(origin, "hash-object", "-w", "--stdin", stdin=b"x")
    lines = "".join(f"100644 blob {blob}\tf{n}\n" for n in range(10))
    tree = git(origin, "mktree", stdin=lines.encode())
    for _ in range(9):
        lines = "".join(f"040000 tree {tree}\td{n}\n" for n in range(10))
        tree = git(origin, "mktree", stdin=lines.encode())
    return CommitId(git(origin, "commit-tree", "-p", base, "-m", "bomb", tree))


def many_files(count: int) -> dict[str, str]:
    """Return so many small files."""
    return {f"many/{n % 100}/{n}.txt": f"{n}\n" for n in range(count)}


def noise(files: int, size: int) -> dict[str, bytes]:
    """Return files that do not get smaller when they are packed."""
    return {f"noise/{n}.bin": os.urandom(size) for n in range(files)}
