"""Bitbucket Data Center's REST API over the state of a fake forge.

Faithful in what adapters stumble over: versions that go out of date, reviewers that
are not sent along are gone, comments that only the log lists, refusals told apart by
the names of exceptions, pages by `start`, a deletion with a body, our own name in a
header alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from gitops.errors import GitError
from gitops.forges import Merged, Status
from gitops.git import Conflict
from gitops.model import (
    BranchName,
    CheckState,
    CommitId,
    Json,
    PullRequest,
    PullRequestState,
)
from tests.support.forges.state import BOT, PERSON, ForgeState, Note
from tests.support.forges.wire import Asked, Handler, Told, Wire
from tests.support.servers import Server

_ROOT: Final = "/rest"
_REPO: Final = "/api/latest/projects/{}/repos/{}"
_PULL: Final = f"{_REPO}/pull-requests/{{}}"
_UTILITIES: Final = "/branch-utils/latest/projects/{}/repos/{}/branches"
_BUILDS: Final = "/build-status/latest/commits/{}"
_HEADS: Final = "refs/heads/"
_PACKAGE: Final = "com.atlassian.bitbucket"
_STATES: Final = {
    PullRequestState.OPEN: "OPEN",
    PullRequestState.MERGED: "MERGED",
    PullRequestState.CLOSED: "DECLINED",
}
_WORDS: Final = {
    CheckState.PENDING: "INPROGRESS",
    CheckState.PASSED: "SUCCESSFUL",
    CheckState.FAILED: "FAILED",
}
_CHECKS: Final = {word: state for state, word in _WORDS.items()}


def refused(status: int, message: str, exception: str, **more: Json) -> Told:
    """Write an error as Data Center does."""
    name = f"{_PACKAGE}.{exception}"
    error: dict[str, Json] = {"context": None, "message": message}
    return Told(
        status=status, body={"errors": [{**error, "exceptionName": name, **more}]}
    )


_NO_PULL: Final = refused(
    404, "Pull request does not exist.", "pull.NoSuchPullRequestException"
)
_NO_COMMIT: Final = refused(
    404, "Commit does not exist.", "commit.NoSuchCommitException"
)


class FakeBitbucketDataCenter:
    """One server with one repository.

    Attributes:
        state: what it keeps.
        wire: its routes and faults.
        page: the most items that one page has.
        stale: refuses so many changes as out of date, as if somebody had been quicker.
        allows_later: whether the repository allows auto-merge.
        before_merge: what others do in the last moment before one.
    """

    def __init__(self, state: ForgeState) -> None:
        self.state = state
        self.page = 3
        self.stale = 0
        self.allows_later = True
        self.before_merge: Callable[[], object] = lambda: None
        self._versions: Counter[int] = Counter()
        missing = refused(404, "null for uri", "NoSuchResourceException")
        self.wire = Wire(root=_ROOT, check=self._refusal, missing=missing)
        self._routes()

    @contextmanager
    def serving(self) -> Iterator[Server]:
        """Run it while the body runs."""
        with self.wire.serving() as server:
            yield server

    # --- who may ---

    def _refusal(self, asked: Asked) -> Told | None:
        kind, _, token = asked.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or token not in self.state.tokens:
            text = "Authentication failed. Please check your credentials and try again."
            return refused(401, text, "auth.IncorrectPasswordAuthenticationException")
        ours = f"/projects/{self.state.owner}/repos/{self.state.name}"
        if "/projects/" in asked.path and f"{ours}/" not in f"{asked.path}/":
            text = "Repository does not exist."
            return refused(404, text, "repository.NoSuchRepositoryException")
        if asked.method != "GET":
            return self._unwritable(asked)
        return None

    def _unwritable(self, asked: Asked) -> Told | None:
        if asked.headers.get("x-atlassian-token") != "no-check":
            return Told(status=403, body="XSRF check failed")
        if not self.state.may_write:
            text = "You are not permitted to access this resource"
            return refused(401, text, "AuthorisationException")
        return None

    def _routes(self) -> None:
        on = self.wire.on
        on("GET", _REPO)(self._repository)
        on("GET", f"{_REPO}/branches")(self._branches)
        on("DELETE", _UTILITIES)(self._unbranch)
        on("GET", _BUILDS)(self._builds)
        on("POST", f"{_REPO}/commits/{{}}/builds")(self._report)
        on("GET", f"{_REPO}/pull-requests")(self._list)
        on("POST", f"{_REPO}/pull-requests")(self._create)
        on("GET", _PULL)(self._with(lambda _, one: Told(body=self._body(one))))
        on("PUT", _PULL)(self._with(self._change))
        on("GET", f"{_PULL}/activities")(self._with(self._activities))
        on("POST", f"{_PULL}/participants")(self._with(self._ask))
        on("POST", f"{_PULL}/comments")(self._with(self._say))
        on("GET", f"{_PULL}/comments/{{}}")(self._with(self._comment))
        on("PUT", f"{_PULL}/comments/{{}}")(self._with(self._rewrite))
        on("POST", f"{_PULL}/decline")(self._with(self._decline))
        on("GET", f"{_PULL}/merge")(self._with(self._mergeability))
        on("POST", f"{_PULL}/merge")(self._with(self._merge))
        on("GET", f"{_PULL}/auto-merge")(self._with(self._later))

    def _with(self, handler: Callable[[Asked, PullRequest], Told]) -> Handler:
        def handle(asked: Asked) -> Told:
            shown = self.state.find(int(asked.parts[2]))
            return _NO_PULL if shown is None else handler(asked, shown)

        return handle

    # --- people and branches ---

    def _person(self, login: str) -> Json:
        number = self.state.people.get(login, 99)
        return {"name": login, "slug": login, "id": number, "type": "NORMAL"}

    def _here(self) -> Json:
        project = {"key": self.state.owner, "name": "Team", "type": "NORMAL"}
        return {"slug": self.state.name, "id": 7, "name": "fleet", "project": project}

    def _repository(self, asked: Asked) -> Told:
        return Told(body=self._here(), headers={"X-AUSERNAME": BOT})

    def _branches(self, asked: Asked) -> Told:
        wanted = asked.query.get("filterText", "")
        items: list[Json] = [
            {"id": _HEADS + name, "displayId": name, "latestCommit": tip}
            for name, tip in self.state.repository.branches().items()
            if wanted in name
        ]
        return self._page(asked, items)

    def _unbranch(self, asked: Asked) -> Told:
        name = BranchName(asked.text("name").removeprefix(_HEADS))
        tip = self.state.tip(name)
        if name == "main":
            text = "The default branch cannot be deleted."
            return refused(400, text, "repository.NoDefaultBranchException")
        if tip is not None and asked.text("endPoint") not in ("", tip):
            return refused(400, "The branch has moved.", "content.InvalidRefException")
        if tip is not None:
            self.state.writes["deleted"] += 1
            self.state.repository.delete_branch(name, expected=tip)
        return Told(status=204)

    # --- builds ---

    def _builds(self, asked: Asked) -> Told:
        sha = CommitId(asked.parts[0])
        builds = self.state.builds.get(sha, {}).values()
        said = self.state.statuses.get(sha, {}).values()
        kept = [(one.name, one.state, one.url) for one in builds]
        kept += [(one.name, one.state, one.url) for one in said]
        items: list[Json] = [
            {"key": name, "name": name, "state": _WORDS[state], "url": url}
            for name, state, url in kept
        ]
        return self._page(asked, items)

    def _report(self, asked: Asked) -> Told:
        sha = CommitId(asked.parts[2])
        if not self._has(sha):
            return _NO_COMMIT
        if not asked.text("url"):
            return refused(400, "url may not be empty", "validation.ArgumentException")
        self.state.writes["reported"] += 1
        self.state.statuses.setdefault(sha, {})[asked.text("key")] = Status(
            name=asked.text("name"),
            state=_CHECKS[asked.text("state")],
            description=asked.text("description"),
            url=asked.text("url"),
        )
        return Told(status=204)

    def _has(self, sha: CommitId) -> bool:
        try:
            return bool(self.state.repository.history(sha, limit=1))
        except GitError:
            return False

    # --- pull requests ---

    def _list(self, asked: Asked) -> Told:
        wanted = asked.query.get("state", "OPEN")
        at = asked.query.get("at", "").removeprefix(_HEADS)
        is_outgoing = asked.query.get("direction") == "OUTGOING"
        found = [
            self._body(shown)
            for shown in self.state.all()
            if wanted in ("ALL", _STATES[shown.state])
            and at in ("", shown.branch if is_outgoing else shown.base)
        ]
        if asked.query.get("order") != "OLDEST":
            found.reverse()
        return self._page(asked, found)

    def _create(self, asked: Asked) -> Told:
        head, base = (_branch(asked, end) for end in ("fromRef", "toRef"))
        for name in (base, head):
            if self.state.tip(name) is None:
                text = f'Repository "fleet" does not have a branch "{name}"'
                return refused(404, text, "branch.NoSuchBranchException")
        for shown in self.state.all():
            same = (shown.branch, shown.base) == (head, base)
            if same and shown.state is PullRequestState.OPEN:
                return refused(
                    409,
                    "Only one pull request may be open for a given source and target "
                    "branch",
                    "pull.DuplicatePullRequestException",
                    existingPullRequest={"id": shown.number, "version": 0},
                )
        if self._has_no_news(head, base):
            return refused(
                409,
                f"{base} is already up-to-date with branch {head}",
                "pull.EmptyPullRequestException",
            )
        made = self.state.create(
            head=head,
            base=base,
            title=asked.text("title"),
            body=asked.text("description"),
        )
        return Told(status=201, body=self._body(made))

    def _has_no_news(self, head: str, base: str) -> bool:
        tip, base_tip = self.state.tip(head), self.state.tip(base)
        assert tip is not None
        assert base_tip is not None
        return self.state.repository.is_ancestor(tip, base_tip)

    def _body(self, shown: PullRequest) -> Json:
        number = shown.number
        here = self._here()
        fork: Json = {"slug": "fleet", "id": 8, "project": {"key": "~eve"}}
        is_open = shown.state is PullRequestState.OPEN
        asked = sorted(self.state.reviewers.get(number, set()))
        page = (
            f"https://bitbucket.test/projects/TEAM/repos/fleet/pull-requests/{number}"
        )
        body: dict[str, Json] = {
            "id": number,
            "version": self._versions[number],
            "title": shown.title,
            "state": _STATES[shown.state],
            "open": is_open,
            "closed": not is_open,
            "draft": number in self.state.drafts,
            "createdDate": _ms(shown.created_at),
            "updatedDate": _ms(shown.created_at),
            "fromRef": {
                "id": _HEADS + shown.branch,
                "displayId": shown.branch,
                "latestCommit": shown.head,
                "repository": fork if number in self.state.from_forks else here,
            },
            "toRef": {
                "id": _HEADS + shown.base,
                "displayId": shown.base,
                "latestCommit": self.state.tip(shown.base),
                "repository": here,
            },
            "author": {"user": self._person(shown.author), "role": "AUTHOR"},
            "reviewers": [self._participant(number, one, "REVIEWER") for one in asked],
            "participants": [
                self._participant(number, one, "PARTICIPANT")
                for one in self._approvers(number)
                if one not in asked
            ],
            "links": {"self": [{"href": page}]},
        }
        if shown.body:
            body["description"] = shown.body
        return body

    def _approvers(self, number: int) -> dict[str, CommitId]:
        return {one.by: one.head for one in self.state.approvals_of(number)}

    def _participant(self, number: int, login: str, role: str) -> Json:
        head = self._approvers(number).get(login)
        found: dict[str, Json] = {
            "user": self._person(login),
            "role": role,
            "approved": head is not None,
            "status": "UNAPPROVED" if head is None else "APPROVED",
        }
        return found if head is None else found | {"lastReviewedCommit": head}

    def _activities(self, asked: Asked, shown: PullRequest) -> Told:
        """Tell of comments, approvals and the end, the newest first."""
        log: list[tuple[datetime, dict[str, Json]]] = [
            (note.comment.at, self._commented(note))
            for note in self.state.notes_of(shown.number)
        ]
        log += [
            (one.at, {"action": "APPROVED", "user": self._person(one.by)})
            for one in self.state.approvals_of(shown.number)
        ]
        if shown.state is not PullRequestState.OPEN:
            by = self._person(shown.closed_by)
            end: dict[str, Json] = {"action": _STATES[shown.state], "user": by}
            if shown.merge_commit is not None:
                end["commit"] = {"id": shown.merge_commit}
            log.append((self.state.now(), end))
        log.sort(key=lambda one: one[0], reverse=True)
        items: list[Json] = [
            {"id": number, "createdDate": _ms(at), **entry}
            for number, (at, entry) in enumerate(log, start=1)
        ]
        return self._page(asked, items)

    def _commented(self, note: Note) -> dict[str, Json]:
        who = self._person(note.comment.by)
        return {
            "action": "COMMENTED",
            "commentAction": "ADDED",
            "user": who,
            "comment": self._comment_body(note),
        }

    def _comment_body(self, note: Note) -> Json:
        return {
            "id": note.id,
            "version": self._versions[note.id],
            "text": note.comment.text,
            "author": self._person(note.comment.by),
            "createdDate": _ms(note.comment.at),
            "comments": [],
        }

    def _is_stale(self, given: Json, key: int) -> bool:
        if self.stale:
            self.stale -= 1
            self._versions[key] += 1
        if str(given) != str(self._versions[key]):
            return True
        self._versions[key] += 1
        return False

    def _stale(self, number: int, kind: str = "pull.PullRequest") -> Told:
        return refused(
            409,
            "You are attempting to modify a pull request based on out-of-date "
            "information.",
            f"{kind}OutOfDateException",
            currentVersion=self._versions[number],
        )

    def _change(self, asked: Asked, shown: PullRequest) -> Told:
        if self._is_stale(asked.field("version"), shown.number):
            return self._stale(shown.number)
        if shown.state is not PullRequestState.OPEN:
            return _ended(shown)
        self.state.reviewers[shown.number] = set(_names(asked.field("reviewers")))
        changed = self.state.edit(
            shown.number, title=asked.text("title"), body=asked.text("description")
        )
        return Told(body=self._body(changed))

    def _ask(self, asked: Asked, shown: PullRequest) -> Told:
        (name,) = _names([{"user": asked.field("user")}])
        if name == shown.author:
            text = "The author cannot be a reviewer."
            return refused(400, text, "pull.InvalidPullRequestRoleException")
        if name not in self.state.people:
            return refused(404, f"No user {name}.", "user.NoSuchUserException")
        if name not in self.state.collaborators:
            text = f"{name} has no permission to view this."
            return refused(409, text, "pull.InvalidPullRequestReviewersException")
        self.state.writes["asked"] += 1
        self.state.reviewers.setdefault(shown.number, set()).add(name)
        return Told(body=self._participant(shown.number, name, "REVIEWER"))

    # --- comments ---

    def _say(self, asked: Asked, shown: PullRequest) -> Told:
        note = self.state.say(shown.number, asked.text("text"))
        return Told(status=201, body=self._comment_body(note))

    def _note(self, number: str) -> Note | None:
        return next((n for n in self.state.notes if n.id == int(number)), None)

    def _comment(self, asked: Asked, shown: PullRequest) -> Told:
        note = self._note(asked.parts[3])
        if note is None:
            return refused(404, "No comment.", "comment.NoSuchCommentException")
        return Told(body=self._comment_body(note))

    def _rewrite(self, asked: Asked, shown: PullRequest) -> Told:
        note = self._note(asked.parts[3])
        if note is None:
            return refused(404, "No comment.", "comment.NoSuchCommentException")
        if self._is_stale(asked.field("version"), note.id):
            return self._stale(note.id, "comment.Comment")
        self.state.rewrite(note.id, asked.text("text"))
        return Told(body=self._comment_body(note))

    # --- ending ---

    def _decline(self, asked: Asked, shown: PullRequest) -> Told:
        if self._is_stale(asked.query.get("version"), shown.number):
            return self._stale(shown.number)
        if shown.state is not PullRequestState.OPEN:
            return _ended(shown)
        self.state.writes["closed"] += 1
        done = self.state.forge.close(shown.number, by=BOT, now=self.state.now())
        return Told(body=self._body(done))

    def _mergeability(self, asked: Asked, shown: PullRequest) -> Told:
        if shown.state is not PullRequestState.OPEN:
            return _ended(shown)
        conflicted = self._conflicts(shown)
        outcome = "CONFLICTED" if conflicted else "CLEAN"
        if self.state.undecided:
            self.state.undecided -= 1
            return Told(body={"canMerge": False, "outcome": "UNKNOWN", "vetoes": []})
        vetoes = self._vetoes()
        return Told(
            body={
                "canMerge": not conflicted and not vetoes,
                "conflicted": conflicted,
                "outcome": outcome,
                "vetoes": vetoes,
            }
        )

    def _vetoes(self) -> list[Json]:
        why = self.state.blocked
        return [{"summaryMessage": why, "detailedMessage": why}] if why else []

    def _conflicts(self, shown: PullRequest) -> bool:
        tip = self.state.tip(shown.base)
        assert tip is not None
        made = self.state.repository.merge_commit(
            tip, shown.head, "trial", PERSON, shown.created_at
        )
        return isinstance(made, Conflict)

    def _merge(self, asked: Asked, shown: PullRequest) -> Told:
        self.before_merge()
        shown = self.state.forge.read(shown.number)
        later = asked.field("autoMerge") is True
        if self._is_stale(asked.query.get("version"), shown.number):
            return self._stale(shown.number)
        if shown.state is not PullRequestState.OPEN:
            return _ended(shown)
        if later and not self.allows_later:
            text = "Auto-merge is not enabled for this repository."
            return refused(403, text, "pull.AutoMergeDisabledException")
        conflicted = self._conflicts(shown)
        if later and (self.state.blocked or conflicted or not self._is_green(shown)):
            self.state.writes["scheduled"] += 1
            self.state.merges_later.add(shown.number)
            return Told(body=self._body(shown))
        if conflicted or self.state.blocked:
            return refused(
                409,
                "Merging the pull request has been vetoed.",
                "pull.PullRequestMergeVetoedException",
                conflicted=conflicted,
                vetoes=self._vetoes(),
            )
        self.state.writes["merged"] += 1
        done = self.state.forge.merge(
            shown.number, head=shown.head, by=BOT, now=self.state.now()
        )
        assert isinstance(done, Merged)
        return Told(body=self._body(done.pull_request))

    def _is_green(self, shown: PullRequest) -> bool:
        builds = self.state.builds.get(shown.head, {}).values()
        return {one.state for one in builds} == {CheckState.PASSED}

    def _later(self, asked: Asked, shown: PullRequest) -> Told:
        if shown.number not in self.state.merges_later:
            text = "No auto-merge request."
            return refused(404, text, "pull.NoSuchAutoMergeRequestException")
        return Told(body={"fromHash": shown.head, "strategyId": "no-ff"})

    # --- pages ---

    def _page(self, asked: Asked, items: Sequence[Json]) -> Told:
        start = int(asked.query.get("start", "0"))
        size = min(int(asked.query.get("limit", "25")), self.page)
        shown = list(items[start : start + size])
        is_last = start + size >= len(items)
        body: dict[str, Json] = {
            "values": shown,
            "size": len(shown),
            "limit": size,
            "start": start,
            "isLastPage": is_last,
            "nextPageStart": None if is_last else start + size,
        }
        return Told(body=body)


def _ended(shown: PullRequest) -> Told:
    text = f"This pull request has already been {_STATES[shown.state].lower()}."
    return refused(409, text, "pull.IllegalPullRequestStateException")


def _branch(asked: Asked, end: str) -> str:
    found = asked.field(end)
    name = found.get("id") if isinstance(found, dict) else None
    return str(name).removeprefix(_HEADS)


def _names(people: Json) -> list[str]:
    found: list[str] = []
    for one in people if isinstance(people, list) else []:
        user = one.get("user") if isinstance(one, dict) else None
        if isinstance(user, dict):
            found.append(str(user.get("name")))
    return found


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
