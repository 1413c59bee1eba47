"""updates: which new releases would come by themselves, and which wait, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.cli.options import AsJson, Data, Repo

if TYPE_CHECKING:
    from gitops.model import Json
    from service.reconcile.releases import Found


def updates(*, repo: Repo = ".", data: Data = None, as_json: AsJson = False) -> None:
    """Ask the registries now, and tell of each stack with a rule of `updates`.

    Nothing is changed: the service proposes what may come in its next pass.
    """
    from gitops.overlay import read_overlays
    from gitops.web import Web
    from gitops.workflow import look
    from service.cli.session import in_repository
    from service.clock import utc_now, wait_s
    from service.reconcile.ground import Ground
    from service.reconcile.releases import look_for_updates
    from service.registries import Registries

    with in_repository(repo, data, as_json=as_json) as here:
        world = look(here.place)
        overlays, unreadable = read_overlays(world.tree, world.fleet)
        ground = Ground(
            place=here.place,
            store=here.store,
            world=world,
            overlays=overlays,
            unreadable=unreadable,
            now=utc_now(),
        )
        with Web(wait=wait_s) as web:
            registries = Registries(here.settings, web, utc_now)
            found = look_for_updates(ground, registries)
        here.out.document({"updates": [_document(one) for one in found]})
        if not found:
            here.out.line("No rule of updates in gitops.yaml covers a stack.")
        for one in found:
            here.out.line(f"{one.question.target}: {_line(one)}")


def _document(found: Found) -> Json:
    from gitops.promotion.updates import Rest, Update, Wait

    question, verdict = found.question, found.verdict
    told: dict[str, Json] = {
        "stack": question.target.stack,
        "environment": question.target.environment,
        "version": question.present.tag,
        "source": question.rule.source.value,
    }
    match verdict:
        case Update(tag=tag):
            return told | {"verdict": "update", "to": tag, "reason": ""}
        case Wait(reason=reason, earliest=earliest):
            at = earliest.isoformat() if earliest else None
            return told | {"verdict": "wait", "reason": reason, "earliest": at}
        case Rest(reason=reason):
            return told | {"verdict": "rest", "reason": reason}


def _line(found: Found) -> str:
    from gitops.promotion.updates import Rest, Update, Wait

    present = found.question.present.tag
    match found.verdict:
        case Update(tag=tag):
            return f"{present} -> {tag}"
        case Wait(reason=reason):
            return f"{present}, waits: {reason}"
        case Rest(reason=reason):
            return f"{present}, nothing to do: {reason}"
