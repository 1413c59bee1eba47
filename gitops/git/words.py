"""What git says -> what people read: short, in one line, and without secrets. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

# the words git uses (LC_ALL=C) when its own files are not what they should be
_DAMAGE: Final = re.compile(
    r"not a git repository|bad config|bad object|bad tree object|broken ref"
    r"|bad signature|reference broken|is corrupt|is empty|loose object"
    r"|packfile|pack has|index file|\binflate\b|unable to (?:read|unpack|parse)"
    r"|could not (?:parse|get object info)|could not read (?!from|Username|Password)"
    r"|failed to traverse|invalid HEAD"
    r"|missing (?:blob|tree|commit|object)|did not send all necessary objects"
    r"|not a valid object|\.lock': File exists"
    r"|unable to resolve reference|invalid object|object file|packed-refs"
    r"|did not receive expected object",
    re.IGNORECASE,
)
_ABSOLUTE_PATH: Final = re.compile(r"(?<![\w:/.])/(?:[^\s'\":]+/)*([^\s'\":/]+)/?")
_FILE_URL: Final = re.compile(r"file://(?:[^\s'\"]*/)?")
_USER_IN_URL: Final = re.compile(r"://[^/@\s]+@")
_ESCAPE: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_ADVICE: Final = (  # git's own, about a command that nobody has typed
    "hint:",
    "To add an exception",
    "git config --global",
    "Please make sure",
    "and the repository exists",
)
_WORDS_MAX: Final = 600


def shows_damage(messages: str) -> bool:
    """Whether git's own messages are those about a damaged repository."""
    lines = messages.splitlines()
    return any(_DAMAGE.search(x) for x in lines if not x.startswith("remote:"))


def last_words(messages: str, *, hidden: Sequence[str] = ()) -> str:
    """Return the end of git's messages in one line, fit for people.

    Advice, terminal escapes, folders of this machine, users in URLs and hidden values
    are taken out.
    """
    for value in filter(None, hidden):
        messages = messages.replace(value, "***")
    messages = _USER_IN_URL.sub("://***@", _ESCAPE.sub("", messages))
    messages = _ABSOLUTE_PATH.sub(r"\1", _FILE_URL.sub("", messages))
    lines = ("".join(filter(str.isprintable, line)) for line in messages.splitlines())
    kept = [line.strip() for line in lines if line.strip()]
    kept = [line for line in kept if not line.startswith(_ADVICE)]
    return "; ".join(kept[-4:])[-_WORDS_MAX:] or "it gave no reason"
