"""Creates the controller of a role process."""

from __future__ import annotations

from reelwright.client.connection import connect, open_ledger
from reelwright.client.forecast import open_forecasts
from reelwright.controller.api import KubernetesApi
from reelwright.controller.loop import ControllerService
from reelwright.controller.run_client import ClusterRunClient
from reelwright.controller.settings import ControllerSettings


def create() -> ControllerService:
    """A controller with the settings of the environment. It connects to the broker when it first submits a title.

    Raises:
        UserError: a setting must be corrected, or no cluster is known.
    """
    settings = ControllerSettings()
    # One connection for each worker and each watch, and one for the Lease.
    api = KubernetesApi(settings.namespace, connections=settings.workers + 4)
    return ControllerService(api, ClusterRunClient(connect, open_ledger(), open_forecasts()), settings)
