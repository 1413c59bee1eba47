"""Every error this library raises on purpose, in one tree.

An error says place, problem and values in ``message``, and what to do in ``hint``.
Waiting and "nothing to do" are values, never errors. A foreign error (PyYAML, git,
httpx, SQLite) is wrapped once, by the module that owns the library.

    GitopsError                    message, hint; code; retryable = False
    ├── InputError                 a name, version or option that we cannot accept
    │   └── UnknownNameError       a stack, environment or number that is not there
    ├── TreeError                  the files of a commit are not what the layout says
    │   ├── YamlError              path, line, column
    │   └── FleetError             gitops.yaml breaks a rule: path, line, column
    ├── PlanError                  the change asked for cannot be made here
    │   ├── HeldError              a person's hold, a pin or the pause switch forbids it
    │   └── StaleError             what the asker looked at has changed since
    ├── RenderError                kustomize could not, or must not, build an overlay
    ├── ManifestError              the change breaks a rule; carries the findings
    ├── ToolError                  a program is missing, too old, or not the one we know
    ├── GitError                   git failed; its words, trimmed and without secrets
    │   ├── MirrorError            our copy of the repository is damaged      retryable
    │   ├── PushRejectedError      the remote moved under us                  retryable
    │   ├── RemoteDeniedError      credential, key, host key or address
    │   ├── RemoteUnavailableError no answer, or it broke off                 retryable
    │   ├── CredentialError        a key or secret of ours cannot be used     retryable
    │   └── HumanOwnedError        a person has pushed to our branch
    ├── WriteForbiddenError        nothing may be written outside now         retryable
    ├── ForgeError                 the forge refused
    │   ├── ForgeDeniedError       credentials or rights
    │   ├── ForgeNotFoundError     no such pull request
    │   ├── ForgeConflictError     the pull request is not in the state we assumed
    │   └── ForgeUnavailableError  timeout, 5xx, rate limit; retry_after      retryable
    ├── RegistryError              a registry refused, or answers nonsense
    │   ├── RegistryDeniedError    credentials or rights
    │   └── RegistryUnavailableError  no answer, 5xx, rate limit; retry_after  retryable
    ├── WebError                   a server that we must not reach, or that misbehaves
    │   └── WebUnavailableError    no answer, or it broke off; sent            retryable
    └── StoreError                 the service's own database or lock         retryable
        ├── BusyError              another process writes the same repository  retryable
        └── LeaseLostError         another process may write now; we may not  retryable
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from gitops.model import Finding


class GitopsError(Exception):
    """The root: an expected failure with a message for people.

    Args:
        message: place, problem and values, in one line where possible.
        hint: what the reader can do about it; empty when there is nothing to do.
    """

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(GitopsError):
    """A name, version or option given by the caller is not acceptable."""

    code = "input"


class UnknownNameError(InputError):
    """A stack, environment, pull request or key that does not exist."""

    code = "unknown_name"


class TreeError(GitopsError):
    """The files of a commit are not what the layout says they are."""

    code = "tree"


class PlacedError(TreeError):
    """A tree error with a position; the position leads the message.

    Args:
        message: the problem, without the place.
        path: the file, relative to the repository.
        line: 1-based line; 0 when unknown.
        column: 1-based column; 0 when unknown.
        hint: what to do.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str,
        line: int = 0,
        column: int = 0,
        hint: str = "",
    ) -> None:
        place = ":".join([path, *(str(n) for n in (line, column) if n)])
        super().__init__(f"{place}: {message}", hint=hint)
        self.problem = message
        self.path = path
        self.line = line
        self.column = column


class YamlError(PlacedError):
    """A YAML or env file that we do not read, or do not dare to edit."""

    code = "yaml"


class FleetError(PlacedError):
    """gitops.yaml breaks a rule of its schema."""

    code = "fleet"


class PlanError(GitopsError):
    """The change asked for cannot be made here."""

    code = "plan"


class HeldError(PlanError):
    """A hold, a pin or the pause switch forbids the change."""

    code = "held"


class StaleError(PlanError):
    """The asker named what he had looked at, and it is another one by now."""

    code = "stale"


class RenderError(GitopsError):
    """Kustomize could not build an overlay, or the overlay is unsafe to build.

    Args:
        message: the place first.
        path: the file at fault, or the overlay's folder; empty when neither is known.
        line: 1-based line in that file; 0 when unknown.
        hint: what to do.
    """

    code = "render"

    def __init__(
        self, message: str, *, path: str = "", line: int = 0, hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.line = line


class ManifestError(GitopsError):
    """The change would break a rule, so nothing was committed.

    Args:
        message: how many rules, and where.
        findings: the broken rules.
        hint: what to do.
    """

    code = "manifest"

    def __init__(
        self, message: str, *, findings: tuple[Finding, ...], hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.findings = findings


class ToolError(GitopsError):
    """A program is missing, too old, or not the one whose checksum we know."""

    code = "tool"


class GitError(GitopsError):
    """A git command failed; the message holds its last words without secrets."""

    code = "git"


class MirrorError(GitError):
    """Our copy of the repository is damaged; it can be fetched again."""

    code = "mirror"
    retryable = True


class PushRejectedError(GitError):
    """The remote branch is not where we saw it; look again and redo."""

    code = "push_rejected"
    retryable = True


class RemoteDeniedError(GitError):
    """The remote does not accept us, or we not it: its host key, its address."""

    code = "remote_denied"


class RemoteUnavailableError(GitError):
    """The remote gave no answer, or it broke off; what it did is not known."""

    code = "remote_unavailable"
    retryable = True


class CredentialError(GitError):
    """A key or secret that the operator named cannot be used.

    What was wanted stays wanted: a later pass does it, when somebody has mended that.
    """

    code = "credential"
    retryable = True


class HumanOwnedError(GitError):
    """The tip of our branch is a commit that we never pushed; we leave it alone."""

    code = "human_owned"


class WriteForbiddenError(GitopsError):
    """Nothing may be written outside just now: paused, or a cap is reached (R19).

    What was wanted stays wanted: a later pass does it.
    """

    code = "write_forbidden"
    retryable = True


class ForgeError(GitopsError):
    """The forge refused what we asked."""

    code = "forge"


class ForgeDeniedError(ForgeError):
    """The credentials or the rights do not suffice."""

    code = "forge_denied"


class ForgeNotFoundError(ForgeError):
    """The forge knows no such pull request."""

    code = "forge_not_found"


class ForgeConflictError(ForgeError):
    """The pull request is not in the state that we assumed."""

    code = "forge_conflict"


class ForgeUnavailableError(ForgeError):
    """Timeout, server error or rate limit.

    Args:
        message: what happened.
        retry_after: seconds to wait; None when the forge did not say.
        hint: what to do.
        sent: whether the forge may have got the request: what it did is not known
            then, so look before doing it again.
    """

    code = "forge_unavailable"
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        hint: str = "",
        sent: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after
        self.sent = sent


class RegistryError(GitopsError):
    """A registry refused what we asked, or its answer makes no sense.

    It never means that an image does not exist.
    """

    code = "registry"


class RegistryDeniedError(RegistryError):
    """The credentials or the rights do not suffice."""

    code = "registry_denied"


class RegistryUnavailableError(RegistryError):
    """No answer, a server error, or a rate limit.

    Args:
        message: what happened.
        retry_after: seconds to wait; None when the registry did not say.
        hint: what to do.
    """

    code = "registry_unavailable"
    retryable = True

    def __init__(
        self, message: str, *, retry_after: float | None = None, hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class WebError(GitopsError):
    """A request that we refuse to send, or an answer that breaks a limit.

    It names the host and never shows a path, a query, a header or a body.
    """

    code = "web"


class WebUnavailableError(WebError):
    """No connection, no answer in time, or an answer that broke off.

    Args:
        message: what happened.
        sent: whether the server may have got the request: what it did is not known
            then, so look before doing it again.
        hint: what to do.
    """

    code = "web_unavailable"
    retryable = True

    def __init__(self, message: str, *, sent: bool, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.sent = sent


class StoreError(GitopsError):
    """The service's database or a repository lock is not available."""

    code = "store"
    retryable = True


class BusyError(StoreError):
    """Another process writes the same repository, and did so for the whole wait."""


class LeaseLostError(StoreError):
    """The right to write a repository ran out; nothing more may be written."""

    code = "lease_lost"
