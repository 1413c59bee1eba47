"""The route that forges post to. The signature is the permission; there is no token."""

from __future__ import annotations

import logging
import math
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from service.auth import peer_of
from service.configuration import WEBHOOK_FORGES, ForgeKind
from service.meter import Delivered, Meter
from service.problems import MEDIA_TYPE, Refused
from service.webhooks.reading import CUT
from service.webhooks.receiver import Delivery, Receiver, Taken
from service.webhooks.signatures import Headers, claim_of

logger = logging.getLogger(__name__)
router = APIRouter(tags=["webhooks"])

_KNOWN: Final = {kind.value: kind for kind in WEBHOOK_FORGES}
_PROBLEM: Final[dict[str, Any]] = {
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "Nothing proves it", **_PROBLEM},
    404: {"description": "There is no such forge", **_PROBLEM},
    408: {"description": "The body did not come in time", **_PROBLEM},
    413: {"description": "The body is larger than 2 MiB", **_PROBLEM},
    429: {"description": "Too many that nothing proves", **_PROBLEM},
    503: {"description": "Not now; see Retry-After", **_PROBLEM},
    "default": {"description": "It cannot be taken", **_PROBLEM},
}
_ANY_BODY: Final[dict[str, Any]] = {
    "security": [],
    "requestBody": {
        "description": "What the forge says. It is read only as a hint.",
        "required": True,
        "content": {"application/json": {"schema": {}}},
    },
}


class Received(BaseModel):
    """What became of a delivery; all that was proved ends well for the forge."""

    model_config = ConfigDict(extra="forbid")

    outcome: Literal[Delivered.ACCEPTED, Delivered.REPEATED, Delivered.IGNORED] = Field(
        description="`accepted`; `repeated`: it came before; `ignored`: it is about "
        "none of the repositories here.",
        examples=["accepted"],
    )


@router.post(
    "/webhooks/{forge}",
    status_code=202,
    summary="Say that something happened at a forge",
    responses=_ANSWERS,
    openapi_extra=_ANY_BODY,
)
async def receive_webhook(
    request: Request,
    forge: Annotated[
        str,
        Path(
            description="Of which kind it is.",
            examples=["github"],
            json_schema_extra={"enum": sorted(_KNOWN)},
        ),
    ],
) -> Received:
    """For forges, which prove by a signature or a secret who they are; see Webhooks.

    A delivery makes the service look at the repository at once. It is believed no word:
    nothing is read from it but which of the repositories it is about.
    """
    kind = _KNOWN.get(forge)
    if kind is None:
        hint = f"known: {', '.join(_KNOWN)}"
        raise Refused(404, "there is no such forge", hint=hint, headers=dict(CUT))
    outcome = Delivered.FAILED
    try:
        outcome = (await _receive(request, kind)).outcome
    except Refused:
        outcome = Delivered.UNREAD
        raise
    finally:
        meter: Meter = request.app.state.meter
        meter.delivered(kind.value, outcome)
    match outcome:
        case Delivered.ACCEPTED | Delivered.REPEATED | Delivered.IGNORED:
            return Received(outcome=outcome)
        case _:
            raise _refusal(request, kind)


async def _receive(request: Request, kind: ForgeKind) -> Taken:
    receiver: Receiver = request.app.state.receiver
    headers: Headers = tuple(request.headers.raw)
    claim = claim_of(kind, headers)
    if claim is None:
        return Taken(outcome=Delivered.REFUSED)
    async with receiver.reader.body(request) as body, receiver.turns:
        delivery = Delivery(forge=kind, headers=headers, claim=claim, body=body)
        return await run_in_threadpool(_take, request, receiver, delivery)


def _take(request: Request, receiver: Receiver, delivery: Delivery) -> Taken:
    """Note a delivery, then say that there is something to do.

    Whoever dies in between loses a hint: the next pass of the interval sees the same.
    """
    taken = receiver.take(delivery)
    clockwork = request.app.state.clockwork
    for name in taken.repositories if clockwork is not None else ():
        clockwork.wake(name)
    if taken.outcome is not Delivered.REFUSED:
        logger.info(
            "webhook",
            extra={
                "forge": delivery.forge.value,
                "outcome": taken.outcome.value,
                "repositories": list(taken.repositories),
            },
        )
    return taken


def _refusal(request: Request, kind: ForgeKind) -> Refused:
    """Return 401, or 429 where an address tries again and again.

    In the same words whatever was wrong, and whether there is a secret at all.
    """
    receiver: Receiver = request.app.state.receiver
    peer = peer_of(request)
    if (wait_s := receiver.wrong.take(peer)) > 0:
        return Refused(
            429,
            "too many deliveries that nothing proves",
            hint="wait as long as Retry-After says",
            headers={"Retry-After": str(math.ceil(wait_s)), **CUT},
        )
    logger.warning("webhook refused", extra={"forge": kind.value, "peer": peer})
    scheme = "Basic" if kind is ForgeKind.AZURE else "Signature"
    return Refused(
        401,
        "nothing proves that this comes from the forge",
        hint="docs/webhooks.md says what each forge must send",
        headers={"WWW-Authenticate": f'{scheme} realm="directus-gitops"', **CUT},
    )
