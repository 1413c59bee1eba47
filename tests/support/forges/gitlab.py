"""GitLab's REST API, version 4, over the state of a fake forge.

Faithful in what adapters stumble over: its refusals and their bodies, pages that are
cut short, system notes, approvals that outlive a push, a head and a mergeability that
come a moment later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final, TypeVar
from urllib.parse import quote, urlencode

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
from tests.support.forges.state import BOT, NOON, PERSON, ForgeState
from tests.support.forges.wire import Asked, Told, Wire
from tests.support.servers import Server

T = TypeVar("T")

_ROOT: Final = "/api/v4"
_PROJECT: Final = 31
_FORK: Final = 32
_MR: Final = "/projects/{}/merge_requests"
_ONE: Final = f"{_MR}/{{}}"
_STATES: Final = {
    PullRequestState.OPEN: "opened",
    PullRequestState.MERGED: "merged",
    PullRequestState.CLOSED: "closed",
}
_WORDS: Final = {
    CheckState.PENDING: "running",
    CheckState.PASSED: "success",
    CheckState.FAILED: "failed",
}
_CHECKS: Final = {
    "pending": CheckState.PENDING,
    "running": CheckState.PENDING,
    "success": CheckState.PASSED,
    "failed": CheckState.FAILED,
    "canceled": CheckState.FAILED,
}
_NO_METHOD: Final = Told(status=405, body={"message": "405 Method Not Allowed"})


def refused(status: int, message: Json) -> Told:
    """Write an error as GitLab does."""
    return Told(status=status, body={"message": message})


class FakeGitLab:
    """One GitLab with one project.

    Attributes:
        state: what it keeps.
        wire: its routes and faults.
        page: the most items that one page has.
        keyset: lists name their next page by `Link` alone.
        unprepared: answers that show no head yet, for new merge requests.
        headless: no head is ever shown.
        pipeline: shown instead of the one that the builds make.
        tells_when: approvals say when they were given; old servers do not.
        schedules: auto-merge waits for the project's rules, not only for pipelines.
        link_root: where `Link` leads, when not to this server.
    """

    def __init__(self, state: ForgeState) -> None:
        self.state = state
        self.page = 3
        self.keyset = False
        self.unprepared = 0
        self.headless = False
        self.pipeline: Json = None
        self.tells_when = True
        self.schedules = True
        self.link_root = ""
        self._texts: dict[int, str] = {}
        self.unapproved: list[tuple[int, str, datetime]] = []
        self.wire = Wire(
            root=_ROOT,
            check=self._refusal,
            missing=Told(status=404, body={"error": "404 Not Found"}),
        )
        self._routes()

    @contextmanager
    def serving(self) -> Iterator[Server]:
        """Run it while the body runs."""
        with self.wire.serving() as server:
            yield server

    @property
    def project(self) -> str:
        """Path of the project."""
        return f"{self.state.owner}/sub/{self.state.name}"

    # --- who may ---

    def _refusal(self, asked: Asked) -> Told | None:
        if asked.headers.get("private-token") not in self.state.tokens:
            return refused(401, "401 Unauthorized")
        if asked.path.startswith("/projects/"):
            named = asked.path.split("/")[2]
            if named != quote(self.project, safe=""):
                return refused(404, "404 Project Not Found")
        if asked.method != "GET" and not self.state.may_write:
            is_merge = asked.path.endswith("/merge")
            return (
                refused(401, "401 Unauthorized")
                if is_merge
                else refused(403, "403 Forbidden")
            )
        return None

    def _routes(self) -> None:
        on = self.wire.on
        on("GET", "/user")(self._user)
        on("GET", "/users")(self._users)
        on("GET", "/projects/{}/repository/branches")(self._branches)
        on("GET", "/projects/{}/repository/branches/{}")(self._branch)
        on("DELETE", "/projects/{}/repository/branches/{}")(self._unbranch)
        on("GET", "/projects/{}/repository/merge_base")(self._merge_base)
        on("GET", "/projects/{}/repository/commits/{}")(self._commit)
        on("GET", "/projects/{}/repository/commits/{}/statuses")(self._statuses)
        on("POST", "/projects/{}/statuses/{}")(self._report)
        on("GET", _MR)(self._list)
        on("POST", _MR)(self._create)
        on("GET", _ONE)(self._with(self._read))
        on("PUT", _ONE)(self._with(self._change))
        on("GET", f"{_ONE}/approvals")(self._with(self._approvals))
        on("GET", f"{_ONE}/versions")(self._with(self._versions))
        on("GET", f"{_ONE}/notes")(self._with(self._notes))
        on("POST", f"{_ONE}/notes")(self._with(self._say))
        on("PUT", f"{_ONE}/notes/{{}}")(self._with(self._rewrite))
        on("PUT", f"{_ONE}/merge")(self._with(self._merge))

    def _with(
        self, handler: Callable[[Asked, PullRequest], Told]
    ) -> Callable[[Asked], Told]:
        def handle(asked: Asked) -> Told:
            shown = self.state.find(int(asked.parts[1]))
            return (
                refused(404, "404 Not found")
                if shown is None
                else handler(asked, shown)
            )

        return handle

    # --- people and branches ---

    def _user(self, asked: Asked) -> Told:
        return Told(body=self._person(BOT))

    def _users(self, asked: Asked) -> Told:
        login = asked.query.get("username", "")
        known = [self._person(login)] if login in self.state.people else []
        return self._page(asked, known)

    def _person(self, login: str) -> Json:
        number = self.state.people.get(login, 99)
        return {"id": number, "username": login, "name": login, "state": "active"}

    def _branches(self, asked: Asked) -> Told:
        tips = self.state.repository.branches()
        return self._page(asked, [self._branch_body(*one) for one in tips.items()])

    def _branch_body(self, name: str, tip: str) -> Json:
        return {"name": name, "commit": {"id": tip}, "protected": name == "main"}

    def _branch(self, asked: Asked) -> Told:
        tip = self.state.tip(asked.parts[1])
        if tip is None:
            return refused(404, "404 Branch Not Found")
        return Told(body=self._branch_body(asked.parts[1], tip))

    def _unbranch(self, asked: Asked) -> Told:
        name = BranchName(asked.parts[1])
        tip = self.state.tip(name)
        if tip is None:
            return refused(404, "404 Branch Not Found")
        if name == "main":
            return refused(405, "405 Method Not Allowed: The default branch")
        self.state.writes["deleted"] += 1
        self.state.repository.delete_branch(name, expected=tip)
        return Told(status=204)

    def _merge_base(self, asked: Asked) -> Told:
        names = [value for name, value in asked.pairs if name == "refs[]"]
        tips = [tip for name in names if (tip := self.state.tip(name)) is not None]
        if len(tips) != 2:
            return refused(400, f"Could not find ref: {names[-1]}")
        base = self.state.repository.merge_base(tips[0], tips[1])
        if base is None:
            return refused(404, "404 Merge Base Not Found")
        return Told(body={"id": base})

    def _commit(self, asked: Asked) -> Told:
        sha = CommitId(asked.parts[1])
        if not self._has(sha):
            return refused(404, "404 Commit Not Found")
        entry = self.state.repository.history(sha, limit=1)[0]
        return Told(body={"id": sha, "parent_ids": list(entry.parents)})

    def _has(self, sha: CommitId) -> bool:
        try:
            return bool(self.state.repository.history(sha, limit=1))
        except GitError:
            return False

    # --- checks ---

    def _statuses(self, asked: Asked) -> Told:
        sha = CommitId(asked.parts[1])
        if not self._has(sha):
            return refused(404, "404 Commit Not Found")
        jobs: list[Json] = [
            {
                "id": 1,
                "sha": sha,
                "name": check.name,
                "status": _WORDS[check.state],
                "target_url": check.url or None,
                "allow_failure": check.name.startswith("optional"),
            }
            for check in self.state.builds.get(sha, {}).values()
        ]
        said: list[Json] = [
            {
                "id": 2,
                "sha": sha,
                "name": status.name,
                "status": _WORDS[status.state],
                "target_url": status.url or None,
                "description": status.description,
                "allow_failure": False,
            }
            for status in self.state.statuses.get(sha, {}).values()
        ]
        return self._page(asked, [*jobs, *said])

    def _report(self, asked: Asked) -> Told:
        sha = CommitId(asked.parts[1])
        name, word = asked.text("name"), asked.text("state")
        if not self._has(sha):
            return refused(404, "404 Commit Not Found")
        if word not in _CHECKS:
            return Told(status=400, body={"error": "state does not have a valid value"})
        kept = self.state.statuses.setdefault(sha, {})
        if name in kept and kept[name].state is CheckState.PENDING is _CHECKS[word]:
            return refused(
                400,
                "Cannot transition status via :enqueue from :pending (Reason(s): "
                'Status cannot transition via "enqueue")',
            )
        self.state.writes["reported"] += 1
        kept[name] = Status(
            name=name,
            state=_CHECKS[word],
            description=asked.text("description"),
            url=asked.text("target_url"),
        )
        return Told(status=201, body={"id": 2, "sha": sha, "status": word})

    def _pipeline(self, sha: CommitId) -> Json:
        builds = self.state.builds.get(sha, {})
        states = {
            check.state
            for check in builds.values()
            if not check.name.startswith("optional")
        }
        if not builds:
            source = "external" if self.state.statuses.get(sha) else ""
            plain = _plain_pipeline(sha, "running")
            return {**plain, "source": source} if source else None
        worst = next(
            (s for s in (CheckState.FAILED, CheckState.PENDING) if s in states),
            CheckState.PASSED,
        )
        return {**_plain_pipeline(sha, _WORDS[worst]), "source": "push"}

    # --- merge requests ---

    def _list(self, asked: Asked) -> Told:
        state, branch = (
            asked.query.get("state", "all"),
            asked.query.get("source_branch"),
        )
        found = [
            self._body(shown, is_listed=True)
            for shown in self.state.all()
            if state in ("all", _STATES[shown.state]) and branch in (None, shown.branch)
        ]
        if asked.query.get("sort", "desc") == "desc":
            found.reverse()
        return self._page(asked, found)

    def _create(self, asked: Asked) -> Told:
        source, target = asked.text("source_branch"), asked.text("target_branch")
        if source == target:
            return refused(
                422, ["You can't use same project/branch for source and target"]
            )
        for shown in self.state.all():
            same = (shown.branch, shown.base) == (source, target)
            if same and shown.state is PullRequestState.OPEN:
                return refused(
                    409,
                    [
                        "Another open merge request already exists for this source "
                        f"branch: !{shown.number}"
                    ],
                )
        if self.state.tip(source) is None:
            return refused(400, {"source_branch": ["does not exist"]})
        if len(asked.text("title")) > 255:
            return refused(400, {"title": ["is too long (maximum is 255 characters)"]})
        made = self.state.create(
            head=source,
            base=target,
            title=asked.text("title"),
            body="",
        )
        self._texts[made.number] = asked.text("description")
        return Told(status=201, body=self._body(made))

    def _read(self, asked: Asked, shown: PullRequest) -> Told:
        body = self._body(shown)
        if self.unprepared:
            self.unprepared -= 1
            body = {**body, "sha": None, "detailed_merge_status": "preparing"}
        return Told(body=body)

    def _body(self, shown: PullRequest, *, is_listed: bool = False) -> dict[str, Json]:
        number, state = shown.number, shown.state
        status = "unchecked" if is_listed else self._status(shown)
        reviewers = sorted(self.state.reviewers.get(number, set()))
        is_fork = number in self.state.from_forks
        return {
            "id": 1000 + number,
            "iid": number,
            "project_id": _PROJECT,
            "source_project_id": _FORK if is_fork else _PROJECT,
            "target_project_id": _PROJECT,
            "title": shown.title,
            "description": self._texts.get(number, "") or None,
            "state": _STATES[state],
            "created_at": _time(shown.created_at),
            "source_branch": shown.branch,
            "target_branch": shown.base,
            "author": self._person(shown.author),
            "sha": None if self.headless else shown.head,
            "web_url": f"https://gitlab.test/{self.project}/-/merge_requests/{number}",
            "labels": sorted(self.state.labels.get(number, set())),
            "reviewers": [self._person(login) for login in reviewers],
            "draft": number in self.state.drafts,
            "merge_commit_sha": shown.merge_commit,
            "squash_commit_sha": None,
            "merge_user": self._person(shown.closed_by)
            if state is PullRequestState.MERGED
            else None,
            "closed_by": self._person(shown.closed_by)
            if state is PullRequestState.CLOSED
            else None,
            "merge_when_pipeline_succeeds": number in self.state.merges_later,
            "has_conflicts": status == "conflict",
            "detailed_merge_status": status,
            "head_pipeline": self.pipeline or self._pipeline(shown.head),
        }

    def _status(self, shown: PullRequest) -> str:
        if shown.state is not PullRequestState.OPEN:
            return "not_open"
        if self.state.undecided:
            self.state.undecided -= 1
            return "checking"
        if shown.number in self.state.drafts:
            return "draft_status"
        if self._conflicts(shown):
            return "conflict"
        return "not_approved" if self.state.blocked else "mergeable"

    def _conflicts(self, shown: PullRequest) -> bool:
        tip = self.state.tip(shown.base)
        if tip is None:
            return False
        made = self.state.repository.merge_commit(
            tip, shown.head, "trial", PERSON, NOON
        )
        return isinstance(made, Conflict)

    def _change(self, asked: Asked, shown: PullRequest) -> Told:
        number = shown.number
        if asked.field("state_event") == "close":
            if shown.state is PullRequestState.MERGED:
                return refused(400, {"state": ["cannot transition via close"]})
            self.state.writes["closed"] += 1
            self.state.forge.close(number, by=BOT, now=self.state.now())
        is_open = shown.state is PullRequestState.OPEN
        texts = (asked.field("title"), asked.field("description"))
        if is_open and texts != (None, None):
            title, body = (t if isinstance(t, str) else None for t in texts)
            self.state.edit(number, title=title, body=None)
            self._texts[number] = self._texts[number] if body is None else body
        if added := _list_of(asked.field("add_labels")):
            self.state.writes["labelled"] += 1
            self.state.labels.setdefault(number, set()).update(map(str, added))
        if ids := _list_of(asked.field("reviewer_ids")):
            self.state.writes["asked"] += 1
            logins = {n: login for login, n in self.state.people.items()}
            self.state.reviewers[number] = {
                logins[n]
                for n in ids
                if isinstance(n, int) and logins.get(n) in self.state.collaborators
            }
        return Told(body=self._body(self.state.forge.read(number)))

    # --- approvals and notes ---

    def approve(self, number: int, *, by: str) -> None:
        """A person approves the present head; GitLab notes that."""
        self.state.approve(number, by=by)

    def _standing(self, number: int) -> dict[str, tuple[CommitId, datetime]]:
        """Return who approved, of which head and when; no push ends that."""
        gone = {(n, by): at for n, by, at in self.unapproved}
        found: dict[str, tuple[CommitId, datetime]] = {}
        for one in self.state.approvals_of(number):
            if gone.get((number, one.by), NOON) < one.at:
                found[one.by] = (one.head, one.at)
        return found

    def _approvals(self, asked: Asked, shown: PullRequest) -> Told:
        given: list[Json] = [
            {
                "user": self._person(by),
                **({"approved_at": _time(at)} if self.tells_when else {}),
            }
            for by, (_, at) in self._standing(shown.number).items()
        ]
        return Told(
            body={
                "id": 1000 + shown.number,
                "iid": shown.number,
                "approved": not self.state.blocked,
                "approved_by": given,
            }
        )

    def _versions(self, asked: Asked, shown: PullRequest) -> Told:
        """Show a version for each head that is known, the newest first."""
        moment = timedelta(milliseconds=500)
        known: list[tuple[datetime, CommitId]] = []
        for one in sorted(self.state.approvals_of(shown.number), key=lambda a: a.at):
            if not known or known[-1][1] != one.head:
                known.append((one.at - moment, one.head))
        if not known or known[-1][1] != shown.head:
            known.append((self.state.now(), shown.head))
        found: list[Json] = [
            {"id": n, "head_commit_sha": head, "created_at": _time(at)}
            for n, (at, head) in enumerate(known, start=1)
        ]
        return self._page(asked, found[::-1])

    def _notes(self, asked: Asked, shown: PullRequest) -> Told:
        said = [
            (note.comment.at, note.id, note.comment.by, note.comment.text, False)
            for note in self.state.notes_of(shown.number)
        ]
        said += [
            (one.at, 5000 + n, one.by, "approved this merge request", True)
            for n, one in enumerate(self.state.approvals_of(shown.number))
        ]
        said += [
            (at, 6000 + n, by, "unapproved this merge request", True)
            for n, (number, by, at) in enumerate(self.unapproved)
            if number == shown.number
        ]
        return self._page(asked, [self._note(*one) for one in sorted(said)])

    def _note(
        self, at: datetime, number: int, by: str, text: str, system: bool
    ) -> Json:
        return {
            "id": number,
            "body": text,
            "author": self._person(by),
            "created_at": _time(at),
            "system": system,
        }

    def _say(self, asked: Asked, shown: PullRequest) -> Told:
        note = self.state.say(shown.number, asked.text("body"))
        said = note.comment
        return Told(
            status=201, body=self._note(said.at, note.id, said.by, said.text, False)
        )

    def _rewrite(self, asked: Asked, shown: PullRequest) -> Told:
        note = self.state.rewrite(int(asked.parts[2]), asked.text("body"))
        if note is None:
            return refused(404, "404 Note Not Found")
        said = note.comment
        return Told(body=self._note(said.at, note.id, said.by, said.text, False))

    # --- merging ---

    def _merge(self, asked: Asked, shown: PullRequest) -> Told:
        later = asked.field("auto_merge") is True
        pipeline = self._pipeline(shown.head)
        word = pipeline["status"] if isinstance(pipeline, dict) else None
        status = self._status(shown)
        if shown.state is not PullRequestState.OPEN or status == "draft_status":
            return _NO_METHOD
        if status == "checking":
            return refused(422, "Branch cannot be merged")
        waits = word == "running" or (self.schedules and status == "not_approved")
        if later and not waits and word != "success":
            return _NO_METHOD
        if not later and status != "mergeable":
            return _NO_METHOD
        if asked.text("sha") != shown.head:
            return refused(
                409, f"SHA does not match HEAD of source branch: {shown.head}"
            )
        if later and waits:
            self.state.writes["scheduled"] += 1
            self.state.merges_later.add(shown.number)
            return Told(body=self._body(shown))
        return self._merged(shown)

    def _merged(self, shown: PullRequest) -> Told:
        self.state.writes["merged"] += 1
        done = self.state.forge.merge(
            shown.number, head=shown.head, by=BOT, now=self.state.now()
        )
        if not isinstance(done, Merged):
            return _NO_METHOD
        return Told(body=self._body(done.pull_request))

    # --- pages ---

    def _page(self, asked: Asked, items: Sequence[Json]) -> Told:
        number = int(asked.query.get("page", "1"))
        size = min(int(asked.query.get("per_page", "20")), self.page)
        shown = list(items[(number - 1) * size : number * size])
        if number * size >= len(items):
            return Told(body=shown, headers={"X-Next-Page": ""})
        query = {**asked.query, "page": str(number + 1)}
        root = self.link_root or asked.root
        link = f'<{root}{_ROOT}{asked.path}?{urlencode(query)}>; rel="next"'
        headers = {"Link": link}
        if not self.keyset:
            headers["X-Next-Page"] = str(number + 1)
        return Told(body=shown, headers=headers)


def _plain_pipeline(sha: CommitId, status: str) -> dict[str, Json]:
    return {
        "id": 9,
        "sha": sha,
        "ref": "some-branch",
        "status": status,
        "web_url": "https://gitlab.test/-/pipelines/9",
    }


def _list_of(value: Json) -> list[Json]:
    return list(value) if isinstance(value, list) else []


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
