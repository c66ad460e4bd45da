"""Creates the inference worker of a process."""

from __future__ import annotations

import os

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.protocol import Bus
from reelwright.inference.restorer import PictureRestorer
from reelwright.inference.settings import InferenceSettings
from reelwright.inference.worker import InferenceWorker
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.models import resolve_model


def create(bus: Bus, claims: ClaimCheck) -> InferenceWorker:
    """Creates a worker with the settings of the environment.

    Raises:
        ModelError: the model or the engine of the settings cannot be used.
    """
    settings = InferenceSettings()
    model = resolve_model(settings.model)
    threads = settings.threads or os.cpu_count() or 1
    engine = create_engine(settings.engine, model, threads=threads, streams=settings.parallel)
    return InferenceWorker(bus, claims, PictureRestorer(engine, model), settings)
