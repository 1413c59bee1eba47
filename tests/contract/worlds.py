"""The worlds in which every forge must behave the same.

A world is a forge with a repository of its own and people who push to it. To have
another forge checked by the whole suite, add its factory to `WORLDS`.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self

from gitops.forges import Forge
from gitops.forges.embedded import EmbeddedForge
from gitops.forges.github import github_forge
from gitops.forges.gitlab import gitlab_forge
from gitops.forges.http import HttpForge, RateGate
from gitops.git import BareRepository
from gitops.model import BranchName, CommitId, FileEdit
from gitops.web import Allowed, Web
from service.meter import Meter
from service.meter.forge import MeteredForge
from tests.contract import bitbucket, gitea, github
from tests.contract.azure import azure_of, judge as judge_azure
from tests.contract.openapi import Checked, Spec
from tests.support.forges.azure import FakeAzure
from tests.support.forges.bitbucket_cloud import FakeBitbucketCloud
from tests.support.forges.bitbucket_datacenter import FakeBitbucketDataCenter
from tests.support.forges.gitea import FakeGitea
from tests.support.forges.github import FakeGitHub
from tests.support.forges.gitlab import FakeGitLab
from tests.support.forges.state import BOT, MAIN, NOON, PERSON, TOKEN, ForgeState
from tests.support.forges.wire import Watcher, Wire


class World(ABC):
    """One forge, one repository with a first commit on main, and its people."""

    forge: Forge

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:  # noqa: B027 - most have started nothing
        """End what it has started."""

    def known_as(self, name: str) -> str:
        """Return as whom the forge shows what we do for somebody."""
        return name

    def is_moment(self, at: datetime, now: datetime) -> bool:
        """Whether the forge may say so of what we did at a moment."""
        return at == now

    def approve(self, number: int, *, by: str) -> None:
        """A person approves the present head, where people do that."""
        shown = self.forge.read(number)
        self.forge.approve(number, head=shown.head, by=by, now=NOON)

    @abstractmethod
    def commit(
        self, files: Mapping[str, str], *, on: CommitId, message: str = "Change"
    ) -> CommitId:
        """Write files onto a commit; no branch moves."""

    @abstractmethod
    def move(self, branch: BranchName, commit: CommitId) -> None:
        """Put a branch onto a commit, as a forced push does; make it when new."""

    @abstractmethod
    def delete(self, branch: BranchName) -> None:
        """Delete a branch, as a person does."""

    @abstractmethod
    def tip(self, branch: BranchName) -> CommitId | None:
        """Return where a branch is."""

    @abstractmethod
    def parents(self, commit: CommitId) -> tuple[CommitId, ...]:
        """Return a commit's parents."""

    @abstractmethod
    def author(self, commit: CommitId) -> str:
        """Return the name of a commit's author."""

    @abstractmethod
    def message(self, commit: CommitId) -> str:
        """Return the subject of a commit."""

    @abstractmethod
    def text(self, commit: CommitId, path: str) -> str | None:
        """Return a file of a commit; None when there is none."""

    def base(self) -> CommitId:
        """Return the tip of main."""
        tip = self.tip(MAIN)
        assert tip is not None
        return tip

    def push(
        self,
        branch: BranchName,
        text: str,
        *,
        path: str = "a.txt",
        on: CommitId | None = None,
    ) -> CommitId:
        """Push one commit, made on main or on another commit, to a branch."""
        commit = self.commit({path: text}, on=on or self.base())
        self.move(branch, commit)
        return commit


class RepositoryWorld(World):
    """A world whose repository is a bare one in a folder."""

    repository: BareRepository

    def commit(
        self, files: Mapping[str, str], *, on: CommitId, message: str = "Change"
    ) -> CommitId:
        edits = [
            FileEdit(
                path=path, before=self.repository.blob_at(on, path), after=text.encode()
            )
            for path, text in files.items()
        ]
        return self.repository.commit(
            tree_of=on,
            edits=edits,
            parents=(on,),
            message=message,
            author=PERSON,
            at=NOON,
        )

    def move(self, branch: BranchName, commit: CommitId) -> None:
        expected = self.repository.tip(branch)
        self.repository.update_ref(branch, commit, expected=expected)

    def delete(self, branch: BranchName) -> None:
        tip = self.repository.tip(branch)
        assert tip is not None
        assert self.repository.delete_branch(branch, expected=tip)

    def tip(self, branch: BranchName) -> CommitId | None:
        return self.repository.tip(branch)

    def parents(self, commit: CommitId) -> tuple[CommitId, ...]:
        return self.repository.history(commit, limit=1)[0].parents

    def author(self, commit: CommitId) -> str:
        return self.repository.history(commit, limit=1)[0].author

    def message(self, commit: CommitId) -> str:
        return self.repository.history(commit, limit=1)[0].subject

    def text(self, commit: CommitId, path: str) -> str | None:
        content = self.repository.blob_at(commit, path)
        return None if content is None else content.decode()


class EmbeddedWorld(RepositoryWorld):
    """The embedded forge over a bare repository in a folder."""

    def __init__(self, folder: Path) -> None:
        self.state = ForgeState(folder)
        self.repository = self.state.repository
        self.database = folder / "fleet.db"
        self.forge = EmbeddedForge(
            self.repository, self.database, public_url="https://gitops.example.com/r/x/"
        )


class WireWorld(RepositoryWorld):
    """An adapter, over real HTTP, before a fake of its forge; runs in a `with`.

    Args:
        folder: for the fake's repository.
        wire_of: makes the fake's HTTP side.
        forge_of: makes the adapter, for the address of the running fake.
        watchers: look at each exchange.
    """

    def __init__(
        self,
        folder: Path,
        wire_of: Callable[[ForgeState], Wire],
        forge_of: Callable[[str, Web, RateGate], Forge],
        watchers: Iterable[Watcher] = (),
    ) -> None:
        self.state = ForgeState(folder)
        self.repository = self.state.repository
        self.wire = wire_of(self.state)
        self.wire.watchers += watchers
        self._forge_of = forge_of
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        server = self._stack.enter_context(self.wire.serving())
        self.url = server.url
        web = self._stack.enter_context(Web())
        self.forge = self._forge_of(server.url, web, patient_gate())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def known_as(self, name: str) -> str:
        return BOT

    def is_moment(self, at: datetime, now: datetime) -> bool:
        return at.utcoffset() == timedelta(0)

    def approve(self, number: int, *, by: str) -> None:
        self.state.approve(number, by=by)


def patient_gate() -> RateGate:
    """A gate that is told to wait and does not: its clock goes on by itself."""
    now = [1000.0]

    def wait(seconds: float) -> None:
        now[0] += seconds

    return RateGate(monotonic_s=lambda: now[0], wait=wait, patience_s=120)


class MeteredWorld(EmbeddedWorld):
    """The same, with every call counted."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.forge = MeteredForge(self.forge, Meter())


def github_world(folder: Path) -> World:
    """GitHub's adapter, before a fake that GitHub's own description judges."""
    return WireWorld(
        folder, lambda state: FakeGitHub(state).wire, github_of, github.judges()
    )


def github_of(root: str, web: Web, gate: RateGate, token: str = TOKEN) -> HttpForge:
    """Make GitHub's adapter for a fake that runs at an address."""
    return github_forge(
        "https://github.test/team/fleet.git",
        web=web,
        allowed=Allowed(hosts=frozenset({"127.0.0.1"})),
        credential=lambda: token,
        gate=gate,
        api=root,
    )


def gitlab_world(folder: Path) -> World:
    """GitLab's adapter, before a fake that GitLab's own description judges."""
    return WireWorld(
        folder,
        lambda state: FakeGitLab(state).wire,
        gitlab_of,
        [Checked(description("gitlab"), prefix="/api/v4", also={401, 403})],
    )


def gitlab_of(root: str, web: Web, gate: RateGate, token: str = TOKEN) -> HttpForge:
    """Make GitLab's adapter for a fake that runs at an address."""
    return gitlab_forge(
        "https://gitlab.test/team/sub/fleet.git",
        web=web,
        allowed=Allowed(hosts=frozenset({"127.0.0.1"})),
        credential=lambda: token,
        gate=gate,
        api=f"{root}/api/v4",
    )


def forgejo_world(folder: Path) -> World:
    """Forgejo's adapter, before a fake that Forgejo's own description judges."""
    return WireWorld(
        folder,
        lambda state: FakeGitea(state).wire,
        gitea.forgejo_of,
        [gitea.judge()],
    )


def bitbucket_cloud_world(folder: Path) -> World:
    """Bitbucket Cloud's adapter, before a fake that Atlassian's description judges."""
    return WireWorld(
        folder,
        lambda state: FakeBitbucketCloud(state).wire,
        bitbucket.cloud_of,
        [bitbucket.cloud_judge()],
    )


def azure_world(folder: Path) -> World:
    """Azure DevOps' adapter, before a fake that Microsoft's description judges."""
    return WireWorld(
        folder, lambda state: FakeAzure(state).wire, azure_of, [judge_azure()]
    )


def bitbucket_datacenter_world(folder: Path) -> World:
    """Data Center's adapter, before a fake that Atlassian's description judges."""
    return WireWorld(
        folder,
        lambda state: FakeBitbucketDataCenter(state).wire,
        bitbucket.datacenter_of,
        [bitbucket.datacenter_judge()],
    )


def description(forge: str) -> Spec:
    """Read what is kept of a forge's description."""
    path = Path(__file__).parent / "specs" / f"{forge}.json"
    found: Spec = json.loads(path.read_text())
    return found


WORLDS: Final[Mapping[str, Callable[[Path], World]]] = {
    "embedded": EmbeddedWorld,
    "metered": MeteredWorld,
    "azure": azure_world,
    "github": github_world,
    "gitlab": gitlab_world,
    "forgejo": forgejo_world,
    "bitbucket-cloud": bitbucket_cloud_world,
    "bitbucket-datacenter": bitbucket_datacenter_world,
}
