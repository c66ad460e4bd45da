"""Reads settings from the environment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from reelwright.titles.errors import UserError

Kind = TypeVar("Kind", bound=BaseSettings)

DEFAULT_INSTALLATION = "reelwright"
"""The installation whose ledger lies directly in `REELWRIGHT_STORE_LEDGER`."""


class InstallationSettings(BaseSettings):
    """What keeps two installations on one broker and one store apart: `REELWRIGHT_INSTALLATION`.

    Attributes:
        installation: the first part of the names of topics and consumer groups, and the folder of the ledger.
    """

    model_config = SettingsConfigDict(env_prefix="REELWRIGHT_", frozen=True)
    installation: str = Field(default=DEFAULT_INSTALLATION, pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")


class ServeSettings(BaseSettings):
    """Settings of the process of every role: `REELWRIGHT_*`.

    Attributes:
        grace_seconds: from SIGTERM until the bus is closed under work that still waits for it. Kubernetes kills a pod
            after 30 s by default; raise both together.
        metrics_host: IPv4 or IPv6 address on which metrics and health are served; every address when empty.
        stuck_seconds: time without progress after which a loop of the process, or its work on a title, makes it
            unready. Longer than one frame takes, and than a store that does not answer takes to fail.
        liveness_seconds: the same for `/livez`, by which an orchestrator restarts the process.
        log_level: lowest level of the package's own log lines; that of libraries is WARNING.
    """

    model_config = SettingsConfigDict(env_prefix="REELWRIGHT_", frozen=True)
    grace_seconds: float = Field(default=30.0, ge=0)
    metrics_host: str = ""
    stuck_seconds: float = Field(default=120.0, gt=0)
    liveness_seconds: float = Field(default=600.0, gt=0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


def read_settings(kind: type[Kind]) -> Kind:
    """Reads one settings class from the environment.

    Raises:
        UserError: a setting is missing or not valid; the error names its variable.
    """
    with naming_variables(kind.model_config["env_prefix"]):
        return kind()


def installation() -> str:
    """The name of the installation that this process belongs to.

    Raises:
        UserError: `REELWRIGHT_INSTALLATION` is not valid.
    """
    return read_settings(InstallationSettings).installation


@contextmanager
def naming_variables(prefix: str) -> Iterator[None]:
    """Translates a validation error of settings into a UserError that names the variable.

    Args:
        prefix: of the names of the variables.
    """
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "__".join(str(part) for part in first["loc"]).upper() or "*"
        if first["type"] == "missing":
            raise UserError("is not set", f"{prefix}{name}", "docs/operations.md says what it is") from None
        # Pydantic puts "Value error, " in front of the messages of our own validators.
        what = first["msg"].removeprefix("Value error, ")
        raise UserError(f"{what[:1].lower()}{what[1:]}", f"{prefix}{name}", "correct it") from None
    except SettingsError as error:
        raise UserError(str(error), f"{prefix}*", "correct it") from None
