"""PROPOSE, with no forge but our own: pull requests kept beside a bare repository.

Semantics as on a real forge, so that moving to one changes nothing: numbers count up,
one open pull request per branch and base, the head is what the branch says, a merge
happens at the recorded head only. Git is the truth about branches, SQLite about words
and people; where a crash has let them differ, the next look heals it from Git.

    forge    the protocol: looks, acts, records, in one transaction of the ledger
    sight    what Git says of a pull request now                    reads only
    ledger   the rows, and their transactions                       knows no Git
"""

from __future__ import annotations

from gitops.forges.embedded.forge import EmbeddedForge

__all__ = ["EmbeddedForge"]
