"""Bitbucket Cloud's API, version 2.0, over the state of a fake forge.

Faithful in what adapters stumble over: commits by their first twelve digits, opening
twice changes the texts instead, reviewers that are not sent along are gone, a merge
that names no commit and may take longer, refusals as 400 with fields, a `next` in the
body, pages for people where something is not there. A person's uuid is his login here.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from gitops.errors import GitError
from gitops.forges import Merged, NotMerged, Status
from gitops.model import (
    BranchName,
    CheckState,
    CommitId,
    Json,
    PullRequest,
    PullRequestState,
)
from tests.support.forges.state import BOT, ForgeState, Note
from tests.support.forges.wire import Asked, Handler, Told, Wire
from tests.support.servers import Server

_ROOT: Final = "/2.0"
_REPO: Final = "/repositories/{}/{}"
_PULL: Final = f"{_REPO}/pullrequests/{{}}"
_SHORT: Final = 12
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
_NOT_FOUND: Final = Told(
    status=404, body="Not Found", headers={"Content-Type": "text/plain"}
)


def refused(status: int, message: str, **fields: str) -> Told:
    """Write an error as Cloud does."""
    error: dict[str, Json] = {"message": message}
    if fields:
        error["fields"] = {name: [text] for name, text in fields.items()}
        error["message"] = "; ".join(f"{k}: {v}" for k, v in fields.items())
    return Told(status=status, body={"type": "error", "error": error})


class FakeBitbucketCloud:
    """One workspace with one repository.

    Attributes:
        state: what it keeps.
        wire: its routes and faults.
        page: the most items that one page has.
        next_root: where `next` leads, when not to this server.
        slow_merges: merges that are answered with 202 and a task.
        unfinished: answers PENDING of a task so many times.
        before_merge: what others do in the last moment before one.
    """

    def __init__(self, state: ForgeState) -> None:
        self.state = state
        self.page = 3
        self.next_root = ""
        self.slow_merges = 0
        self.unfinished = 0
        self.before_merge: Callable[[], object] = lambda: None
        self.wire = Wire(root=_ROOT, check=self._refusal, missing=_NOT_FOUND)
        self._routes()

    @contextmanager
    def serving(self) -> Iterator[Server]:
        """Run it while the body runs."""
        with self.wire.serving() as server:
            yield server

    # --- who may ---

    def _refusal(self, asked: Asked) -> Told | None:
        if _token(asked.headers.get("authorization", "")) not in self.state.tokens:
            return refused(401, "Token is invalid, expired, or not supported")
        ours = f"/repositories/{self.state.owner}/{self.state.name}"
        if asked.path.startswith("/repositories/") and not (
            f"{asked.path}/".startswith(f"{ours}/")
        ):
            text = f"Repository {asked.path} not found"
            return refused(404, text)
        if asked.method != "GET" and not self.state.may_write:
            return refused(403, "Your credentials lack one or more required scopes.")
        return None

    def _routes(self) -> None:
        on = self.wire.on
        on("GET", "/user")(lambda _: Told(body=self._person(BOT)))
        on("GET", _REPO)(lambda _: Told(body=self._repository()))
        on("GET", f"{_REPO}/refs/branches")(self._branches)
        on("GET", f"{_REPO}/refs/branches/{{}}")(self._branch)
        on("DELETE", f"{_REPO}/refs/branches/{{}}")(self._unbranch)
        on("GET", f"{_REPO}/commit/{{}}")(self._commit)
        on("GET", f"{_REPO}/commit/{{}}/statuses")(self._statuses)
        on("POST", f"{_REPO}/commit/{{}}/statuses/build")(self._report)
        on("GET", f"{_REPO}/pullrequests")(self._list)
        on("POST", f"{_REPO}/pullrequests")(self._create)
        on("GET", _PULL)(self._with(lambda _, one: Told(body=self._body(one))))
        on("PUT", _PULL)(self._with(self._change))
        on("GET", f"{_PULL}/activity")(self._with(self._activity))
        on("GET", f"{_PULL}/comments")(self._with(self._notes))
        on("POST", f"{_PULL}/comments")(self._with(self._say))
        on("PUT", f"{_PULL}/comments/{{}}")(self._with(self._rewrite))
        on("POST", f"{_PULL}/decline")(self._with(self._decline))
        on("POST", f"{_PULL}/merge")(self._with(self._merge))
        on("GET", f"{_PULL}/merge/task-status/{{}}")(self._with(self._task))

    def _with(self, handler: Callable[[Asked, PullRequest], Told]) -> Handler:
        def handle(asked: Asked) -> Told:
            shown = self.state.find(int(asked.parts[2]))
            return _NOT_FOUND if shown is None else handler(asked, shown)

        return handle

    # --- people and branches ---

    def _person(self, login: str) -> Json:
        return {"type": "user", "uuid": login, "display_name": login, "nickname": "x"}

    def _repository(self) -> Json:
        name = f"{self.state.owner}/{self.state.name}"
        return {"type": "repository", "full_name": name, "name": self.state.name}

    def _branches(self, asked: Asked) -> Told:
        tips = self.state.repository.branches()
        return self._page(asked, [self._branch_body(*one) for one in tips.items()])

    def _branch_body(self, name: str, tip: str) -> Json:
        return {"type": "branch", "name": name, "target": _commit(tip)}

    def _branch(self, asked: Asked) -> Told:
        tip = self.state.tip(asked.parts[2])
        if tip is None:
            return refused(404, f'Branch "{asked.parts[2]}" not found')
        return Told(body=self._branch_body(asked.parts[2], tip))

    def _unbranch(self, asked: Asked) -> Told:
        name = BranchName(asked.parts[2])
        tip = self.state.tip(name)
        if tip is None:
            return refused(404, f'Branch "{name}" not found')
        if name == "main":
            return refused(403, "The main branch cannot be deleted")
        self.state.writes["deleted"] += 1
        self.state.repository.delete_branch(name, expected=tip)
        return Told(status=204)

    def _commit(self, asked: Asked) -> Told:
        found = self._whole(asked.parts[2])
        return _NOT_FOUND if found is None else Told(body=_commit(found))

    def _whole(self, beginning: str) -> CommitId | None:
        known = {shown.head for shown in self.state.all()}
        known |= {one.merge_commit for one in self.state.all() if one.merge_commit}
        known |= set(self.state.repository.branches().values())
        ends = [one for one in known if one.startswith(beginning)]
        if len(beginning) == 40 and not ends:
            try:
                self.state.repository.history(CommitId(beginning), limit=1)
            except GitError:
                return None
            return CommitId(beginning)
        return ends[0] if len(ends) == 1 else None

    # --- checks ---

    def _statuses(self, asked: Asked) -> Told:
        sha = CommitId(asked.parts[2])
        builds = self.state.builds.get(sha, {}).values()
        said = self.state.statuses.get(sha, {}).values()
        kept = [(one.name, one.state, one.url) for one in builds]
        kept += [(one.name, one.state, one.url) for one in said]
        items: list[Json] = [
            {"type": "build", "key": name, "state": _WORDS[state], "url": url}
            for name, state, url in kept
        ]
        return self._page(asked, items)

    def _report(self, asked: Asked) -> Told:
        sha = CommitId(asked.parts[2])
        key = asked.text("key")
        if self._whole(sha) is None:
            return _NOT_FOUND
        if not asked.text("url") or len(key) > 40:
            return refused(400, "Bad request", url="required key not provided")
        self.state.writes["reported"] += 1
        self.state.statuses.setdefault(sha, {})[key] = Status(
            name=asked.text("name"),
            state=_CHECKS[asked.text("state")],
            description=asked.text("description"),
            url=asked.text("url"),
        )
        body = {"type": "build", "key": key, "state": asked.text("state")}
        return Told(status=201, body=body)

    # --- pull requests ---

    def _list(self, asked: Asked) -> Told:
        states = [value for name, value in asked.pairs if name == "state"] or ["OPEN"]
        wanted = asked.query.get("q", "").removeprefix('source.branch.name="')
        found = [
            self._body(shown, whole=False)
            for shown in self.state.all()
            if _STATES[shown.state] in states
            and wanted.removesuffix('"') in ("", shown.branch)
        ]
        if asked.query.get("sort") != "created_on":
            found.reverse()
        return self._page(asked, found)

    def _create(self, asked: Asked) -> Told:
        head, base = (_name(asked, end) for end in ("source", "destination"))
        for end, name in (("source", head), ("destination", base)):
            if self.state.tip(name) is None:
                return refused(400, "", **{end: f"branch not found: {name}"})
        if len(asked.text("title")) > 255:
            return refused(400, "", title="Ensure it has at most 255 characters.")
        title, body = asked.text("title"), asked.text("description")
        for shown in self.state.all():
            same = (shown.branch, shown.base) == (head, base)
            if same and shown.state is PullRequestState.OPEN:
                changed = self.state.edit(shown.number, title=title, body=body)
                return Told(status=201, body=self._body(changed))
        if self._has_no_news(head, base):
            return refused(400, "There are no changes to be pulled")
        made = self.state.create(head=head, base=base, title=title, body=body)
        return Told(status=201, body=self._body(made))

    def _has_no_news(self, head: str, base: str) -> bool:
        tip, base_tip = self.state.tip(head), self.state.tip(base)
        assert tip is not None
        assert base_tip is not None
        return self.state.repository.is_ancestor(tip, base_tip)

    def _body(self, shown: PullRequest, *, whole: bool = True) -> Json:
        number = shown.number
        fork = number in self.state.from_forks
        ours = self._repository()
        theirs: Json = {"type": "repository", "full_name": "else/fleet"}
        is_open = shown.state is PullRequestState.OPEN
        page = f"https://bitbucket.test/team/fleet/pull-requests/{number}"
        merge = shown.merge_commit
        body: dict[str, Json] = {
            "type": "pullrequest",
            "id": number,
            "title": shown.title,
            "description": shown.body.replace("\n", "\r\n"),
            "state": _STATES[shown.state],
            "draft": number in self.state.drafts,
            "author": self._person(shown.author),
            "created_on": _time(shown.created_at),
            "closed_by": None if is_open else self._person(shown.closed_by),
            "merge_commit": {"hash": merge[:_SHORT]} if merge else None,
            "links": {"html": {"href": page}},
            "source": {
                "branch": {"name": shown.branch},
                "commit": {"hash": shown.head[:_SHORT]},
                "repository": theirs if fork else ours,
            },
            "destination": {
                "branch": {"name": shown.base},
                "commit": {"hash": (self.state.tip(shown.base) or "0" * 12)[:_SHORT]},
                "repository": ours,
            },
        }
        if whole:
            asked = sorted(self.state.reviewers.get(number, set()))
            body["reviewers"] = [self._person(one) for one in asked]
            body["participants"] = self._participants(number)
        return body

    def _participants(self, number: int) -> Json:
        last = {one.by: one for one in self.state.approvals_of(number)}
        return [
            {
                "type": "participant",
                "user": self._person(by),
                "role": "PARTICIPANT",
                "approved": True,
                "state": "approved",
                "participated_on": _time(one.at),
            }
            for by, one in last.items()
        ]

    def _activity(self, asked: Asked, shown: PullRequest) -> Told:
        """Tell of heads and approvals, the newest first."""
        log: list[tuple[datetime, int, dict[str, Json]]] = [
            (one.at, 1, {"approval": self._approval(one.by, one.at)})
            for one in self.state.approvals_of(shown.number)
        ]
        heads: dict[CommitId, datetime] = {}
        for one in self.state.approvals_of(shown.number):
            heads[one.head] = min(one.at, heads.get(one.head, one.at))
        heads.setdefault(shown.head, self.state.now())
        for head, at in heads.items():
            commit: Json = {"commit": {"hash": head[:_SHORT]}}
            log.append((at, 0, {"update": {"source": commit, "date": _time(at)}}))
        log.sort(key=lambda entry: entry[:2], reverse=True)
        return self._page(asked, [entry for _, _, entry in log])

    def _approval(self, by: str, at: datetime) -> Json:
        return {"user": self._person(by), "date": _time(at)}

    def _change(self, asked: Asked, shown: PullRequest) -> Told:
        if shown.state is not PullRequestState.OPEN:
            return refused(400, "", newstatus="This pull request is already closed.")
        asked_for = asked.field("reviewers")
        people = [
            str(one.get("uuid"))
            for one in (asked_for if isinstance(asked_for, list) else [])
            if isinstance(one, dict)
        ]
        for one in people:
            if one == shown.author:
                text = f"{one} is the author and cannot be included as a reviewer."
                return refused(400, "", reviewers=text)
            if one not in self.state.collaborators:
                return refused(400, "", reviewers="Malformed reviewers list")
        self.state.reviewers[shown.number] = set(people)
        body = asked.field("description")
        changed = self.state.edit(
            shown.number,
            title=asked.text("title") or None,
            body=body if isinstance(body, str) else None,
        )
        return Told(body=self._body(changed))

    # --- comments ---

    def _notes(self, asked: Asked, shown: PullRequest) -> Told:
        found = [self._note(note) for note in self.state.notes_of(shown.number)]
        return self._page(asked, found)

    def _note(self, note: Note) -> Json:
        said = note.comment
        return {
            "type": "pullrequest_comment",
            "id": note.id,
            "created_on": _time(said.at),
            "content": {"raw": said.text, "markup": "markdown"},
            "user": self._person(said.by),
            "deleted": False,
        }

    def _say(self, asked: Asked, shown: PullRequest) -> Told:
        note = self.state.say(shown.number, _raw(asked))
        return Told(status=201, body=self._note(note))

    def _rewrite(self, asked: Asked, shown: PullRequest) -> Told:
        note = self.state.rewrite(int(asked.parts[3]), _raw(asked))
        return _NOT_FOUND if note is None else Told(body=self._note(note))

    # --- ending ---

    def _decline(self, asked: Asked, shown: PullRequest) -> Told:
        if shown.state is not PullRequestState.OPEN:
            return refused(400, "", newstatus="This pull request is already closed.")
        self.state.writes["closed"] += 1
        done = self.state.forge.close(shown.number, by=BOT, now=self.state.now())
        return Told(body=self._body(done))

    def _merge(self, asked: Asked, shown: PullRequest) -> Told:
        self.before_merge()
        shown = self.state.forge.read(shown.number)
        if shown.state is not PullRequestState.OPEN:
            return refused(400, "", newstatus="This pull request is already closed.")
        if self.state.blocked:
            return refused(400, self.state.blocked)
        if self.state.undecided:
            self.state.undecided -= 1
            return refused(409, "A ref changed while it was merged")
        if self.slow_merges:
            self.slow_merges -= 1
            task = f"{asked.root}{_ROOT}{asked.path}/task-status/7"
            return Told(status=202, headers={"Location": task})
        return self._done(shown)

    def _done(self, shown: PullRequest) -> Told:
        result = self.state.forge.merge(
            shown.number, head=shown.head, by=BOT, now=self.state.now()
        )
        if isinstance(result, NotMerged):
            return refused(400, "Conflicts during merge.")
        self.state.writes["merged"] += 1
        assert isinstance(result, Merged)
        return Told(body=self._body(result.pull_request))

    def _task(self, asked: Asked, shown: PullRequest) -> Told:
        if self.unfinished:
            self.unfinished -= 1
            return Told(body={"task_status": "PENDING"})
        done = self._done(shown)
        if done.status != 200:
            return done
        return Told(body={"task_status": "SUCCESS", "merge_result": done.body})

    # --- pages ---

    def _page(self, asked: Asked, items: Sequence[Json]) -> Told:
        number = int(asked.query.get("page", "1"))
        size = min(int(asked.query.get("pagelen", "10")), self.page)
        shown = list(items[(number - 1) * size : number * size])
        body: dict[str, Json] = {"values": shown, "pagelen": size, "page": number}
        if number * size < len(items):
            pairs = [(k, v) for k, v in asked.pairs if k != "page"]
            query = urlencode([*pairs, ("page", str(number + 1))])
            root = self.next_root or asked.root
            body["next"] = f"{root}{_ROOT}{asked.path}?{query}"
        return Told(body=body)


def _token(header: str) -> str:
    kind, _, secret = header.partition(" ")
    if kind == "Basic":
        return base64.b64decode(secret).decode().partition(":")[2]
    return secret if kind == "Bearer" else ""


def _commit(sha: str) -> Json:
    return {"type": "commit", "hash": sha}


def _name(asked: Asked, end: str) -> str:
    found = asked.field(end)
    branch = found.get("branch") if isinstance(found, dict) else None
    return str(branch.get("name")) if isinstance(branch, dict) else ""


def _raw(asked: Asked) -> str:
    content = asked.field("content")
    return str(content.get("raw")) if isinstance(content, dict) else ""


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")
