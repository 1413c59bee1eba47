"""Azure DevOps' REST API over the state of a fake forge.

Faithful in what adapters stumble over: sign-in pages for refused credentials, refusals
with HTTP 200, merges that are made a moment later, votes that name no commit and
outlive a push, bodies that lists cut short, and pages of three kinds.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

from gitops.errors import GitError
from gitops.forges import Status
from gitops.git import Conflict
from gitops.model import (
    BranchName,
    Check,
    CheckState,
    CommitId,
    Json,
    PullRequest,
    PullRequestState,
)
from tests.support.forges.state import BOT, NOON, PERSON, ForgeState
from tests.support.forges.wire import Asked, Told, Wire

ROOT: Final = "/org"
PROJECT: Final = "Fleet Project"
SERVICE: Final = "00000002-0000-8888-8000-000000000000"
_PROJECT_ID: Final = "11111111-1111-4111-8111-111111111111"
_GIT: Final = "/{}/_apis/git/repositories/{}"
_ONE: Final = f"{_GIT}/pullrequests/{{}}"
_MORE: Final = f"{_GIT}/pullRequests/{{}}"
_HEADS: Final = "refs/heads/"
_DESCRIPTION: Final = 4000
_LISTED: Final = 400
_STATES: Final = {
    PullRequestState.OPEN: "active",
    PullRequestState.MERGED: "completed",
    PullRequestState.CLOSED: "abandoned",
}
_STATUSES: Final = {
    CheckState.PENDING: "pending",
    CheckState.PASSED: "succeeded",
    CheckState.FAILED: "failed",
}
_EVALUATIONS: Final = {
    CheckState.PENDING: "queued",
    CheckState.PASSED: "approved",
    CheckState.FAILED: "rejected",
}
_BUILD: Final = "0609b952-1397-4640-95ec-e00a01b2c241"
_REVIEWERS: Final = "fa4e907d-c16b-4a4c-9dfa-4906e5d171dd"
_SIGN_IN: Final = "<html><title>Azure DevOps Services | Sign In</title></html>"


def refused(status: int, kind: str, message: str) -> Told:
    """Write an error as Azure DevOps does."""
    body: Json = {
        "$id": "1",
        "innerException": None,
        "message": message,
        "typeName": f"Microsoft.TeamFoundation.Git.Server.{kind}",
        "typeKey": kind,
        "errorCode": 0,
        "eventId": 3000,
    }
    return Told(status=status, body=body)


def identity_of(login: str, number: int) -> dict[str, Json]:
    """Return somebody as answers show them."""
    return {
        "id": f"{number:08x}-0000-4000-8000-000000000000",
        "displayName": login.title(),
        "uniqueName": login,
    }


class FakeAzure:
    """One organization with one project and one repository.

    Attributes:
        state: what it keeps.
        wire: its routes and faults.
        page: the most items that one page has.
        unmerged: answers that show no head yet, for pull requests.
        lags: lists that do not show anything yet.
        delay_s: told beside who we are, as `Retry-After`.
        is_slow: merges are made only by `settle`.
        tells_conflicts: completing a conflict is refused, not just left undone.
        locked: branches that a lock keeps.
        votes: of people, where it is not what they approved.
        threads: more of them, by number of the pull request.
        account: our name as the connection tells it.
    """

    def __init__(self, state: ForgeState) -> None:
        self.state = state
        self.page = 3
        self.unmerged = 0
        self.lags = 0
        self.delay_s = 0
        self.is_slow = False
        self.tells_conflicts = False
        self.locked: set[str] = set()
        self.votes: dict[tuple[int, str], int] = {}
        self.threads: dict[int, list[Json]] = {}
        self.account = BOT
        self._queued: list[PullRequest] = []
        self.wire = Wire(
            root=ROOT,
            check=self._refusal,
            missing=refused(404, "NotFound", "The controller for path was not found."),
        )
        self._routes()

    # --- who may ---

    def _refusal(self, asked: Asked) -> Told | None:
        proofs = {
            f"Basic {b64encode(f':{token}'.encode()).decode()}"
            for token in self.state.tokens
        } | {f"Bearer {token}" for token in self.state.tokens}
        if asked.headers.get("authorization") not in proofs:
            if asked.method == "GET":
                return Told(status=203, body=_SIGN_IN)
            if asked.method == "POST":
                to = {"Location": "https://spsprodeus21.vssps.visualstudio.com/_signin"}
                return Told(status=302, body=_SIGN_IN, headers=to)
            said = "TF400813: The user 'anonymous' is not authorized"
            return refused(401, "UnauthorizedRequestException", said)
        if not asked.query.get("api-version", "").startswith("7.1"):
            said = "No api-version was supplied for the request."
            return refused(400, "VssVersionNotSpecifiedException", said)
        here = f"/{quote(PROJECT)}/_apis/git/repositories/{self.state.name}"
        if "/git/" in asked.path and not asked.path.startswith(f"{here}/"):
            said = "TF401019: The Git repository does not exist or you do not have"
            return refused(404, "GitRepositoryNotFoundException", said)
        if asked.method != "GET" and not self.state.may_write:
            said = "TF401027: You need the Git 'PullRequestContribute' permission"
            return refused(403, "GitNeedsPermissionException", said)
        return None

    def _routes(self) -> None:
        on = self.wire.on
        on("GET", "/_apis/connectionData")(self._connection)
        on("GET", "/_apis/identities")(self._identities)
        on("GET", "/{}/_apis/policy/evaluations")(self._evaluations)
        on("GET", f"{_GIT}/refs")(self._refs)
        on("POST", f"{_GIT}/refs")(self._update_refs)
        on("GET", f"{_GIT}/commits/{{}}/mergebases")(self._merge_bases)
        on("GET", f"{_GIT}/commits/{{}}/statuses")(self._statuses)
        on("POST", f"{_GIT}/commits/{{}}/statuses")(self._report)
        on("GET", f"{_GIT}/pullrequests")(self._list)
        on("POST", f"{_GIT}/pullrequests")(self._create)
        on("GET", _ONE)(self._with(self._read))
        on("PATCH", _ONE)(self._with(self._change))
        on("GET", f"{_MORE}/iterations")(self._with(self._iterations))
        on("GET", f"{_MORE}/labels")(self._with(self._labels))
        on("POST", f"{_MORE}/labels")(self._with(self._label))
        on("PUT", f"{_MORE}/reviewers/{{}}")(self._with(self._ask))
        on("GET", f"{_MORE}/threads")(self._with(self._threads))
        on("POST", f"{_MORE}/threads")(self._with(self._say))
        on("PATCH", f"{_MORE}/threads/{{}}/comments/{{}}")(self._with(self._rewrite))

    def _with(
        self, handler: Callable[[Asked, PullRequest], Told]
    ) -> Callable[[Asked], Told]:
        def handle(asked: Asked) -> Told:
            shown = self.state.find(int(asked.parts[2]))
            if shown is None:
                said = "TF401180: The requested pull request was not found."
                return refused(404, "GitPullRequestNotFoundException", said)
            return handler(asked, shown)

        return handle

    # --- people ---

    def person(self, login: str) -> dict[str, Json]:
        """Return somebody as answers show them."""
        return identity_of(login, self.state.people.get(login, 99))

    def _connection(self, asked: Asked) -> Told:
        us = self.person(BOT)
        body: Json = {
            "authenticatedUser": {
                "id": us["id"],
                "providerDisplayName": us["displayName"],
                "properties": {
                    "Account": {"$type": "System.String", "$value": self.account}
                },
            }
        }
        delay = {"Retry-After": str(self.delay_s)} if self.delay_s else {}
        return Told(body=body, headers=delay)

    def _identities(self, asked: Asked) -> Told:
        wanted = asked.query.get("filterValue", "")
        found = [self.person(wanted)] if wanted in self.state.people else []
        return _listed([{**one, "isContainer": False} for one in found])

    # --- branches and commits ---

    def _refs(self, asked: Asked) -> Told:
        start = f"refs/{asked.query.get('filter', '')}"
        named: list[Json] = [
            {"name": f"{_HEADS}{name}", "objectId": tip}
            for name, tip in sorted(self.state.repository.branches().items())
            if f"{_HEADS}{name}".startswith(start)
        ]
        begin = int(asked.query.get("continuationToken", "0"))
        end = begin + self.page
        token = {"x-ms-continuationtoken": str(end)} if end < len(named) else {}
        return _listed(named[begin:end], token)

    def _update_refs(self, asked: Asked) -> Told:
        updates = asked.body if isinstance(asked.body, list) else []
        return _listed([self._updated(one) for one in updates])

    def _updated(self, update: Json) -> Json:
        assert isinstance(update, dict)
        name = BranchName(str(update["name"]).removeprefix(_HEADS))
        tip, said = self.state.tip(name), "succeeded"
        if name in self.locked:
            said = "locked"
        elif tip is None:
            said = "succeededNonExistentRef"
        elif tip != update["oldObjectId"]:
            said = "staleOldObjectId"
        else:
            self.state.writes["deleted"] += 1
            self.state.repository.delete_branch(name, expected=tip)
        return {
            "name": update["name"],
            "oldObjectId": update["oldObjectId"],
            "newObjectId": update["newObjectId"],
            "success": said.startswith("succeeded"),
            "updateStatus": said,
        }

    def _merge_bases(self, asked: Asked) -> Told:
        one, other = CommitId(asked.parts[2]), asked.query.get("otherCommitId", "")
        try:
            base = self.state.repository.merge_base(one, CommitId(other))
        except GitError:
            said = "TF401175: The version descriptor could not be resolved"
            return refused(404, "GitUnresolvableToCommitException", said)
        return _listed([{"commitId": base}] if base else [])

    def _statuses(self, asked: Asked) -> Told:
        kept = self.state.statuses.get(CommitId(asked.parts[2]), {}).values()
        found: list[Json] = [
            {
                "id": number,
                "state": _STATUSES[status.state],
                "description": status.description,
                "targetUrl": status.url,
                "context": {"name": status.name, "genre": None},
            }
            for number, status in enumerate(kept, start=1)
        ]
        begin = int(asked.query.get("skip", "0"))
        return _listed(found[begin : begin + self.page])

    def _report(self, asked: Asked) -> Told:
        sha, context = CommitId(asked.parts[2]), asked.field("context")
        states = {word: state for state, word in _STATUSES.items()}
        word = asked.text("state")
        assert isinstance(context, dict)
        self.state.writes["reported"] += 1
        name = str(context["name"])
        self.state.statuses.setdefault(sha, {})[name] = Status(
            name=name,
            state=states[word],
            description=asked.text("description"),
            url=asked.text("targetUrl"),
        )
        return Told(status=201, body={"id": 1, "state": word, "context": context})

    def _evaluations(self, asked: Asked) -> Told:
        number = int(asked.query["artifactId"].rpartition("/")[2])
        shown = self.state.forge.read(number)
        found = [
            _evaluation(_BUILD, "Build", check)
            for check in self.state.builds.get(shown.head, {}).values()
        ]
        if self.state.blocked:
            waits = Check(name="", state=CheckState.PENDING)
            found.append(_evaluation(_REVIEWERS, "Minimum number of reviewers", waits))
        return _listed(found)

    # --- pull requests ---

    def _list(self, asked: Asked) -> Told:
        query = asked.query
        status = query.get("searchCriteria.status", "active")
        source = query.get("searchCriteria.sourceRefName")
        creator = query.get("searchCriteria.creatorId")
        found = [
            self._body(shown, is_listed=True)
            for shown in reversed(self.state.all())
            if status in ("all", _STATES[shown.state])
            and source in (None, f"{_HEADS}{shown.branch}")
            and creator in (None, self.person(shown.author)["id"])
        ]
        if self.lags:
            self.lags -= 1
            return _listed([])
        begin = int(query.get("$skip", "0"))
        size = min(int(query.get("$top", "101")), self.page)
        return _listed(found[begin : begin + size])

    def _create(self, asked: Asked) -> Told:
        source = asked.text("sourceRefName").removeprefix(_HEADS)
        target = asked.text("targetRefName").removeprefix(_HEADS)
        if self.state.tip(source) is None or self.state.tip(target) is None:
            said = (
                "TF401398: The pull request cannot be activated because the source "
                "and/or the target branch no longer exists"
            )
            return refused(400, "GitPullRequestCannotBeActivated", said)
        for shown in self.state.all():
            same = (shown.branch, shown.base) == (source, target)
            if same and shown.state is PullRequestState.OPEN:
                said = (
                    "TF401179: An active pull request for the source and target branch "
                    "already exists."
                )
                return refused(409, "GitPullRequestExistsException", said)
        if len(asked.text("description")) > _DESCRIPTION:
            said = "Invalid argument value. Parameter name: description"
            return refused(400, "InvalidArgumentValueException", said)
        made = self.state.create(
            head=source,
            base=target,
            title=asked.text("title"),
            body=asked.text("description"),
        )
        return Told(status=201, body=self._body(made))

    def _read(self, asked: Asked, shown: PullRequest) -> Told:
        body = self._body(shown)
        if self.unmerged:
            self.unmerged -= 1
            del body["lastMergeSourceCommit"]
            body["mergeStatus"] = "queued"
        return Told(body=body)

    def _body(self, shown: PullRequest, *, is_listed: bool = False) -> dict[str, Json]:
        number, ended = shown.number, shown.state is not PullRequestState.OPEN
        body: dict[str, Json] = {
            "pullRequestId": number,
            "repository": {
                "name": self.state.name,
                "project": {"id": _PROJECT_ID, "name": PROJECT},
            },
            "status": _STATES[shown.state],
            "createdBy": self.person(shown.author),
            "creationDate": _time(shown.created_at),
            "title": shown.title,
            "sourceRefName": f"{_HEADS}{shown.branch}",
            "targetRefName": f"{_HEADS}{shown.base}",
            "mergeStatus": "notSet" if is_listed else self._merge_status(shown),
            "isDraft": number in self.state.drafts,
            "lastMergeSourceCommit": {"commitId": shown.head},
            "reviewers": self._reviewers(number),
        }
        if shown.body:
            body["description"] = shown.body[:_LISTED] if is_listed else shown.body
        if labels := sorted(self.state.labels.get(number, set())):
            body["labels"] = [{"name": one, "active": True} for one in labels]
        if ended:
            body["closedBy"] = self.person(shown.closed_by)
        if shown.merge_commit:
            body["lastMergeCommit"] = {"commitId": shown.merge_commit}
        if number in self.state.merges_later:
            body["autoCompleteSetBy"] = self.person(BOT)
        if number in self.state.from_forks:
            body["forkSource"] = {"name": f"{_HEADS}{shown.branch}"}
        return body

    def _merge_status(self, shown: PullRequest) -> str:
        if shown.state is not PullRequestState.OPEN:
            return "succeeded"
        if self.state.undecided:
            self.state.undecided -= 1
            return "queued"
        tip = self.state.tip(shown.base)
        assert tip is not None
        made = self.state.repository.merge_commit(
            tip, shown.head, "trial", PERSON, NOON
        )
        return "conflicts" if isinstance(made, Conflict) else "succeeded"

    def _reviewers(self, number: int) -> list[Json]:
        approved = {one.by for one in self.state.approvals_of(number)}
        voted = {login for n, login in self.votes if n == number}
        people = self.state.reviewers.get(number, set()) | approved | voted
        return [
            {
                **self.person(login),
                "vote": self.votes.get((number, login), 10 if login in approved else 0),
            }
            for login in sorted(people)
        ]

    # --- changes ---

    def _change(self, asked: Asked, shown: PullRequest) -> Told:
        status = asked.text("status")
        if status == "completed":
            return self._complete(asked, shown)
        if shown.state is not PullRequestState.OPEN:
            said = "TF401181: The pull request cannot be edited due to its state."
            return refused(403, "GitPullRequestNotEditableException", said)
        if status == "abandoned":
            self.state.writes["closed"] += 1
            self.state.forge.close(shown.number, by=BOT, now=self.state.now())
        if asked.field("autoCompleteSetBy") is not None:
            self._schedule(shown)
        texts = [asked.field("title"), asked.field("description")]
        if any(text is not None for text in texts):
            title, body = (t if isinstance(t, str) else None for t in texts)
            self.state.edit(shown.number, title=title, body=body)
        return Told(body=self._body(self.state.forge.read(shown.number)))

    def _schedule(self, shown: PullRequest) -> None:
        self.state.writes["scheduled"] += 1
        self.state.merges_later.add(shown.number)
        if not self.state.blocked and self._merge_status(shown) == "succeeded":
            self._merged(shown)

    def _complete(self, asked: Asked, shown: PullRequest) -> Told:
        source = asked.field("lastMergeSourceCommit")
        wanted = source.get("commitId") if isinstance(source, dict) else None
        if shown.state is not PullRequestState.OPEN:
            said = "TF401181: The pull request cannot be edited due to its state."
            return refused(400, "GitPullRequestNotEditableException", said)
        if wanted != shown.head:
            said = "TF401192: The pull request has been modified by another process."
            return refused(409, "GitPullRequestStaleException", said)
        if shown.number in self.state.drafts or self.state.blocked:
            said = (
                "TF402455: The pull request cannot be completed: a policy is not met."
            )
            return refused(403, "GitPullRequestUpdateRejectedByPolicyException", said)
        if self._merge_status(shown) == "conflicts":
            if self.tells_conflicts:
                said = "TF401174: The merge has conflicts."
                return refused(409, "GitMergeConflictException", said)
            return Told(body=self._body(shown))
        if self.is_slow:
            self._queued.append(shown)
            return Told(body=self._body(shown))
        self._merged(shown)
        return Told(body=self._body(self.state.forge.read(shown.number)))

    def settle(self) -> None:
        """Make the merges that were taken."""
        for shown in self._queued:
            self._merged(shown)
        self._queued.clear()

    def _merged(self, shown: PullRequest) -> None:
        self.state.writes["merged"] += 1
        self.state.forge.merge(
            shown.number, head=shown.head, by=BOT, now=self.state.now()
        )

    def _labels(self, asked: Asked, shown: PullRequest) -> Told:
        kept = sorted(self.state.labels.get(shown.number, set()))
        return _listed([{"name": name, "active": True} for name in kept])

    def _label(self, asked: Asked, shown: PullRequest) -> Told:
        self.state.writes["labelled"] += 1
        self.state.labels.setdefault(shown.number, set()).add(asked.text("name"))
        return Told(body={"name": asked.text("name"), "active": True})

    def _ask(self, asked: Asked, shown: PullRequest) -> Told:
        logins = {str(self.person(login)["id"]): login for login in self.state.people}
        login = logins.get(asked.parts[3])
        if login is None or login not in self.state.collaborators:
            said = "TF401186: The reviewer could not be added."
            return refused(400, "GitPullRequestReviewerException", said)
        self.state.writes["asked"] += 1
        self.state.reviewers.setdefault(shown.number, set()).add(login)
        self.votes[shown.number, login] = 0
        return Told(body={**self.person(login), "vote": 0})

    # --- threads and iterations ---

    def _iterations(self, asked: Asked, shown: PullRequest) -> Told:
        """Show an iteration for each head that is known."""
        moment = timedelta(milliseconds=500)
        known: list[tuple[datetime, CommitId]] = []
        for one in sorted(self.state.approvals_of(shown.number), key=lambda a: a.at):
            if not known or known[-1][1] != one.head:
                known.append((one.at - moment, one.head))
        if not known or known[-1][1] != shown.head:
            known.append((self.state.now(), shown.head))
        return _listed(
            [
                {
                    "id": number,
                    "createdDate": _time(at),
                    "sourceRefCommit": {"commitId": head},
                }
                for number, (at, head) in enumerate(known, start=1)
            ]
        )

    def _threads(self, asked: Asked, shown: PullRequest) -> Told:
        said = [
            self.thread(note.id, note.comment.by, note.comment.text, note.comment.at)
            for note in self.state.notes_of(shown.number)
        ]
        said += [
            self.vote(5000 + n, one.by, 10, one.at)
            for n, one in enumerate(self.state.approvals_of(shown.number))
        ]
        return _listed([*said, *self.threads.get(shown.number, [])])

    def thread(self, number: int, by: str, text: str, at: datetime) -> Json:
        """Make a thread that somebody began."""
        return {
            "id": number,
            "publishedDate": _time(at),
            "status": "closed",
            "comments": [self._comment(1, by, text, at)],
            "properties": {},
            "isDeleted": False,
        }

    def _comment(self, number: int, by: str, text: str, at: datetime) -> Json:
        return {
            "id": number,
            "parentCommentId": 0,
            "author": self.person(by),
            "content": text,
            "publishedDate": _time(at),
            "commentType": "text",
        }

    def vote(
        self, number: int, by: str, value: int, at: datetime, *, author: str = ""
    ) -> Json:
        """Make the thread in which Azure DevOps notes a vote."""
        voter = self.person(by)
        comment: dict[str, Json] = {
            "id": 1,
            "author": self.person(author or by),
            "content": f"{by} voted {value}",
            "publishedDate": _time(at),
            "commentType": "system",
        }
        return {
            "id": number,
            "publishedDate": _time(at),
            "comments": [comment],
            "properties": {
                "CodeReviewThreadType": {"$type": "x", "$value": "VoteUpdate"},
                "CodeReviewVoteResult": {"$type": "x", "$value": str(value)},
                "CodeReviewVotedByIdentity": {"$type": "x", "$value": "1"},
            },
            "identities": {"1": voter},
            "isDeleted": False,
        }

    def _say(self, asked: Asked, shown: PullRequest) -> Told:
        comments = asked.field("comments")
        assert isinstance(comments, list)
        first = comments[0]
        assert isinstance(first, dict)
        note = self.state.say(shown.number, str(first["content"]))
        said = note.comment
        return Told(body=self.thread(note.id, said.by, said.text, said.at))

    def _rewrite(self, asked: Asked, shown: PullRequest) -> Told:
        note = self.state.rewrite(int(asked.parts[3]), asked.text("content"))
        if note is None or asked.parts[4] != "1":
            return refused(
                404, "CommentNotFoundException", "The comment was not found."
            )
        said = note.comment
        return Told(body=self._comment(1, said.by, said.text, said.at))


def _evaluation(kind: str, name: str, check: Check) -> Json:
    return {
        "evaluationId": "22222222-2222-4222-8222-222222222222",
        "status": _EVALUATIONS[check.state],
        "configuration": {
            "isEnabled": True,
            "isBlocking": True,
            "type": {"id": kind, "displayName": name},
            "settings": {"displayName": check.name or None},
        },
    }


def _listed(items: Sequence[Json], headers: dict[str, str] | None = None) -> Told:
    return Told(body={"count": len(items), "value": list(items)}, headers=headers or {})


def _time(at: datetime) -> str:
    """Write a time as Azure DevOps does: with seven digits."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "7Z"
