"""Tell people and programs what happened: the audit trail, entry by entry.

The trail is the one list of effects. Each sink has a cursor in the store that moves on
when an entry was taken; so nothing is lost, the order is the trail's, and an entry is
told twice only where the service died in between. A sink that is new begins with what
happens next. One that does not answer is asked again, ever more rarely, and stops
nobody else.

    messages    an entry as what a sink reads; pure
    posting     one message over HTTP
    following   a thread for each sink
"""

from service.notify.following import CURSOR, Notifier, notifying
from service.notify.messages import Message, message_of, signed
from service.notify.posting import Refused, Taken, Unanswered, post

__all__ = [
    "CURSOR",
    "Message",
    "Notifier",
    "Refused",
    "Taken",
    "Unanswered",
    "message_of",
    "notifying",
    "post",
    "signed",
]
