"""One pass over a repository: look, compare with what is wanted, take the next step.

    ground       what a pass stands on
    arriving     which revision came where, and who took one back
    ways         what the promotion rules have to decide about
    observing    what the health sources say
    scheduling   due runs of schedules become intents
    releases     what is new, by the registries
    updating     new releases become intents
    restoring    failed health becomes a rollback
    attending    pull requests that people opened themselves
    telling      what happened, into the audit trail
    reconciler   the order, for every repository

Promise: idempotent. A second pass over an unchanged world writes nothing outside, and a
pass that was killed anywhere is finished by the next one.
"""

from service.reconcile.observing import Observer, observer_of
from service.reconcile.reconciler import PassReport, Reconciler
from service.reconcile.releases import Updater, updater_of
from service.reconcile.ways import way_into, ways

__all__ = [
    "Observer",
    "PassReport",
    "Reconciler",
    "Updater",
    "observer_of",
    "updater_of",
    "way_into",
    "ways",
]
