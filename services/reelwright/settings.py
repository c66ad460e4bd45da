"""Settings as a command finds them in its environment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from reelwright.titles.errors import UserError

Kind = TypeVar("Kind", bound=BaseSettings)


class ServeSettings(BaseSettings):
    """What every role's process has: `REELWRIGHT_*`.

    Attributes:
        grace_seconds: from SIGTERM until whoever still waits for the bus is cut off. 30 s is what Kubernetes waits
            before it kills; raise both together.
        log_level: of the package's own log lines; libraries speak from WARNING on.
    """

    model_config = SettingsConfigDict(env_prefix="REELWRIGHT_", frozen=True)
    grace_seconds: float = Field(default=30.0, ge=0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


def read_settings(kind: type[Kind]) -> Kind:
    """The settings of that kind.

    Raises:
        UserError: one of them is missing or not valid; names its variable.
    """
    with naming_variables(kind.model_config["env_prefix"]):
        return kind()


@contextmanager
def naming_variables(prefix: str) -> Iterator[None]:
    """Turns settings that are not valid into a UserError that names the variable.

    Args:
        prefix: what the variables' names begin with.
    """
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "__".join(str(part) for part in first["loc"]).upper() or "*"
        if first["type"] == "missing":
            raise UserError("is not set", f"{prefix}{name}", "docs/operations.md says what it is") from None
        # Pydantic's sentence is about the value; "Value error, " is only how it marks what our own checks say.
        what = first["msg"].removeprefix("Value error, ")
        raise UserError(f"{what[:1].lower()}{what[1:]}", f"{prefix}{name}", "mend it") from None
    except SettingsError as error:
        raise UserError(str(error), f"{prefix}*", "mend it") from None
