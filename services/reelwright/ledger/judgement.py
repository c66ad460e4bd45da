"""What a person said about a shot of a finished film."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Judgement(BaseModel):
    """What a person said about a shot.

    Attributes:
        shot: its number, from 1.
        accepted: whether the shot may stay as it is.
        remark: of the person; may be empty.
        at: when, as ISO 8601 in UTC.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    shot: int
    accepted: bool
    remark: str
    at: str
