"""One pull request's life on a live forge, in a repository made for this alone.

    LIVE_FORGE=gitea LIVE_URL=https://git.example.com/me/scratch LIVE_TOKEN=... \\
        make test ARGS="tests/live -n 0"

It needs a repository with a branch main that may be written, merged into and deleted
from. It leaves merged and closed pull requests behind, and no branches. LIVE_API names
the root of the API where it is elsewhere, LIVE_CA a PEM file, LIVE_NETWORKS addresses
that are not public, separated by commas.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitops.errors import ForgeConflictError
from gitops.forges import Forge, Merged, NotMerged, PullRequestDraft, Status
from gitops.git import Identity, Mirror
from gitops.model import (
    BranchName,
    CheckState,
    CommitId,
    FileEdit,
    PullRequest,
    PullRequestState,
)
from service.forges import Forges
from service.origins import locate
from service.repository import open_mirror
from service.settings import Settings

_CONNECT = socket.socket.connect
MAIN = BranchName("main")
WE = Identity(name="directus-gitops live tests", email="live@example.invalid")


@dataclass
class Live:
    """The repository, through our adapter and our git."""

    forge: Forge
    mirror: Mirror
    branch: BranchName

    def push(self, text: str) -> CommitId:
        """Put one commit on top of main onto our branch."""
        self.mirror.fetch()
        base = self.mirror.tip(MAIN)
        assert base is not None, "the repository needs a branch main"
        commit = self.mirror.commit(
            tree_of=base,
            edits=[
                FileEdit(path=f"{self.branch}.txt", before=None, after=text.encode())
            ],
            parents=(base,),
            message=f"Live test: {text}\n",
            author=WE,
            at=datetime.now(UTC).replace(microsecond=0),
        )
        expected = self.mirror.remote_tip(self.branch)
        self.mirror.push(commit, self.branch, expected=expected)
        return commit

    def draft(self, head: CommitId, title: str) -> PullRequestDraft:
        return PullRequestDraft(
            branch=self.branch,
            base=MAIN,
            head=head,
            title=title,
            body="A live test of directus-gitops.\n",
            author="live",
        )

    def opened(self, head: CommitId, title: str) -> PullRequest:
        """Open it, once the forge has seen the push."""
        for _ in range(30):
            try:
                return self.forge.open(self.draft(head, title), now=now())
            except ForgeConflictError as error:
                if "not at" not in error.message and "not there" not in error.message:
                    raise
                time.sleep(1)
        pytest.fail("the forge does not see the push")


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    monkeypatch.setattr(socket.socket, "connect", _CONNECT)
    token, ca = tmp_path / "token", os.environ.get("LIVE_CA", "")
    token.write_text(os.environ["LIVE_TOKEN"])
    networks = ", ".join(
        f'"{part}"' for part in os.environ.get("LIVE_NETWORKS", "").split(",") if part
    )
    (tmp_path / "service.toml").write_text(
        f'[[repository]]\nname = "live"\nforge = "{os.environ["LIVE_FORGE"]}"\n'
        f'url = "{os.environ["LIVE_URL"]}"\napi = "{os.environ.get("LIVE_API", "")}"\n'
        f'credential = "file:token"\nca = "{ca}"\n'
        f"[repository.networks]\nforge = [{networks}]\n"
    )
    settings = Settings(data=tmp_path)
    with Forges() as forges:
        located = locate(settings, "live")
        described = settings.repository("live")
        yield Live(
            forge=forges.of(described).forge,
            mirror=open_mirror(settings, located, forges),
            branch=BranchName(f"directus-gitops-live/{secrets.token_hex(4)}"),
        )


def test_a_pull_request_lives_from_its_opening_to_its_merge(live: Live) -> None:
    head = live.push("one")
    shown = live.opened(head, "Live test, to be merged")
    assert live.forge.open(live.draft(head, "again"), now=now()).number == shown.number
    assert [one.number for one in live.forge.find(live.branch)] == [shown.number]

    for text in ("first", "second"):
        live.forge.remark(shown.number, text, key="live", by="live", now=now())
    comments = live.forge.read(shown.number).comments
    assert [said.text.partition("\n")[0] for said in comments] == ["second"]

    head = live.push("two")
    draft = live.draft(head, "Live test, made newer")
    assert live.forge.update(shown.number, draft, now=now()).title == draft.title
    if live.forge.capabilities.statuses:
        status = Status(name="live", state=CheckState.PASSED, description="a live test")
        live.forge.report(head, status)

    result: Merged | NotMerged = NotMerged(reason="not asked yet")
    for _ in range(30):
        result = live.forge.merge(shown.number, head=head, by="live", now=now())
        if isinstance(result, Merged):
            break
        time.sleep(2)
    assert isinstance(result, Merged), result
    live.forge.delete_branch(live.branch, head=head)
    assert live.mirror.remote_tip(live.branch) is None


def test_a_pull_request_is_closed_and_stays_closed(live: Live) -> None:
    head = live.push("one")
    shown = live.opened(head, "Live test, to be closed")
    closed = live.forge.close(shown.number, by="live", now=now())
    assert closed.state is PullRequestState.CLOSED
    assert shown.number not in {one.number for one in live.forge.list_open()}
    assert live.forge.delete_branch(live.branch, head=head)
