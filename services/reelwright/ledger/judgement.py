"""What a person said about a shot of a finished film, and had done again."""

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


class Redoing(BaseModel):
    """A shot that was restored again.

    Attributes:
        shot: its number, from 1.
        settings: that it has for itself since then, texts of the form `KEY=VALUE`.
        at: when, as ISO 8601 in UTC.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    shot: int
    settings: tuple[str, ...]
    at: str
