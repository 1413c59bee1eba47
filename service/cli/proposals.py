"""pr list, show, approve, merge, close, adopt: what people do with pull requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.options import AsJson, Data, DryRun, Repo

if TYPE_CHECKING:
    from gitops.model import PullRequest
    from service.cli.session import RepositorySession

app = typer.Typer(no_args_is_help=True, help="Pull requests.")

Number = Annotated[int, typer.Argument(metavar="N", min=1)]


@app.command("list")
def list_(
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Merged and closed ones too.")
    ] = False,
    repo: Repo = ".",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List the open pull requests."""
    from service.cli import shapes
    from service.cli.session import in_repository

    with in_repository(repo, data, as_json=as_json) as here:
        forge = here.place.forge
        shown = forge.list_all() if every else forge.list_open()
        here.out.document({"pull_requests": [shapes.pull_request(p) for p in shown]})
        here.out.table(
            ["#", "state", "opened", "by", "title"],
            [
                [
                    str(p.number),
                    p.state.value,
                    f"{p.created_at:%Y-%m-%d %H:%M %Z}",
                    p.author,
                    p.title,
                ]
                for p in shown
            ],
        )
        if not shown:
            here.out.line("No pull requests.")


@app.command()
def show(
    number: Number, repo: Repo = ".", data: Data = None, as_json: AsJson = False
) -> None:
    """Show a pull request with its rendered difference and findings."""
    from gitops.workflow import inspect_pull_request
    from service.cli import shapes
    from service.cli.checking import tell_findings
    from service.cli.session import in_repository

    with in_repository(repo, data, as_json=as_json) as here:
        shown = here.place.forge.read(number)
        seen = inspect_pull_request(here.place, shown)
        here.out.document(
            shapes.pull_request(shown)
            | {
                "files": list(seen.files),
                "rendered_diff": seen.rendered_diff,
                "findings": shapes.findings(seen.findings),
            }
        )
        here.out.line(f"#{shown.number} {shown.title}")
        here.out.line(
            f"{shown.state.value}, opened by {shown.author} "
            f"at {shown.created_at:%Y-%m-%d %H:%M %Z}, "
            f"{shown.branch} -> {shown.base}, head {shown.head[:12]}"
        )
        for approval in shown.approvals:
            here.out.line(f"approved by {approval.by} ({approval.head[:12]})")
        here.out.line()
        here.out.block(shown.body.partition("<details>")[0].rstrip())
        here.out.line()
        here.out.difference(seen.rendered_diff)
        if seen.findings:
            tell_findings(here.out, seen.findings)


@app.command()
def approve(
    number: Number, repo: Repo = ".", data: Data = None, as_json: AsJson = False
) -> None:
    """Approve the current head of a pull request."""
    from gitops.workflow import approve as approve_head
    from service.cli.session import in_repository
    from service.clock import utc_now

    with in_repository(repo, data, as_json=as_json, to_write=True) as here:
        shown = approve_head(here.place, number, by=here.settings.login, now=utc_now())
        here.audit("pull request approved", pull_request=number, head=shown.head)
        _tell(here, shown, "approved", f"Approved {shown.head[:12]} of #{number}.")


@app.command()
def go(
    number: Number, repo: Repo = ".", data: Data = None, as_json: AsJson = False
) -> None:
    """Release the current head of a pull request: it may happen now."""
    from service.cli.session import in_repository
    from service.clock import utc_now
    from service.store import Vote, VoteKind

    with in_repository(repo, data, as_json=as_json, to_write=True) as here:
        shown = here.place.forge.read(number)
        check_open(shown)
        vote = Vote(
            kind=VoteKind.GO, head=shown.head, by=here.settings.login, at=utc_now()
        )
        here.store.votes.record(here.located.name, number, vote)
        here.audit("go given", pull_request=number, head=shown.head)
        _tell(here, shown, "released", f"Said go to {shown.head[:12]} of #{number}.")


@app.command()
def merge(
    number: Number,
    *,
    override: Annotated[
        str,
        typer.Option(
            "--override",
            metavar="REASON",
            help="Merge against closed gates; goes into the audit trail.",
        ),
    ] = "",
    repo: Repo = ".",
    data: Data = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Merge a pull request at its recorded head, if its gates are open."""
    from gitops.errors import HeldError
    from gitops.forges import Merged, NotMerged
    from gitops.workflow import Held, merge as merge_head
    from service.cli.session import in_repository
    from service.clock import utc_now

    with in_repository(repo, data, as_json=as_json, to_write=True) as here:
        holds, seen = here.store.holds, here.place.forge.read(number)
        if dry_run:
            _tell(here, seen, "unchanged", "Nothing merged.")
            return
        result = merge_head(
            here.place,
            number,
            by=here.settings.login,
            now=utc_now(),
            holds=holds.holds(here.located.name),
            paused=holds.is_paused(here.located.name),
            override=override,
            approvals=here.voted(seen, "approval"),
            goes=here.voted(seen, "go"),
            pins=here.store.pins.all(here.located.name),
            head=seen.head,
        )
        match result:
            case Merged(pull_request=shown):
                if seen.state is not shown.state:  # merged twice is once
                    here.audit(
                        "pull request merged",
                        pull_request=number,
                        head=shown.head,
                        override=override or None,
                    )
                _follow(here)
                _tell(here, shown, "merged", f"Merged #{number}: {shown.title}")
            case NotMerged(reason=reason):
                raise HeldError(f"#{number} was not merged: {reason}")
            case Held(reasons=reasons):
                raise HeldError(
                    f"#{number} may not be merged yet: {'; '.join(reasons)}",
                    hint="--override REASON merges all the same, and is audited",
                )


@app.command()
def close(
    number: Number, repo: Repo = ".", data: Data = None, as_json: AsJson = False
) -> None:
    """Close a pull request: a no, until somebody asks again."""
    from gitops.workflow import close as close_one
    from service.cli.session import in_repository
    from service.clock import utc_now

    with in_repository(repo, data, as_json=as_json, to_write=True) as here:
        seen = here.place.forge.read(number)
        shown = close_one(here.place, number, by=here.settings.login, now=utc_now())
        if seen.state is not shown.state:  # closed twice is once
            here.audit("pull request closed", pull_request=number)
        _tell(here, shown, "closed", f"Closed #{number}.")


@app.command()
def adopt(
    number: Number, repo: Repo = ".", data: Data = None, as_json: AsJson = False
) -> None:
    """Take a branch over from a person who pushed to it, and make it anew."""
    from gitops.workflow import adopt as adopt_branch
    from service.cli.changing import tell
    from service.cli.session import in_repository
    from service.clock import utc_now

    with in_repository(repo, data, as_json=as_json, to_write=True) as here:
        here.check_running()
        tell(here, adopt_branch(here.place, number, now=utc_now()))


def check_open(shown: PullRequest) -> None:
    """Let an open pull request pass.

    Raises:
        ForgeConflictError: it is merged or closed.
    """
    from gitops.errors import ForgeConflictError
    from gitops.model import PullRequestState

    if shown.state is not PullRequestState.OPEN:
        raise ForgeConflictError(f"pull request #{shown.number} is {shown.state.value}")


def _tell(
    here: RepositorySession, shown: PullRequest, outcome: str, sentence: str
) -> None:
    from service.cli import shapes

    here.out.document({"outcome": outcome, "pull_request": shapes.pull_request(shown)})
    here.out.line(sentence)


def _follow(here: RepositorySession) -> None:
    """Bring the user's checkout along, if that is safe; else say why not."""
    from service.cli.output import remark
    from service.creation import follow

    if here.located.work_tree is not None:
        told = follow(here.located.work_tree, here.place.base)
        if told:
            remark(told)
