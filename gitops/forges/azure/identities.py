"""Who we are to Azure DevOps, and who somebody is: it knows people by ids."""

from __future__ import annotations

import re
from typing import Final

from gitops.errors import ForgeUnavailableError
from gitops.forges.azure import reading
from gitops.forges.azure.calls import PREVIEW, read
from gitops.forges.http import FINE, Call, Talk
from gitops.model import Json
from gitops.web.fields import flag_at, mapping_at, text_at

IDENTITIES: Final = "identities"
"""Root of the API that knows people; another host at Microsoft's own."""

_GUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def us() -> Talk[Json]:
    """Return the identity that our credential acts as: its id and some names.

    Raises:
        ForgeUnavailableError: it is not told.
    """
    reply = yield Call(
        method="GET",
        path=("_apis", "connectionData"),
        query=(("api-version", PREVIEW),),
    )
    found = mapping_at(reply.json(), "authenticatedUser")
    if not text_at(found, "id"):
        raise ForgeUnavailableError("the forge does not say who we are")
    return found


def whoami(git: tuple[str, ...]) -> Talk[str]:
    """Return our name as pull requests and comments show it.

    The name beside the id is written differently on some servers, so it is taken from
    a pull request of ours where there is one.

    Args:
        git: path of the repository.
    """
    identity = yield from us()
    query = {
        "searchCriteria.creatorId": text_at(identity, "id"),
        "searchCriteria.status": "all",
        "$top": "1",
    }
    reply = yield read(*git, "pullrequests", **query)
    for item in reading.rows(reply):
        return reading.login(mapping_at(item, "createdBy"))
    account = text_at(identity, "properties", "Account", "$value")
    return account or text_at(identity, "providerDisplayName")


def person(name: str) -> Talk[str]:
    """Return somebody's id; empty for who is not known, or whom we may not look up.

    Args:
        name: to sign in with, or the id itself.
    """
    if _GUID.fullmatch(name):
        return name
    query = {"searchFilter": "General", "filterValue": name}
    call = read("_apis", "identities", **query)
    reply = yield Call(
        method=call.method,
        path=call.path,
        query=call.query,
        api=IDENTITIES,
        accepts=FINE | {401, 403},
    )
    if reply.status not in FINE:
        return ""
    found = [
        text_at(one, "id")
        for one in reading.rows(reply)
        if not flag_at(one, "isContainer")
    ]
    return found[0] if len(found) == 1 else ""
