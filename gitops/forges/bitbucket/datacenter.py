"""Bitbucket Data Center's REST API: which calls, in which order.

Source: Atlassian's API document (9.2), and recorded refusals of a server;
docs/forges/bitbucket.md tells both. A change names the version that it is about; one
that is out of date has changed nothing, so it is looked at and asked for once more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Final
from urllib.parse import unquote

from gitops.errors import (
    ForgeConflictError,
    ForgeNotFoundError,
    ForgeUnavailableError,
)
from gitops.forges import Capabilities, NotMerged, PullRequestDraft, Status
from gitops.forges.bitbucket import datacenter_reading as reading
from gitops.forges.http import FINE, Call, Remark, Reply, Talk, collect, get, one_line
from gitops.model import (
    BranchName,
    Check,
    CheckState,
    CommitId,
    Json,
    Mergeability,
    PullRequest,
    PullRequestState,
)
from gitops.web.fields import number_at, text_at

DATACENTER_CAPABILITIES: Final = Capabilities(
    kind="bitbucket-datacenter",
    body_limit=32_768,
    title_limit=255,
    auto_merge=True,
    reviewers=True,
    statuses=True,
    review_refs="refs/pull-requests/{number}/from",
)
_PAGE: Final = 100
_KEY_MAX: Final = 255  # of a build's key and name
_WHO: Final = "x-ausername"
_STATES: Final = {
    CheckState.PENDING: "INPROGRESS",
    CheckState.PASSED: "SUCCESSFUL",
    CheckState.FAILED: "FAILED",
}
_NO_FF: Final = "no-ff"
_REFUSABLE: Final = FINE | {409}
_LATER: Final = FINE | {403, 409}
_STALE: Final = frozenset(
    {"PullRequestOutOfDateException", "CommentOutOfDateException"}
)
_ENDED: Final = frozenset(
    {"IllegalPullRequestStateException", "PullRequestNotOpenException"}
)


class DataCenter:
    """One repository.

    Args:
        project: its project's key; `~user` for somebody's own.
        name: of the repository (its slug).
        site: address of the server's pages, without a slash at its end.
    """

    def __init__(self, project: str, name: str, *, site: str) -> None:
        inside = ("latest", "projects", project, "repos", name)
        self._repository = ("api", *inside)
        self._pulls = (*self._repository, "pull-requests")
        self._utilities = ("branch-utils", *inside)
        self._here = (project.lower(), name.lower())
        self._ref_of: Json = {"slug": name, "project": {"key": project}}
        self._page = f"{site}/projects/{project}/repos/{name}"

    @property
    def capabilities(self) -> Capabilities:
        """What Data Center can do."""
        return DATACENTER_CAPABILITIES

    def words(self, reply: Reply) -> str:
        """Return what an error answer says, in one line."""
        return one_line(reading.words(reply))

    def whoami(self) -> Talk[str]:
        """Return our user name: every answer to somebody known has it in a header."""
        reply = yield get(*self._repository)
        found = unquote(reply.headers.get(_WHO, "")).strip()
        if not found or found == "anonymous":
            raise ForgeUnavailableError("the forge does not say who we are")
        return found

    def tip(self, branch: BranchName) -> Talk[CommitId | None]:
        """Return where a branch is."""
        call = get(
            *self._repository,
            "branches",
            filterText=branch,
            boostMatches="true",
            limit=_PAGE,
        )
        items = yield from collect(call, reading.rows, reading.following)
        for item in items:
            if text_at(item, "id") == reading.HEADS + branch:
                return reading.commit(text_at(item, "latestCommit"))
        return None

    # --- reading ---

    def pulls(
        self, *, branch: BranchName | None, only_open: bool
    ) -> Talk[tuple[PullRequest, ...]]:
        """Return those of every page."""
        state = "OPEN" if only_open else "ALL"
        call = get(*self._pulls, state=state, order="OLDEST", limit=_PAGE)
        if branch is not None:
            about = (("direction", "OUTGOING"), ("at", reading.HEADS + branch))
            call = replace(call, query=(*call.query, *about))
        items = yield from collect(call, reading.rows, reading.following)
        found = {
            shown.number: shown
            for shown in (
                reading.pull_request(item)
                for item in items
                if reading.repository(item, "toRef") == self._here
            )
        }
        return tuple(found[number] for number in sorted(found))

    def pull(self, number: int) -> Talk[PullRequest]:
        """Return one, with everything around it."""
        item = yield from self._item(number)
        shown = reading.pull_request(item)
        activity = yield from self._activity(number)
        checks = yield from self._checks(shown.head)
        remarks = reading.remarks(activity)
        around = replace(
            shown,
            approvals=reading.approvals(item, activity),
            comments=tuple(one.comment for one in remarks),
            checks=checks,
        )
        if shown.state is PullRequestState.OPEN:
            how = yield from self._mergeability(number)
            later = yield from self._merges_later(number)
            return replace(around, mergeability=how, merges_later=later)
        by, merge = reading.ending(activity)
        return replace(around, closed_by=by, merge_commit=shown.merge_commit or merge)

    def _pull(self, number: int) -> tuple[str, ...]:
        return (*self._pulls, str(number))

    def _item(self, number: int) -> Talk[Json]:
        """Return one as it is sent; a 404 counts only beside a repository we see."""
        try:
            reply = yield get(*self._pull(number), missing=f"pull request #{number}")
        except ForgeNotFoundError:
            yield get(*self._repository)
            raise
        return reply.json()

    def _activity(self, number: int) -> Talk[tuple[Json, ...]]:
        call = get(
            *self._pull(number),
            "activities",
            missing=f"pull request #{number}",
            limit=_PAGE,
        )
        return (yield from collect(call, reading.rows, reading.following))

    def _checks(self, head: CommitId) -> Talk[tuple[Check, ...]]:
        call = get("build-status", "latest", "commits", head, limit=_PAGE)
        items = yield from collect(call, reading.rows, reading.following)
        found = {text_at(item, "key"): reading.check(item) for item in items}
        return tuple(sorted(found.values(), key=lambda check: check.name))

    def _mergeability(self, number: int) -> Talk[Mergeability]:
        reply = yield Call(
            method="GET", path=(*self._pull(number), "merge"), accepts=_REFUSABLE
        )
        if reply.status == 409:  # it has ended since
            return Mergeability.UNKNOWN
        return reading.mergeability(reply.json())

    def _merges_later(self, number: int) -> Talk[bool]:
        """Look for a plan to merge; servers before 8.15 know none."""
        try:
            yield get(*self._pull(number), "auto-merge", missing="a plan to merge")
        except ForgeNotFoundError:
            return False
        return True

    # --- opening and updating ---

    def create(self, draft: PullRequestDraft) -> Talk[int]:
        """Open one."""
        try:
            reply = yield Call(
                method="POST",
                path=self._pulls,
                body={
                    "title": draft.title,
                    "description": draft.body,
                    "fromRef": self._end(draft.branch),
                    "toRef": self._end(draft.base),
                },
                missing=f"branch {draft.branch} or {draft.base}",
            )
        except ForgeNotFoundError as error:
            yield get(*self._repository)
            raise ForgeConflictError(error.message, hint=error.hint) from None
        number = number_at(reply.json(), "id")
        if number < 1:
            raise ForgeUnavailableError(
                "the forge opened a pull request without a number", sent=True
            )
        return number

    def _end(self, branch: BranchName) -> Json:
        return {"id": reading.HEADS + branch, "repository": self._ref_of}

    def edit(self, number: int, draft: PullRequestDraft) -> Talk[None]:
        """Replace title and body; reviewers that are not sent along would be lost."""

        def change(item: Json) -> Call:
            people: list[Json] = [
                {"user": {"name": name}} for name in reading.reviewers(item)
            ]
            return Call(
                method="PUT",
                path=self._pull(number),
                body={
                    "version": reading.version(item),
                    "title": draft.title,
                    "description": draft.body,
                    "reviewers": people,
                },
                accepts=_REFUSABLE,
            )

        reply = yield from self._versioned(number, change)
        self._check_done(number, reply)

    def _versioned(self, number: int, change: Callable[[Json], Call]) -> Talk[Reply]:
        """Ask for a change of the present version; once more if it was out of date."""
        item = yield from self._item(number)
        reply = yield change(item)
        if _is_stale(reply):
            item = yield from self._item(number)
            reply = yield change(item)
        return reply

    def _check_done(self, number: int, reply: Reply) -> None:
        if reply.status == 409:
            raise ForgeConflictError(f"pull request #{number}: {self.words(reply)}")

    def label(self, number: int, labels: tuple[str, ...]) -> Talk[None]:
        """Do nothing: Data Center has no labels on pull requests."""
        del number, labels
        yield from ()

    def ask_review(self, number: int, people: tuple[str, ...]) -> Talk[None]:
        """Ask each person alone, so that nobody is left out for another one."""
        item = yield from self._item(number)
        done = reading.reviewers(item)
        for name in dict.fromkeys(people):
            if name not in done:
                yield Call(
                    method="POST",
                    path=(*self._pull(number), "participants"),
                    body={"user": {"name": name}, "role": "REVIEWER"},
                    accepts=FINE | {400, 404, 409},  # the author, or nobody we know
                )

    # --- people ---

    def remarks(self, number: int) -> Talk[tuple[Remark, ...]]:
        """Return the comments: the log has them, there is no list of all."""
        activity = yield from self._activity(number)
        return reading.remarks(activity)

    def say(self, number: int, text: str) -> Talk[None]:
        """Add a comment."""
        yield Call(
            method="POST",
            path=(*self._pull(number), "comments"),
            body={"text": text},
            missing=f"pull request #{number}",
        )

    def rewrite(self, number: int, remark: Remark, text: str) -> Talk[None]:
        """Replace the text of a comment, in the version that it has now."""
        path = (*self._pull(number), "comments", remark.id)
        missing = f"comment {remark.id} of pull request #{number}"

        def change(item: Json) -> Call:
            return Call(
                method="PUT",
                path=path,
                body={"text": text, "version": reading.version(item)},
                accepts=_REFUSABLE,
                missing=missing,
            )

        shown = yield get(*path, missing=missing)
        reply = yield change(shown.json())
        if _is_stale(reply):
            shown = yield get(*path, missing=missing)
            reply = yield change(shown.json())
        self._check_done(number, reply)

    # --- ending ---

    def merge(self, shown: PullRequest, *, message: str) -> Talk[NotMerged | None]:
        """Ask for a merge commit; the version of the head that is shown is named."""
        reply = yield from self._merging(shown, {"message": message}, _REFUSABLE)
        return self._merged(shown, reply)

    def merge_later(self, shown: PullRequest) -> Talk[NotMerged | None]:
        """Ask the forge to merge by itself; the repository's settings must allow it."""
        reply = yield from self._merging(shown, {"autoMerge": True}, _LATER)
        if reply.status == 403:
            return NotMerged(reason=self.words(reply) or "auto-merge is switched off")
        return self._merged(shown, reply)

    def _merging(
        self, shown: PullRequest, more: dict[str, Json], accepts: frozenset[int]
    ) -> Talk[Reply]:
        def change(item: Json) -> Call:
            now = reading.pull_request(item)
            if now.head != shown.head:
                raise ForgeConflictError(
                    f"pull request #{shown.number} is at {now.head[:12]}, not "
                    f"{shown.head[:12]}"
                )
            return Call(
                method="POST",
                path=(*self._pull(shown.number), "merge"),
                query=(("version", str(reading.version(item))),),
                body={"strategyId": _NO_FF, **more},
                accepts=accepts,
                missing=f"pull request #{shown.number}",
            )

        return (yield from self._versioned(shown.number, change))

    def _merged(self, shown: PullRequest, reply: Reply) -> NotMerged | None:
        if reply.status != 409:
            return None
        said = self.words(reply)
        if reading.fault(reply) in _ENDED:
            raise ForgeConflictError(f"pull request #{shown.number}: {said}")
        return NotMerged(
            reason=said or "the forge's own rules",
            needs_regeneration=reading.is_conflicted(reply),
        )

    def close(self, number: int) -> Talk[None]:
        """Decline it."""

        def change(item: Json) -> Call:
            return Call(
                method="POST",
                path=(*self._pull(number), "decline"),
                query=(("version", str(reading.version(item))),),
                accepts=_REFUSABLE,
            )

        reply = yield from self._versioned(number, change)
        if reading.fault(reply) not in _ENDED:
            self._check_done(number, reply)

    def remove_branch(self, branch: BranchName, *, head: CommitId) -> Talk[None]:
        """Delete a branch that is at a commit.

        Raises:
            ForgeConflictError: it is at another one by now, or it is the default one.
        """
        reply = yield Call(
            method="DELETE",
            path=(*self._utilities, "branches"),
            body={"name": reading.HEADS + branch, "endPoint": head, "dryRun": False},
            accepts=FINE | {400},
        )
        if reply.status == 400:
            raise ForgeConflictError(f"branch {branch}: {self.words(reply)}")

    def report(self, commit: CommitId, status: Status) -> Talk[None]:
        """Give a commit the status of a build, which here has an address."""
        yield Call(
            method="POST",
            path=(*self._repository, "commits", commit, "builds"),
            body={
                "key": _key(status.name),
                "name": status.name[:_KEY_MAX],
                "state": _STATES[status.state],
                "description": status.description,
                "url": status.url or f"{self._page}/commits/{commit}",
            },
        )


def _is_stale(reply: Reply) -> bool:
    return reply.status == 409 and reading.fault(reply) in _STALE


def _key(name: str) -> str:
    """Return a build's key: its name, or a digest of one that is too long."""
    if len(name) <= _KEY_MAX:
        return name
    return hashlib.sha256(name.encode()).hexdigest()
