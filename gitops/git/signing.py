"""Signing commits, so that redoing one changes nothing.

Rule R2 asks for the same commit each time. A signature by an ed25519 or RSA key of SSH
is the same each time; one by OpenPGP holds the time, and one by ECDSA a random number.
So each signature is kept, under the id of the commit before it was signed and under
the key, before anybody sees the commit; whoever makes the same commit again gets the
signature that is kept. Git makes it (`git commit-tree -S`), and what git made is
compared with what was planned.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from gitops.errors import CredentialError, GitError, InputError, StoreError
from gitops.git.command import SafeGit
from gitops.git.objects import GitObject, signature_of, with_signature
from gitops.git.signers import OpenedKey, Signer, opened, why_not
from gitops.git.walls import Walls
from gitops.model import CommitId

_AUTHOR: Final = re.compile(r"^author (.*) <(.*)> (-?\d+) \+0000$", re.MULTILINE)
_CRUD_HINT: Final = (
    "git takes dots, commas, colons and quotes from both ends of a name: write the "
    "committer's without them"
)


def sign(commit: GitObject, signer: Signer, *, git_dir: Path) -> GitObject:
    """Return a commit with its signature.

    Args:
        commit: without one; its tree and parents are in the repository.
        signer: signs it.
        git_dir: the repository; it may hold a signed commit afterwards that nobody
            needs.

    Raises:
        GitError: it cannot be signed, or git made another commit of it.
        CredentialError: the key cannot be used.
        StoreError: what is kept is no signature.
        ToolError: the program that signs is not there.
    """
    unsigned = CommitId(commit.id)
    with opened(signer) as key:
        kept = signer.kept
        if kept is None and not key.is_repeatable:
            raise CredentialError(
                "each signature of this key is another one, and nobody keeps them",
                hint="sign with an ed25519 key of SSH",
            )
        known = kept.find(unsigned, key.name) if kept else None
        if known is None:
            known = _signature(commit, key, git_dir)
            if kept is not None:
                known = kept.keep(unsigned, key.name, known)
    try:
        return with_signature(commit, known)
    except InputError as error:
        raise StoreError(error.message, hint="is the database damaged?") from None


def _signature(commit: GitObject, key: OpenedKey, git_dir: Path) -> str:
    """Let git sign a commit, and prove that it is the one that was planned."""
    head, _, message = commit.content.partition(b"\n\n")
    lines = head.decode().split("\n")
    author = _AUTHOR.search(head.decode())
    if author is None:  # a commit of ours always has one
        raise GitError("a commit without an author cannot be signed")
    person = {}
    for who in ("AUTHOR", "COMMITTER"):
        person[f"GIT_{who}_NAME"], person[f"GIT_{who}_EMAIL"] = author[1], author[2]
        person[f"GIT_{who}_DATE"] = f"@{author[3]} +0000"
    parents = [
        word
        for line in lines
        if line.startswith("parent ")
        for word in ("-p", line.removeprefix("parent "))
    ]
    walls = Walls(
        git_dir=git_dir,
        cwd=key.folder,
        more=key.words,
        variables={**person, **key.variables},
    )
    tree = lines[0].removeprefix("tree ")
    words = ("-S", *parents, "-F", "-", tree)
    answer = SafeGit(walls=walls).ask("commit-tree", *words, stdin=message)
    if answer.code != 0:
        raise why_not(key, answer.words)
    made = answer.stdout.decode().strip()
    shown = SafeGit(walls=Walls(git_dir=git_dir)).ask("cat-file", "commit", made)
    signature = signature_of(GitObject(b"commit", shown.stdout))
    if not signature or with_signature(commit, signature).id != made:
        told = "git signed another commit than was planned"
        raise CredentialError(told, hint=_CRUD_HINT)
    return signature
