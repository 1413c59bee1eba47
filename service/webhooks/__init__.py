"""Webhooks: a forge says that something happened, and the next pass comes at once.

    signatures  does it come from who holds the secret          pure
    payload     which repository it is about                    pure
    identity    what it is known by, when it comes again        pure
    reading     its body: raw bytes, bounded
    receiver    whose it is, and whether it is new
    routes      the route

A webhook is a hint and nothing else (R12): what it says is never believed, no address
in it is asked, and a delivery that is lost, late, doubled or out of order changes no
result, because passes look for themselves every interval.
"""

from service.webhooks.receiver import Receiver
from service.webhooks.routes import router

__all__ = ["Receiver", "router"]
