"""The API of Gitea and Forgejo, version 1, over the state of a fake forge.

Faithful in what adapters stumble over: null for empty lists, a change that is answered
with 201, refusals that only their texts tell apart, a merge that is refused with the
same words while it is looked at and when there is a conflict, an empty body for what
is merged already, labels by their ids, pages that are cut short.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

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
from tests.support.forges.state import BOT, PERSON, ForgeState
from tests.support.forges.wire import Asked, Handler, Told, Wire
from tests.support.servers import Server

_ROOT: Final = "/api/v1"
_REPO: Final = "/repos/{}/{}"
_PULL: Final = f"{_REPO}/pulls/{{}}"
_SWAGGER: Final = "https://forgejo.test/api/swagger"
_OURS: Final = 531
_FORK: Final = 532
_WORDS: Final = {
    CheckState.PENDING: "pending",
    CheckState.PASSED: "success",
    CheckState.FAILED: "failure",
}
_STATES: Final = {word: state for state, word in _WORDS.items()}


def refused(status: int, message: str, *more: str) -> Told:
    """Write an error as Gitea does."""
    body: dict[str, Json] = {"message": message, "url": _SWAGGER}
    return Told(status=status, body={**body, "errors": list(more)} if more else body)


_NOT_FOUND: Final = refused(404, "The target couldn't be found.")


class FakeGitea:
    """One Forgejo with one repository.

    Attributes:
        state: what it keeps.
        wire: its routes and faults.
        page: the most items that one page has.
        link_root: where `Link` leads, when not to this server.
        label_ids: the repository's labels.
        reviews: more of them, as they are sent, by number of the pull request.
        extra_pulls: more pull requests of lists, as they are sent.
        refusal_409: the body of a conflict that only the merge itself finds.
        before_merge: what others do in the last moment before one.
    """

    def __init__(self, state: ForgeState) -> None:
        self.state = state
        self.page = 3
        self.link_root = ""
        self.label_ids: dict[str, int] = {"other": 70}
        self.reviews: dict[int, list[dict[str, Json]]] = {}
        self.extra_pulls: list[Json] = []
        self.refusal_409: Json = None
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
        kind, _, token = asked.headers.get("authorization", "").partition(" ")
        if kind != "token" or token not in self.state.tokens:
            return refused(401, "user does not exist [uid: 0, name: ]")
        ours = f"/repos/{self.state.owner}/{self.state.name}"
        if asked.path.startswith("/repos/") and not f"{asked.path}/".startswith(
            f"{ours}/"
        ):
            return _NOT_FOUND
        if asked.method != "GET" and not self.state.may_write:
            if asked.path.endswith("/merge"):
                return refused(405, "User not allowed to merge PR")
            needs = "token does not have at least one of required scope(s)"
            return refused(403, f"{needs}: [write:repository]")
        return None

    def _routes(self) -> None:
        on = self.wire.on
        on("GET", "/user")(lambda _: Told(body=self._person(BOT)))
        on("GET", _REPO)(lambda _: Told(body={"id": _OURS, "name": self.state.name}))
        on("GET", f"{_REPO}/branches/{{}}")(self._branch)
        on("DELETE", f"{_REPO}/branches/{{}}")(self._unbranch)
        on("GET", f"{_REPO}/compare/{{}}")(self._compare)
        on("GET", f"{_REPO}/commits/{{}}/status")(self._combined)
        on("POST", f"{_REPO}/statuses/{{}}")(self._report)
        on("GET", f"{_REPO}/labels")(self._labels)
        on("POST", f"{_REPO}/labels")(self._new_label)
        on("GET", f"{_REPO}/pulls")(self._list)
        on("POST", f"{_REPO}/pulls")(self._create)
        on("GET", _PULL)(self._with(lambda _, shown: Told(body=self._body(shown))))
        on("PATCH", _PULL)(self._with(self._change))
        on("GET", f"{_PULL}/reviews")(self._with(self._reviews))
        on("POST", f"{_PULL}/requested_reviewers")(self._with(self._ask))
        on("POST", f"{_PULL}/merge")(self._with(self._merge))
        on("GET", f"{_REPO}/issues/{{}}/timeline")(self._with(self._timeline))
        on("GET", f"{_REPO}/issues/{{}}/comments")(self._with(self._notes))
        on("POST", f"{_REPO}/issues/{{}}/comments")(self._with(self._say))
        on("POST", f"{_REPO}/issues/{{}}/labels")(self._with(self._label))
        on("PATCH", f"{_REPO}/issues/comments/{{}}")(self._rewrite)

    def _with(self, handler: Callable[[Asked, PullRequest], Told]) -> Handler:
        def handle(asked: Asked) -> Told:
            shown = self.state.find(int(asked.parts[2]))
            return _NOT_FOUND if shown is None else handler(asked, shown)

        return handle

    # --- people and branches ---

    def _person(self, login: str) -> Json:
        number = self.state.people.get(login, 99)
        return {
            "id": number,
            "login": login,
            "full_name": "",
            "email": f"{login}@x.test",
        }

    def _branch(self, asked: Asked) -> Told:
        tip = self.state.tip(asked.parts[2])
        if tip is None:
            return refused(
                404, "The target couldn't be found.", "branch does not exist"
            )
        return Told(body={"name": asked.parts[2], "commit": {"id": tip}})

    def _unbranch(self, asked: Asked) -> Told:
        name = BranchName(asked.parts[2])
        tip = self.state.tip(name)
        if tip is None:
            return _NOT_FOUND
        if name == "main":
            return refused(403, "can not delete default branch")
        self.state.writes["deleted"] += 1
        self.state.repository.delete_branch(name, expected=tip)
        return Told(status=204)

    def _commit(self, name: str) -> CommitId | None:
        tip = self.state.tip(name)
        if tip is None and len(name) == 40 and self._has(CommitId(name)):
            return CommitId(name)
        return tip

    def _has(self, sha: CommitId) -> bool:
        try:
            return bool(self.state.repository.history(sha, limit=1))
        except GitError:
            return False

    def _compare(self, asked: Asked) -> Told:
        before, _, after = asked.parts[2].partition("...")
        ends = (self._commit(before), self._commit(after))
        if ends[0] is None or ends[1] is None:
            return refused(404, "The target couldn't be found.", "could not find it")
        git = self.state.repository
        held = {one.id for one in git.history(ends[0])}
        new = [one for one in git.history(ends[1]) if one.id not in held]
        commits: list[Json] = [
            {"sha": one.id, "files": self._files(one.id, one.parents)} for one in new
        ]
        body = {"total_commits": len(new), "commits": commits or None, "files": None}
        return Told(body=body)

    def _files(self, commit: CommitId, parents: Sequence[CommitId]) -> Json:
        entries = self.state.repository.read_tree(commit).entries
        old = self.state.repository.read_tree(parents[0]).entries if parents else {}
        changed = sorted(
            path for path in {**entries, **old} if entries.get(path) != old.get(path)
        )
        return [{"filename": path, "status": "modified"} for path in changed]

    # --- checks ---

    def _combined(self, asked: Asked) -> Told:
        sha = CommitId(asked.parts[2])
        builds = self.state.builds.get(sha, {}).values()
        said = self.state.statuses.get(sha, {}).values()
        kept = [(one.name, one.state, one.url) for one in builds]
        kept += [(one.name, one.state, one.url) for one in said]
        items: list[Json] = [
            {"id": 1, "context": name, "status": _WORDS[state], "target_url": url}
            for name, state, url in kept
        ]
        page, headers = self._cut(asked, items)
        body: Json = {"sha": sha, "state": "pending", "statuses": page or None}
        return Told(body=body, headers=headers)

    def _report(self, asked: Asked) -> Told:
        sha = CommitId(asked.parts[2])
        if not self._has(sha):
            return _NOT_FOUND
        self.state.writes["reported"] += 1
        name = asked.text("context")
        status = Status(
            name=name,
            state=_STATES[asked.text("state")],
            description=asked.text("description"),
            url=asked.text("target_url"),
        )
        self.state.statuses.setdefault(sha, {})[name] = status
        return Told(status=201, body={"id": 2, "context": name})

    # --- labels and reviewers ---

    def _label_body(self, name: str) -> Json:
        return {"id": self.label_ids[name], "name": name, "color": "70c24a"}

    def _labels(self, asked: Asked) -> Told:
        items = [self._label_body(name) for name in sorted(self.label_ids)]
        page, headers = self._cut(asked, items)
        return Told(body=page, headers=headers)

    def _new_label(self, asked: Asked) -> Told:
        name = asked.text("name")
        self.state.writes["label made"] += 1
        self.label_ids[name] = 71 + len(self.label_ids)
        return Told(status=201, body=self._label_body(name))

    def _label(self, asked: Asked, shown: PullRequest) -> Told:
        wanted = asked.field("labels")
        names = {number: name for name, number in self.label_ids.items()}
        ids = (
            [one for one in wanted if isinstance(one, int)]
            if isinstance(wanted, list)
            else []
        )
        if not isinstance(wanted, list) or len(ids) != len(wanted):
            return refused(422, "json: cannot unmarshal string into Go value of int64")
        self.state.writes["labelled"] += 1
        has = self.state.labels.setdefault(shown.number, set())
        has.update(names[one] for one in ids if one in names)
        return Told(body=[self._label_body(name) for name in sorted(has)])

    def _ask(self, asked: Asked, shown: PullRequest) -> Told:
        logins = asked.field("reviewers")
        for login in map(str, logins if isinstance(logins, list) else []):
            if login not in self.state.people:
                return refused(404, f"user does not exist [uid: 0, name: {login}]")
            if login == shown.author:
                return refused(422, "poster of pr can't be reviewer")
            if login not in self.state.collaborators:
                return refused(422, "Reviewer can't read")
            self.state.writes["asked"] += 1
            self.state.reviewers.setdefault(shown.number, set()).add(login)
        return Told(status=201, body=[])

    # --- pull requests ---

    def _list(self, asked: Asked) -> Told:
        wanted = asked.query.get("state", "open")
        found = [
            self._body(shown)
            for shown in self.state.all()
            if wanted == "all" or wanted == _state(shown)
        ] + self.extra_pulls
        if asked.query.get("sort") != "oldest":
            found.reverse()
        page, headers = self._cut(asked, found)
        return Told(body=page, headers=headers)

    def _create(self, asked: Asked) -> Told:
        head, base = asked.text("head"), asked.text("base")
        if head == base:
            why = "There are no changes between the head and the base"
            return refused(422, f"Invalid PullRequest: {why}")
        for name in (base, head):
            if self._commit(name) is None:
                return refused(404, "The target couldn't be found.", f"no '{name}'")
        for shown in self.state.all():
            same = (shown.branch, shown.base) == (head, base)
            if same and shown.state is PullRequestState.OPEN:
                return refused(
                    409,
                    "pull request already exists for these targets [id: 9, issue_id: "
                    f"{shown.number}, head_repo_id: {_OURS}, base_repo_id: {_OURS}, "
                    f"head_branch: {head}, base_branch: {base}]",
                )
        made = self.state.create(
            head=head, base=base, title=asked.text("title"), body=asked.text("body")
        )
        return Told(status=201, body=self._body(made))

    def _body(self, shown: PullRequest) -> Json:
        number, is_merged = shown.number, shown.state is PullRequestState.MERGED
        labels = sorted(self.state.labels.get(number, set()))
        reviewers = sorted(self.state.reviewers.get(number, set()))
        is_gone = self.state.tip(shown.branch) is None
        fork = number in self.state.from_forks
        return {
            "id": 9000 + number,
            "number": number,
            "html_url": f"https://forgejo.test/team/fleet/pulls/{number}",
            "title": shown.title,
            "body": shown.body,
            "state": _state(shown),
            "draft": number in self.state.drafts,
            "user": self._person(shown.author),
            "created_at": _time(shown.created_at),
            "closed_at": None,
            "merged": is_merged,
            "merged_at": None,
            "merged_by": self._person(shown.closed_by) if is_merged else None,
            "merge_commit_sha": shown.merge_commit,
            "mergeable": self._is_mergeable(shown),
            "labels": [self._label_body(name) for name in labels] or None,
            "assignee": None,
            "assignees": None,
            "requested_reviewers": [self._person(one) for one in reviewers] or None,
            "requested_reviewers_teams": None,
            "milestone": None,
            "base": {
                "label": shown.base,
                "ref": shown.base,
                "sha": self.state.tip(shown.base) or "",
                "repo_id": _OURS,
            },
            "head": {
                "label": shown.branch,
                "ref": f"refs/pull/{number}/head" if is_gone else shown.branch,
                "sha": shown.head,
                "repo_id": _FORK if fork else _OURS,
                "repo": None,
            },
        }

    def _is_mergeable(self, shown: PullRequest) -> bool:
        return not (
            self.state.undecided
            or shown.number in self.state.drafts
            or self._conflicts(shown)
        )

    def _conflicts(self, shown: PullRequest) -> bool:
        tip = self.state.tip(shown.base)
        if shown.state is not PullRequestState.OPEN or tip is None:
            return False
        made = self.state.repository.merge_commit(
            tip, shown.head, "trial", PERSON, shown.created_at
        )
        return isinstance(made, Conflict)

    def _change(self, asked: Asked, shown: PullRequest) -> Told:
        number = shown.number
        if asked.text("state"):
            if shown.state is PullRequestState.MERGED:
                return refused(
                    412,
                    "cannot change state of this pull request, it was already merged",
                )
            self.state.writes["closed"] += 1
            self.state.forge.close(number, by=BOT, now=self.state.now())
        if shown.state is PullRequestState.OPEN and asked.text("title"):
            body = asked.field("body")
            self.state.edit(
                number,
                title=asked.text("title"),
                body=body if isinstance(body, str) else None,
            )
        changed = self.state.find(number)
        assert changed is not None
        return Told(status=201, body=self._body(changed))

    # --- people's words ---

    def _reviews(self, asked: Asked, shown: PullRequest) -> Told:
        found: list[Json] = [
            {
                "id": 100 + n,
                "user": self._person(one.by),
                "state": "APPROVED",
                "commit_id": one.head,
                "stale": one.head != shown.head,
                "official": one.by in self.state.collaborators,
                "dismissed": False,
                "submitted_at": _time(one.at),
                "team": None,
            }
            for n, one in enumerate(self.state.approvals_of(shown.number))
        ]
        page, headers = self._cut(asked, [*found, *self.reviews.get(shown.number, [])])
        return Told(body=page, headers=headers)

    def _timeline(self, asked: Asked, shown: PullRequest) -> Told:
        events: list[Json] = [
            {"id": note.id, "type": "comment", "user": self._person(note.comment.by)}
            for note in self.state.notes_of(shown.number)
        ]
        if shown.state is PullRequestState.CLOSED:
            by = self._person(shown.closed_by)
            events.append({"id": 9999, "type": "close", "user": by})
        page, _ = self._cut(asked, events)
        return Told(body=page, headers={"X-Total-Count": str(len(page))})

    def _notes(self, asked: Asked, shown: PullRequest) -> Told:
        found = self.state.notes_of(shown.number)
        return Told(body=[self._note(n.id, n.comment) for n in found])

    def _note(self, number: int, said: object) -> Json:
        by, at, text = (getattr(said, name) for name in ("by", "at", "text"))
        return {
            "id": number,
            "user": self._person(by),
            "created_at": _time(at),
            "updated_at": _time(at),
            "body": text,
            "assets": [],
        }

    def _say(self, asked: Asked, shown: PullRequest) -> Told:
        note = self.state.say(shown.number, asked.text("body"))
        return Told(status=201, body=self._note(note.id, note.comment))

    def _rewrite(self, asked: Asked) -> Told:
        note = self.state.rewrite(int(asked.parts[2]), asked.text("body"))
        if note is None:
            return _NOT_FOUND
        return Told(body=self._note(note.id, note.comment))

    # --- merging ---

    def _merge(self, asked: Asked, shown: PullRequest) -> Told:
        self.before_merge()
        shown = self.state.forge.read(shown.number)
        later = asked.field("merge_when_checks_succeed") is True
        refusal = self._not_mergeable(shown, later=later)
        if refusal is not None:
            return refusal
        if later and not self._is_green(shown.head):
            if shown.number in self.state.merges_later:
                return refused(
                    409,
                    "pull request is already scheduled to auto merge when checks "
                    f"succeed [pull_id: {shown.number}]",
                )
            self.state.writes["scheduled"] += 1
            self.state.merges_later.add(shown.number)
            return Told(status=201)
        if asked.text("head_commit_id") not in ("", shown.head):
            return refused(409, "head out of date")
        if self.refusal_409 is not None:
            return Told(status=409, body=self.refusal_409)
        self.state.writes["merged"] += 1
        done = self.state.forge.merge(
            shown.number, head=shown.head, by=BOT, now=self.state.now()
        )
        assert isinstance(done, Merged)
        return Told(status=200)

    def _not_mergeable(self, shown: PullRequest, *, later: bool) -> Told | None:
        if shown.state is PullRequestState.MERGED:
            return refused(405, "")
        if shown.state is PullRequestState.CLOSED:
            return _NOT_FOUND
        if shown.number in self.state.drafts:
            return refused(405, "Work in progress PRs cannot be merged")
        if self.state.undecided:
            self.state.undecided -= 1
            return refused(405, "Please try again later")
        if self._conflicts(shown):
            return refused(405, "Please try again later")
        if self.state.blocked and not later:
            return refused(405, f"not allowed to merge [reason: {self.state.blocked}]")
        return None

    def _is_green(self, head: CommitId) -> bool:
        states = {one.state for one in self.state.builds.get(head, {}).values()}
        return states == {CheckState.PASSED}

    # --- pages ---

    def _cut(
        self, asked: Asked, items: Sequence[Json]
    ) -> tuple[list[Json], dict[str, str]]:
        number = int(asked.query.get("page", "1"))
        size = min(int(asked.query.get("limit", "30")), self.page)
        shown = list(items[(number - 1) * size : number * size])
        headers = {"X-Total-Count": str(len(items))}
        if number * size < len(items):
            query = {**asked.query, "page": str(number + 1)}
            root = self.link_root or asked.root
            target = f"{root}{_ROOT}{asked.path}?{urlencode(query)}"
            headers["Link"] = f'<{target}>; rel="next"'
        return shown, headers


def _state(shown: PullRequest) -> str:
    return "open" if shown.state is PullRequestState.OPEN else "closed"


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
