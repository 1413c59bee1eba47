"""COMMIT: git, behind one door.

A bare mirror of each user's repository, the embedded forge's own repositories, a look
at a person's checkout, and smart HTTP for fetching. Its promise: whatever environment,
configuration, hooks or attributes are about, the bytes that were planned are the bytes
that are committed, and a branch moves only from where we saw it. The only user of
GitPython, which is kept within the walls of gitops.process.
"""

from __future__ import annotations

from gitops.git.asking import remote_tip
from gitops.git.bare import BareRepository, Conflict
from gitops.git.blobs import LazyBlobs
from gitops.git.command import (
    Attendant,
    GitProgram,
    attend_git,
    find_git,
    unattended,
    use_git,
)
from gitops.git.http import CgiRequest, CgiResponse, serve_fetch
from gitops.git.keys import ReadText
from gitops.git.mirror import Mirror
from gitops.git.objects import Identity
from gitops.git.remote import (
    Credential,
    ReadCredential,
    Remote,
    SshAccess,
    check_url,
    path_of,
)
from gitops.git.repository import (
    LoggedCommit,
    MergedFile,
    Repository,
    checked_commit,
)
from gitops.git.reviews import Refused, ReviewRoom
from gitops.git.signers import Signatures, Signer, SigningFormat, fingerprint_of
from gitops.git.worktree import (
    FastForwarded,
    Forwarding,
    LeftAlone,
    UpToDate,
    WorkTree,
)

__all__ = [
    "Attendant",
    "BareRepository",
    "CgiRequest",
    "CgiResponse",
    "Conflict",
    "Credential",
    "FastForwarded",
    "Forwarding",
    "GitProgram",
    "Identity",
    "LazyBlobs",
    "LeftAlone",
    "LoggedCommit",
    "MergedFile",
    "Mirror",
    "ReadCredential",
    "ReadText",
    "Refused",
    "Remote",
    "Repository",
    "ReviewRoom",
    "Signatures",
    "Signer",
    "SigningFormat",
    "SshAccess",
    "UpToDate",
    "WorkTree",
    "attend_git",
    "check_url",
    "checked_commit",
    "find_git",
    "fingerprint_of",
    "path_of",
    "remote_tip",
    "serve_fetch",
    "unattended",
    "use_git",
]
