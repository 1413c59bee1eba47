"""GitHub's adapter before a GitHub that others wrote, with an App and its webhooks."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from gitops.errors import ForgeDeniedError
from gitops.forges import Merged, PullRequestDraft
from gitops.forges.github import AppLogin, github_app, github_forge
from gitops.forges.http import HttpForge
from gitops.model import BranchName, CommitId, Json, Mergeability, PullRequestState
from gitops.web import Allowed, Web
from tests.contract.worlds import patient_gate
from tests.support.emulate import DIFFERENCES, emulated
from tests.support.forges.github_app import APP, SLUG, new_key
from tests.support.forges.state import MAIN
from tests.support.hooks import SECRETS, Hooks, described, taking

pytestmark = pytest.mark.gate

BRANCH = BranchName("directus-gitops/staging/example")
NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
_PERSON = "token-of-ann"
_RIGHTS: dict[str, Json] = {
    "contents": "write",
    "pull_requests": "write",
    "statuses": "write",
    "checks": "read",
    "issues": "write",
    "metadata": "read",
}


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A running emulator, an App on it, and a person."""

    forge: HttpForge
    login: AppLogin
    person: httpx.Client
    hooks: Hooks

    def push(self, text: str, branch: BranchName = BRANCH) -> CommitId:
        """A person pushes to a branch; it is made when new."""
        tip = self.person.get(f"git/ref/heads/{MAIN}").json()["object"]["sha"]
        ref = {"ref": f"refs/heads/{branch}", "sha": tip}
        self.person.post("git/refs", json=ref)
        path = f"contents/{text}.txt"
        content = base64.b64encode(text.encode()).decode()
        body = {"message": text, "content": content, "branch": branch}
        done = self.person.put(path, json=body)
        assert done.status_code == httpx.codes.CREATED, done.text
        return CommitId(done.json()["commit"]["sha"])

    def draft(
        self, head: CommitId, branch: BranchName = BRANCH, title: str = "bump"
    ) -> PullRequestDraft:
        return PullRequestDraft(
            branch=branch,
            base=MAIN,
            head=head,
            title=title,
            body="what changes",
            author="us",
            labels=("fleet",),
            reviewers=("ben",),
        )


def seed(key: str, hook: str, rights: dict[str, Json] | None = None) -> dict[str, Json]:
    return {
        "tokens": {_PERSON: {"login": "ann", "scopes": ["repo", "user"]}},
        "github": {
            "users": [{"login": "ann"}, {"login": "ben"}],
            "orgs": [
                {
                    "login": "team",
                    "name": "Team",
                    "members": [{"login": "ann", "role": "admin"}, {"login": "ben"}],
                }
            ],
            "repos": [
                {"owner": "team", "name": "fleet", "auto_init": True, "private": True}
            ],
            "apps": [
                {
                    "app_id": int(APP),
                    "slug": SLUG,
                    "name": "Fleet keeper",
                    "private_key": key,
                    "permissions": rights or _RIGHTS,
                    "events": ["push", "pull_request", "issue_comment"],
                    "webhook_url": hook,
                    "webhook_secret": SECRETS["github"],
                    "installations": [
                        {
                            "installation_id": 100,
                            "account": "team",
                            "repository_selection": "selected",
                            "repositories": ["team/fleet"],
                        }
                    ],
                }
            ],
        },
    }


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with ExitStack() as stack:
        data = tmp_path_factory.mktemp("data")
        hooks = stack.enter_context(taking(service_of(data)))
        hook = f"{hooks.address}/api/v1/webhooks/github"
        key, _ = new_key()
        folder = tmp_path_factory.mktemp("emulate")
        root = stack.enter_context(emulated(seed(key, hook), folder))
        forge, login = app_on(root, key, stack.enter_context(Web()))
        person = httpx.Client(
            base_url=f"{root}/repos/team/fleet/",
            headers={"Authorization": f"Bearer {_PERSON}"},
            trust_env=False,
            timeout=60,
        )
        stack.enter_context(person)
        yield Lab(forge=forge, login=login, person=person, hooks=hooks)


def service_of(data: Path) -> Path:
    """Describe the repository to a service that takes its webhooks."""
    (data / "github").write_text(SECRETS["github"])
    url = "https://github.com/team/fleet.git"
    told = {"forge": "github", "url": url, "webhook_secret": "file:github"}
    described(data, fleet=told)
    return data


def app_on(root: str, key: str, web: Web) -> tuple[HttpForge, AppLogin]:
    address = "https://github.test/team/fleet"
    allowed = Allowed(hosts=frozenset({"127.0.0.1"}))
    login = github_app(
        address,
        app=APP,
        key=lambda: key,
        now=lambda: datetime.fromtimestamp(time.time(), UTC),  # the emulator's clock
        web=web,
        allowed=allowed,
        gate=patient_gate(),
        api=root,
    )
    forge = github_forge(
        address,
        web=web,
        allowed=allowed,
        credential=login,
        gate=patient_gate(),
        api=root,
    )
    return forge, login


def eventually(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.1)


def test_an_app_logs_in_and_is_known_by_its_bot(lab: Lab) -> None:
    assert lab.forge.account() == f"{SLUG}[bot]"
    assert lab.login.token().startswith("ghs_")


def test_a_pull_request_lives_from_its_opening_to_its_merge(lab: Lab) -> None:
    forge = lab.forge
    head = lab.push("one")
    shown = forge.open(lab.draft(head), now=NOW)
    number = shown.number
    assert (shown.state, shown.head) == (PullRequestState.OPEN, head)
    assert shown.author == f"{SLUG}[bot]"
    assert (shown.labels, shown.from_fork) == (("fleet",), False)
    assert forge.open(lab.draft(head), now=NOW).number == number
    assert [one.number for one in forge.find(BRANCH)] == [number]

    updated = forge.update(number, lab.draft(head, title="bump more"), now=NOW)
    assert updated.title == "bump more"
    for text in ("first", "second"):
        forge.remark(number, text, key="review", by="bob", now=NOW)
    comments = forge.read(number).comments
    assert [one.text.partition("\n")[0] for one in comments] == ["second"]

    lab.person.post(f"pulls/{number}/reviews", json={"event": "APPROVE"})
    read = forge.read(number)
    assert [(one.by, one.head) for one in read.approvals] == [("ann", head)]
    assert read.mergeability is Mergeability.READY

    done = forge.merge(number, head=head, by="bob", now=NOW)
    assert isinstance(done, Merged)
    assert done.pull_request.merge_commit is not None
    assert forge.delete_branch(BRANCH, head=head)
    assert not forge.delete_branch(BRANCH, head=head)


def test_a_closed_one_stays_closed_and_every_page_is_read(lab: Lab) -> None:
    before = {one.number for one in lab.forge.list_all()}
    branches = [BranchName(f"b/{number}") for number in range(3)]
    opened = [
        lab.forge.open(lab.draft(lab.push(f"p{n}", branch), branch), now=NOW)
        for n, branch in enumerate(branches)
    ]
    closed = lab.forge.close(opened[0].number, by="bob", now=NOW)
    assert closed.state is PullRequestState.CLOSED
    assert [one.number for one in lab.forge.list_open()] == [
        one.number for one in opened[1:]
    ]
    now = {one.number for one in lab.forge.list_all()}
    assert now - before == {one.number for one in opened}


def test_its_signed_webhooks_wake_the_service(lab: Lab) -> None:
    branch = BranchName("b/hooked")
    lab.hooks.woken()
    lab.forge.open(lab.draft(lab.push("hooked", branch), branch), now=NOW)
    woken: list[str] = []

    def is_woken() -> bool:
        woken.extend(lab.hooks.woken())
        return bool(woken)

    eventually(is_woken)
    assert set(woken) == {"fleet"}
    assert ("github", "refused") not in lab.hooks.counted()


def test_an_app_without_the_right_to_push_is_told_so(tmp_path: Path) -> None:
    key, _ = new_key()
    rights: dict[str, Json] = {**_RIGHTS, "contents": "read"}
    nowhere = "http://127.0.0.1:9/hook"
    with emulated(seed(key, nowhere, rights), tmp_path) as root, Web() as web:
        forge, _ = app_on(root, key, web)
        with pytest.raises(ForgeDeniedError, match="lacks: contents"):
            forge.list_open()


def test_another_key_is_not_let_in(tmp_path: Path) -> None:
    key, _ = new_key()
    other, _ = new_key()
    with emulated(seed(key, "http://127.0.0.1:9/"), tmp_path) as root, Web() as web:
        forge, _ = app_on(root, other, web)
        with pytest.raises(ForgeDeniedError):
            forge.list_open()


def test_what_the_emulator_lacks_is_said_and_not_claimed_of_github() -> None:
    page = Path(__file__).parents[2] / "docs" / "forges" / "github.md"
    text = " ".join(page.read_text("utf-8").split())
    assert all(difference in text for difference in DIFFERENCES)
