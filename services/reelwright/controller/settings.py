"""The controller's settings: `REELWRIGHT_CONTROLLER_*`."""

from __future__ import annotations

import socket
import uuid
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def _own_namespace() -> str:
    return _NAMESPACE_FILE.read_text().strip() if _NAMESPACE_FILE.is_file() else "default"


class ControllerSettings(BaseSettings):
    """What a controller watches, and how often it asks.

    Attributes:
        namespace: whose resources it serves; that of its own pod unless set, `default` outside of a cluster.
        identity: name of this process in the Lease and in Events, such as its pod's name; the host's unless set.
        lease: name of the Lease that decides which replica works.
        lease_seconds: time without a renewal after which another replica takes over.
        workers: resources that are served at the same time.
        progress_seconds: time between two looks at a title that is under way. With very many titles it grows, so that
            there are at most 20 looks a second.
        relist_seconds: time between two complete lists of the resources, which find what a watch has missed.
        retry_seconds: longest pause between two tries of what fails; the first is one second.
        settle_seconds: a file of a catalog's folder is taken when it has not been written for this long.
    """

    model_config = SettingsConfigDict(env_prefix="REELWRIGHT_CONTROLLER_", frozen=True)
    namespace: str = Field(default_factory=_own_namespace, min_length=1)
    identity: str = Field(default_factory=socket.gethostname, min_length=1)
    lease: str = Field(default="reelwright-controller", min_length=1)
    lease_seconds: float = Field(default=15.0, ge=1)
    workers: int = Field(default=4, ge=1, le=64)
    progress_seconds: float = Field(default=10.0, gt=0)
    relist_seconds: float = Field(default=600.0, gt=0)
    retry_seconds: float = Field(default=120.0, ge=1)
    settle_seconds: float = Field(default=60.0, ge=0)

    def holder(self) -> str:
        """A name for the Lease that no other process has, a restarted one of the same pod included."""
        return f"{self.identity}_{uuid.uuid4().hex[:8]}"
