"""What the API answers with: the same words as the command line's documents.

common      what every document has       stops       holds, pins, pause
stacks      where they stand              changes     what was asked for
proposals   pull requests                 schedules   what comes next
whole       repositories, the trail, tokens
"""

from __future__ import annotations

from service.api.shapes.changes import (
    Bumped,
    Changes,
    ChangeShape,
    Finding,
    NothingToDo,
    Wanted,
)
from service.api.shapes.proposals import (
    Approval,
    Decided,
    Inspected,
    PullRequest,
    PullRequests,
    pull_request_fields,
)
from service.api.shapes.schedules import (
    Expected,
    Forecast,
    Gate,
    Opening,
    Schedule,
    Schedules,
)
from service.api.shapes.stacks import (
    Config,
    Observation,
    Stack,
    Stacks,
    Standing,
    stacks_of,
)
from service.api.shapes.stops import (
    Hold,
    HoldPlaced,
    Holds,
    Paused,
    Pin,
    Released,
)
from service.api.shapes.whole import (
    AuditEntry,
    NewToken,
    Repositories,
    Repository,
    Revoked,
    Tokens,
    TokenShape,
    Trail,
    token_fields,
)

__all__ = [
    "Approval",
    "AuditEntry",
    "Bumped",
    "ChangeShape",
    "Changes",
    "Config",
    "Decided",
    "Expected",
    "Finding",
    "Forecast",
    "Gate",
    "Hold",
    "HoldPlaced",
    "Holds",
    "Inspected",
    "NewToken",
    "NothingToDo",
    "Observation",
    "Opening",
    "Paused",
    "Pin",
    "PullRequest",
    "PullRequests",
    "Released",
    "Repositories",
    "Repository",
    "Revoked",
    "Schedule",
    "Schedules",
    "Stack",
    "Stacks",
    "Standing",
    "TokenShape",
    "Tokens",
    "Trail",
    "Wanted",
    "pull_request_fields",
    "stacks_of",
    "token_fields",
]
