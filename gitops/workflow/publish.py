"""Commit, push, open or update: the effects on the world, each recorded before.

Crash after any line, call again, and the result is the same: the commit has the same
id (R2), the push finds its branch where it left it (R3), the forge is asked for the
open pull request before one is made (R5).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import assert_never

from gitops.errors import (
    ForgeNotFoundError,
    HumanOwnedError,
    WriteForbiddenError,
)
from gitops.forges import WITHDRAWN, PullRequestDraft, same_text
from gitops.model import (
    BaseScope,
    BranchName,
    CommitId,
    Environment,
    EnvironmentScope,
    Finding,
    Fleet,
    GroupScope,
    Intent,
    IntentState,
    Proposed,
    PullRequest,
    PullRequestState,
    Review,
    Scope,
    StackScope,
    TargetScope,
    Unchanged,
)
from gitops.review import write_review
from gitops.workflow.examine import Examination
from gitops.workflow.place import Workplace, World


def publish(
    place: Workplace,
    world: World,
    intents: Sequence[Intent],
    examined: Examination,
    *,
    now: datetime,
) -> Proposed | Unchanged:
    """Make the pull request of a branch say what its live intents want.

    Args:
        place: where.
        world: the base branch that was examined.
        intents: the live intents of one branch, oldest first; at least one.
        examined: what they do together.
        now: aware UTC.

    Raises:
        HumanOwnedError: a person has pushed to the branch.
        PushRejectedError: the branch moved while we worked.
    """
    branch = intents[0].branch
    review = review_of(place, world, intents, examined)
    commit = place.mirror.commit(
        tree_of=world.commit,
        edits=examined.edits,
        parents=(world.commit,),
        message=review.commit_message,
        author=place.identity,
        at=intents[-1].created_at,
        signer=place.signer,
    )
    standing = open_on(place, branch)
    if standing is not None and _says_so(place, standing, intents, commit, review):
        return Unchanged(
            reason=f"pull request #{standing.number} says so already",
            pull_request=standing,
        )
    check_branch(place, branch)
    if standing is None:
        _check_room(place)
    _advance(place, intents, IntentState.COMMITTED, commit=commit)
    _push(place, branch, commit)
    _advance(place, intents, IntentState.PUSHED)
    concerned = _environment(world.fleet, intents[0].plan.scope)
    draft = PullRequestDraft(
        branch=branch,
        base=place.base,
        head=commit,
        title=review.title,
        body=review.body,
        author=intents[0].plan.provenance.requested_by,
        labels=concerned.labels if concerned else (),
        reviewers=concerned.reviewers if concerned else (),
    )
    place.guard()
    if standing is None:
        shown = place.forge.open(draft, now=now)
    else:
        shown = place.forge.update(standing.number, draft, now=now)
    _advance(place, intents, IntentState.PR_OPEN, pull_request=shown.number)
    return Proposed(
        pull_request=shown,
        commit=commit,
        differences=examined.differences,
        review=review,
        findings=all_findings(intents, examined),
        is_new=standing is None,
    )


def _environment(fleet: Fleet, scope: Scope) -> Environment | None:
    """Return the environment that a branch changes; None where it is not just one."""
    match scope:
        case TargetScope(target=target):
            return fleet.environment(target.environment)
        case GroupScope(environment=name) | EnvironmentScope(environment=name):
            return fleet.environment(name)
        case StackScope() | BaseScope():
            return None
        case _:
            assert_never(scope)


def review_of(
    place: Workplace,
    world: World,
    intents: Sequence[Intent],
    examined: Examination,
) -> Review:
    """Write what the reviewer reads."""
    limits = place.forge.capabilities
    return write_review(
        repository=place.name,
        branch=intents[0].branch,
        plans=tuple(intent.plan for intent in intents),
        intents=tuple(intents),
        differences=examined.differences,
        edits=examined.edits,
        before=examined.before,
        after=examined.after,
        findings=all_findings(intents, examined),
        base=world.commit,
        body_limit=limits.body_limit,
        title_limit=limits.title_limit,
    )


def all_findings(
    intents: Sequence[Intent], examined: Examination
) -> tuple[Finding, ...]:
    """Join what the plans and the rules say, without repeats."""
    told = (f for intent in intents for f in intent.plan.findings)
    return tuple(dict.fromkeys((*told, *examined.findings)))


def _check_room(place: Workplace) -> None:
    """Refuse one more open pull request than there may be (R19).

    Raises:
        WriteForbiddenError: there are as many of ours as there may be.
    """
    if not place.max_open:
        return
    ours = [
        shown
        for shown in place.forge.list_open()
        if shown.branch.startswith(f"{place.prefix}/")
    ]
    if len(ours) >= place.max_open:
        raise WriteForbiddenError(
            f"{place.name}: {len(ours)} pull requests are open, as many as may be",
            hint="merge or close some; what was asked for stays asked for",
        )


def withdraw(
    place: Workplace, branch: BranchName, *, why: str, now: datetime
) -> PullRequest | None:
    """Close the open pull request of a branch that has nothing left to say.

    A branch that a person has pushed to is left alone, and so is its pull request.
    What a killed run leaves closed, with its branch, `settle` ends.

    Returns:
        The pull request, closed; None when there was none, or it is a person's now.
    """
    standing = open_on(place, branch)
    tip = place.mirror.remote_tip(branch)
    if standing is None or tip not in place.log.pushed(place.name, branch):
        return None
    place.guard()
    by = place.identity.name
    place.forge.remark(standing.number, why, key=WITHDRAWN, by=by, now=now)
    closed = place.forge.close(standing.number, by=by, now=now)
    place.forge.delete_branch(branch, head=closed.head)
    return closed


def open_on(place: Workplace, branch: BranchName) -> PullRequest | None:
    """Return the open pull request of a branch into our base, if there is one.

    A forge's list may lag behind its writes, or show less than there is to a reader
    who lost rights: the ones that we know by number are asked for by number.
    """
    found = {shown.number: shown for shown in place.forge.find(branch)}
    known = {intent.pull_request for intent in place.live_on(branch)}
    for number in sorted(n for n in known - found.keys() if n is not None):
        with suppress(ForgeNotFoundError):
            found[number] = place.forge.read(number)
    return next(
        (
            shown
            for shown in found.values()
            if shown.state is PullRequestState.OPEN
            and (shown.branch, shown.base) == (branch, place.base)
        ),
        None,
    )


def _says_so(
    place: Workplace,
    standing: PullRequest,
    intents: Sequence[Intent],
    commit: CommitId,
    review: Review,
) -> bool:
    return (
        (standing.head, standing.title) == (commit, review.title)
        and same_text(standing.body, review.body)
        and place.mirror.remote_tip(standing.branch) == commit
        and all(intent.state is IntentState.PR_OPEN for intent in intents)
    )


def _push(place: Workplace, branch: BranchName, commit: CommitId) -> None:
    standing = place.mirror.remote_tip(branch)
    if standing == commit:
        return
    check_ours(place, branch, standing)
    place.guard()
    place.log.record_push(place.name, branch, commit)
    place.mirror.push(commit, branch, expected=standing)


def check_branch(place: Workplace, branch: BranchName) -> None:
    """Refuse a branch that we could not push to, before anything is recorded.

    Raises:
        HumanOwnedError: a person has pushed to it.
        GitError: another branch's name is in the way.
    """
    check_ours(place, branch, place.mirror.remote_tip(branch))
    place.mirror.check_free(branch)


def check_ours(place: Workplace, branch: BranchName, tip: CommitId | None) -> None:
    """Refuse to touch a branch whose tip we never pushed (R4): by commit, not by name.

    Raises:
        HumanOwnedError: a person has pushed to it.
    """
    if tip is None or tip in place.log.pushed(place.name, branch):
        return
    raise HumanOwnedError(
        f"{branch}: its tip {tip[:12]} was pushed by somebody else; left as it is",
        hint="merge or close its pull request, delete the branch, "
        "or take it over with `directus-gitops pr adopt N`",
    )


def _advance(
    place: Workplace,
    intents: Sequence[Intent],
    state: IntentState,
    *,
    commit: CommitId | None = None,
    pull_request: int | None = None,
) -> None:
    for intent in intents:
        place.log.advance(intent.id, state, commit=commit, pull_request=pull_request)
