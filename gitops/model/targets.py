"""Who and what: targets, revisions, findings, holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gitops.model.names import EnvironmentName, StackName


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Target:
    """One stack in one environment: what a change is about."""

    environment: EnvironmentName
    stack: StackName

    def __str__(self) -> str:
        """Name it for people, environment last."""
        return f"{self.stack} in {self.environment}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What runs: image, tag and, where known, digest.

    An unknown digest (None) never equals a known one.
    """

    image: str
    tag: str
    digest: str | None = None

    def __str__(self) -> str:
        """Write it as an image reference."""
        return f"{self.image}:{self.tag}" + (f"@{self.digest}" if self.digest else "")


class Severity(StrEnum):
    """How bad a finding is: an error stops a commit, the others are told."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One broken rule.

    Attributes:
        rule: stable kebab-case name, documented in docs/rules.md.
        severity: see Severity.
        path: the file, or the overlay that was rendered.
        line: 1-based line; 0 when there is none.
        message: place inside the object, problem, values.
        hint: what to do.
    """

    rule: str
    severity: Severity
    path: str
    line: int = 0
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A person's "stop here", for a stack, an environment, both, or everything."""

    stack: StackName | None
    environment: EnvironmentName | None
    reason: str
    by: str
    at: datetime
