"""Names that are more than text, and plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NewType, TypeAlias

StackName = NewType("StackName", str)
EnvironmentName = NewType("EnvironmentName", str)
CommitId = NewType("CommitId", str)
BlobId = NewType("BlobId", str)
BranchName = NewType("BranchName", str)
IntentId = NewType("IntentId", str)
ChangeKey = NewType("ChangeKey", str)

Json: TypeAlias = (
    "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
)
