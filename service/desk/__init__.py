"""The desk: what people and programs may ask for, whichever way they come.

    asking      bump, bumps, promote, rollback, configure: recorded, not carried out
    deciding    approve, go, merge, close: what is said about a pull request
    stopping    hold, release, pause, resume
    reading     stacks, changes, pull requests, schedules, the audit trail

The desk checks the request, not the asker: who may ask at all is the affair of whoever
opens the door. A request is recorded and the next pass carries it out (R1); every
effect goes into the audit trail with who asked.
"""

from __future__ import annotations

from service.desk.asking import Accepted, Asking
from service.desk.deciding import Deciding
from service.desk.ground import Asker, Ground
from service.desk.reading import (
    Reading,
    RepositoryState,
    Scheduled,
    Station,
    etag_of,
)
from service.desk.stopping import Released, Stopping

__all__ = [
    "Accepted",
    "Asker",
    "Desk",
    "Ground",
    "Released",
    "RepositoryState",
    "Scheduled",
    "Station",
    "etag_of",
]


class Desk(Asking, Deciding, Stopping, Reading):
    """All that can be asked for; one for the whole service, safe in many threads.

    Args:
        settings: of this installation.
        store: the open database.
        clock: the source of `now`.
    """
