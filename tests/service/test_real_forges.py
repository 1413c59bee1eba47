"""The whole service on a real forge's protocol: described in service.toml, reached by
HTTP and by git over HTTPS with one token, passed over as any other repository."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitops.forges import Merged
from gitops.layout import target
from gitops.model import (
    BranchName,
    CheckState,
    CommitId,
    IntentState,
    PullRequest,
    PullRequestState,
)
from service.desk import Asker, Desk
from service.forges import Forges
from service.reconcile import Reconciler
from service.settings import Settings
from service.store import Store
from tests.contract.worlds import WORLDS, WireWorld
from tests.support.forges.state import TOKEN
from tests.support.forges.wire import Fault, FaultKind
from tests.support.githttp import GitSite, make_certificate, served
from tests.support.places import Ticking, commit_files, fleet_files
from tests.support.repos import git

pytestmark = pytest.mark.kustomize

ADA = Asker(by="ada")
BRANCH = "directus-gitops/development/shop"
FILE = "overlays/development/shop/kustomization.yaml"


@dataclass(frozen=True)
class Kind:
    """How one forge is described in service.toml."""

    forge: str
    url: str
    api: str
    login: str
    secret: str = TOKEN


KINDS = {
    "azure": Kind(
        "azure",
        "https://dev.azure.com/org/Fleet%20Project/_git/fleet",
        "/org",
        "token",
    ),
    "bitbucket-cloud": Kind(
        "bitbucket",
        "https://bitbucket.org/team/fleet",
        "/2.0",
        "x-bitbucket-api-token-auth",
        f"bot@example.com:{TOKEN}",
    ),
    "bitbucket-datacenter": Kind(
        "bitbucket-datacenter",
        "https://bitbucket.test/scm/team/fleet",
        "/rest",
        "x-token-auth",
    ),
    "forgejo": Kind(
        "forgejo", "https://forgejo.test/team/fleet", "/api/v1", "x-access-token"
    ),
    "github": Kind("github", "https://github.test/team/fleet", "", "x-access-token"),
    "gitlab": Kind("gitlab", "https://gitlab.test/team/sub/fleet", "/api/v4", "oauth2"),
}


@dataclass
class Far:
    """A service whose one repository is on a forge elsewhere."""

    world: WireWorld
    site: GitSite
    settings: Settings
    store: Store
    clock: Ticking
    reconciler: Reconciler
    desk: Desk

    def bump(self, version: str) -> None:
        """Ask for a version, as the API does."""
        self.clock.later(minutes=1)
        self.desk.bump("fleet", target("shop", "development"), version, asker=ADA)

    def pass_(self) -> str:
        """Make one pass; return what was wrong with it."""
        self.clock.later(minutes=1)
        return self.reconciler.pass_over("fleet").problem

    def only(self) -> PullRequest:
        """Return the one pull request that the forge has."""
        (shown,) = self.world.state.all()
        return shown

    def states(self) -> list[IntentState]:
        return [intent.state for intent in self.store.intents.all("fleet")]

    def changed(self) -> int:
        """Return how often something was changed on the forge."""
        return sum(asked.method != "GET" for asked in self.world.wire.seen)


@contextmanager
def far(name: str, folder: Path, kustomize: Path) -> Iterator[Far]:
    kind, clock = KINDS[name], Ticking()
    certificate = make_certificate(folder / "data")
    world = WORLDS[name](folder / "forge")
    assert isinstance(world, WireWorld)
    site = GitSite(
        root=folder / "forge", logins={kind.login: kind.secret.rpartition(":")[2]}
    )
    with world, served(site, certificate):
        commit_files(world.repository, fleet_files(), at=clock())
        (folder / "data" / "token").write_text(f"{kind.secret}\n")
        (folder / "data" / "service.toml").write_text(
            f'[[repository]]\nname = "fleet"\nforge = "{kind.forge}"\n'
            f'url = "{kind.url}"\napi = "{world.url}{kind.api}"\n'
            'credential = "file:token"\nca = "cert.pem"\n'
            f'[repository.git]\nurl = "{site.url}/fleet.git"\n'
            '[repository.networks]\nforge = ["127.0.0.0/8"]\n'
        )
        settings = Settings(
            data=folder / "data",
            kustomize=kustomize,
        )
        store = Store(settings.database, settings.data, clock)
        try:
            with Forges(clock=clock, wait=lambda _: None) as forges:
                yield Far(
                    world=world,
                    site=site,
                    settings=settings,
                    store=store,
                    clock=clock,
                    reconciler=Reconciler(settings, store, clock, forges=forges),
                    desk=Desk(settings, store, clock, forges=forges),
                )
        finally:
            store.close()


@pytest.fixture(
    params=[
        pytest.param(name, marks=() if name == "github" else pytest.mark.gate)
        for name in sorted(KINDS)
    ]
)
def there(
    request: pytest.FixtureRequest, tmp_path: Path, kustomize: Path
) -> Iterator[Far]:
    with far(request.param, tmp_path, kustomize) as there:
        yield there


def test_a_bump_is_proposed_made_newer_merged_and_settled(there: Far) -> None:
    there.bump("12.4.1")
    assert there.pass_() == ""
    first = there.only()
    assert (first.branch, first.state) == (BRANCH, PullRequestState.OPEN)
    there.bump("12.4.2")
    assert there.pass_() == ""
    second = there.only()
    assert second.head != first.head
    assert second.head == there.world.tip(first.branch)

    quiet = there.changed()
    assert there.pass_() == ""
    assert there.changed() == quiet, "a second pass does nothing"

    there.world.approve(second.number, by="ann")
    result = there.desk.merge("fleet", second.number, asker=Asker(by="bo"))
    assert isinstance(result, Merged)
    assert "12.4.2" in (there.world.text(there.world.base(), FILE) or "")
    assert there.pass_() == ""
    assert there.states()[-1] is IntentState.MERGED
    assert there.world.tip(first.branch) is None, "our branch goes with its merge"


def test_labels_and_reviewers_of_the_environment_are_set_where_there_are_any(
    there: Far,
) -> None:
    state = there.world.state
    named = (there.world.text(there.world.base(), "gitops.yaml") or "").replace(
        "{name: development}",
        "{name: development, labels: [bump], reviewers: [ann, nobody]}",
    )
    assert "labels" in named
    commit_files(
        there.world.repository,
        {"gitops.yaml": named},
        at=there.clock.later(minutes=1),
    )
    there.bump("12.4.1")
    assert there.pass_() == ""
    number = there.only().number
    can = there.desk._open("fleet").forge.capabilities
    assert state.labels.get(number, set()) == ({"bump"} if can.labels else set())
    assert state.reviewers[number] == {"ann"}


def test_what_a_person_closes_there_is_not_opened_again(there: Far) -> None:
    there.bump("12.4.1")
    there.pass_()
    shown = there.only()
    there.world.state.forge.close(shown.number, by="ann", now=there.clock())
    assert there.pass_() == ""
    assert there.pass_() == ""
    assert there.only().state is PullRequestState.CLOSED
    assert there.states() == [IntentState.CLOSED]


def test_what_has_nothing_left_to_say_is_closed_by_us_and_is_nobodys_no(
    there: Far,
) -> None:
    there.bump("12.4.1")
    there.pass_()
    text = there.world.text(there.world.base(), FILE)
    assert text is not None
    commit_files(
        there.world.repository,
        {FILE: text.replace("12.4.0", "12.4.1")},
        at=there.clock.later(minutes=1),
    )
    assert there.pass_() == ""
    assert there.only().state is PullRequestState.CLOSED
    assert there.states() == [IntentState.SUPERSEDED]


def test_approvals_on_the_forge_are_seen(there: Far) -> None:
    there.bump("12.4.1")
    there.pass_()
    number = there.only().number
    there.world.approve(number, by="ann")
    shown = there.desk.pull_request("fleet", number)
    assert [(a.by, a.head) for a in shown.approvals] == [("ann", shown.head)]


def theirs(there: Far, text: str, number: int = 1) -> CommitId:
    """A person pushes a change of the overlay; the forge keeps its head by number."""
    repository = there.world.repository
    head = commit_files(
        repository,
        {"overlays/development/shop/config.env": text},
        branch=BranchName("fix"),
        at=there.clock.later(minutes=1),
    )
    for ref in (
        f"refs/pull/{number}/head",
        f"refs/merge-requests/{number}/head",
        f"refs/pull-requests/{number}/from",
    ):
        git(there.site.root / "fleet.git", "update-ref", ref, head)
    return head


def said(there: Far, number: int) -> tuple[list[str], list[CheckState]]:
    """Return what our comments begin with, and our status of the head."""
    shown = there.desk.pull_request("fleet", number)
    first = [comment.text.partition("\n")[0] for comment in shown.comments]
    ours = [c.state for c in shown.checks if c.name.startswith("directus-gitops")]
    return first, ours


def test_a_pull_request_of_a_person_gets_a_comment_in_place_and_a_status(
    there: Far,
) -> None:
    theirs(there, "LOG_LEVEL=debug\n")
    state = there.world.state
    opened = state.create(head="fix", base="main", title="Say more", body="", by="ann")
    assert there.pass_() == ""
    comments, statuses = said(there, opened.number)
    assert (len(comments), statuses) == (1, [CheckState.PASSED])

    quiet = there.changed()
    assert there.pass_() == ""
    assert there.changed() == quiet

    theirs(there, "LOG_LEVEL\n")
    assert there.pass_() == ""
    after, statuses = said(there, opened.number)
    assert (len(after), statuses) == (1, [CheckState.FAILED])
    text = there.desk.pull_request("fleet", opened.number).comments[0].text
    assert "config.env" in text


def test_a_forge_that_denies_us_is_told_and_tried_again(there: Far) -> None:
    there.bump("12.4.1")
    there.world.wire.faults.append(Fault(kind=FaultKind.DENIED_401, times=1000))
    there.pass_()
    assert there.world.state.all() == ()
    assert there.states() != [IntentState.FAILED]
    there.world.wire.faults.clear()
    there.pass_()
    assert there.only().state is PullRequestState.OPEN


def test_the_token_is_shown_nowhere(there: Far) -> None:
    there.bump("12.4.1")
    there.pass_()
    data = there.settings.data
    for path in data.rglob("*"):
        if path.is_file() and path != data / "token":
            assert TOKEN.encode() not in path.read_bytes(), path
    assert any(login for _, _, login in there.site.seen), "git showed it to its host"
