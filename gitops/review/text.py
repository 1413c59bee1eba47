"""TELL, the words on the page: text from outside made harmless, our own left alone.

Promise (docs/reliability.md R17): whatever a name, value or reason holds, on the page
it is one line of text: it mentions nobody, refers to nothing, closes nothing, opens no
tag, starts no command and hides no character. It knows Markdown, not what is told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

_BREAK: Final = "\u200b"  # zero width space: parts what a forge would take for a link
_VALUE_LIMIT: Final = 200

# Controls, line separators, format characters (bidi, zero width, tags), fillers and
# lone surrogates: everything that a reader cannot see, or that moves what he sees.
_UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2"
    "\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000110bd\U000110cd"
    "\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

# What forges make links of: @login, #1, GitLab's !1 $1 ~1 %1 &1 ^1, and GH-1.
_REFERENCE: Final = re.compile(r"@|#(?=\w)|[!$~%&^](?=\d)|\bGH-(?=\d)", re.IGNORECASE)
_ENTITY: Final = re.compile(r"&(?=#?\w+;)")
_TAG: Final = re.compile(r"<(?=[A-Za-z/!?])")
_MARKDOWN: Final = re.compile(r"[\\`*\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_ISSUE: Final = re.compile(r":(?=//\S*/(?:issues|pull|merge_requests|work_items)/)")
_KIND: Final = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")
_ADDRESS: Final = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Quote:
    """A piece of text that came from outside: a name, a value, someone's words."""

    text: str


Phrase: TypeAlias = tuple["str | Quote", ...]
"""Our own words (str) and quoted ones, in order; never a line break in ours."""


def kind_word(kind: str) -> str | Quote:
    """Return an object's kind: a plain word where it is one."""
    return kind if _KIND.fullmatch(kind) else Quote(kind)


def plain(phrase: Phrase) -> str:
    """Write a phrase for a terminal or JSON: one line, nothing unseen in it."""
    return "".join(
        (cut(visible(part.text)) or '""') if isinstance(part, Quote) else part
        for part in phrase
    )


def markdown(phrase: Phrase) -> str:
    """Write a phrase in Markdown: each quoted piece is a code span."""
    return "".join(
        code(part.text) if isinstance(part, Quote) else part for part in phrase
    )


def visible(text: str) -> str:
    """Spell out what cannot be seen: a line break becomes a backslash and n."""
    return _UNSEEN.sub(_spelled, text)


def is_visible(text: str) -> bool:
    """Whether a text holds no character that `visible` would spell out."""
    return _UNSEEN.search(text) is None


def _spelled(found: re.Match[str]) -> str:
    char = found[0]
    number = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def cut(text: str, limit: int = _VALUE_LIMIT) -> str:
    """Shorten to at most limit characters; a cut text ends in an ellipsis."""
    if len(text) <= limit:
        return text
    return text[: max(limit - 1, 0)] + "…" if limit > 0 else ""


def size(text: str) -> int:
    """Return the bytes of UTF-8: never fewer than any forge's count of characters."""
    return len(text.encode("utf-8"))


def _parted(text: str) -> str:
    return _REFERENCE.sub(lambda found: found[0] + _BREAK, text)


def code(text: str) -> str:
    """Show a value as an inline code span."""
    shown = _parted(_TAG.sub("<" + _BREAK, cut(visible(text))))
    if not shown.strip():
        return f"(empty, {len(shown)} spaces)" if shown else "(empty)"
    fence = "`" * (_longest_run(shown) + 1)
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def cell(text: str) -> str:
    """Show a sentence in a table cell: escaped Markdown, nothing live."""
    escaped = _MARKDOWN.sub(
        lambda found: "\\" + found[0], _tagless(cut(visible(text), 600))
    )
    return _ADDRESS.sub(_BREAK, _parted(escaped))


def _tagless(text: str) -> str:
    """Escape what begins a tag or an entity; the rest stays easy to read."""
    return _ENTITY.sub("&amp;", text).replace("<", "&lt;")


def element(text: str) -> str:
    """Show a text inside an HTML element, where Markdown means nothing."""
    return _parted(_tagless(cut(visible(text))))


def _unlinked(text: str) -> str:
    """Part what a commit message may not refer to, addresses of issues included."""
    return _ISSUE.sub(":" + _BREAK, _parted(text))


def title_part(text: str) -> str:
    """Show a value in a title: plain text that forges copy into commit messages."""
    shown = visible(text).translate({ord("<"): "(", ord(">"): ")", ord("`"): "'"})
    return _unlinked(cut(shown, 120))


def sentence(text: str) -> str:
    """Show someone's words in a commit message: one line that refers to nothing."""
    return _unlinked(cut(visible(text), 400))


def fenced(text: str, language: str) -> str:
    """Put lines into a block whose fence is longer than any run of backticks inside.

    Args:
        text: lines of our own making that begin with a blank, a sign or a letter.
        language: for highlighting.
    """
    safe = text.replace("<!--", "<!" + _BREAK + "--").rstrip("\n")
    fence = "`" * max(3, _longest_run(safe) + 1)
    return f"{fence}{language}\n{safe}\n{fence}\n"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)
