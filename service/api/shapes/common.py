"""What every document of the API has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Shape(BaseModel):
    """A document of the API."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Listed(Shape):
    """One page of a list."""

    next: str | None = Field(
        default=None,
        description="The `cursor` of the next page; null on the last one.",
    )
