"""Creates the inference worker of a process."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.protocol import Bus
from reelwright.inference.restorer import PictureRestorer
from reelwright.inference.settings import InferenceSettings
from reelwright.inference.worker import InferenceWorker
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.models import ModelFile


def create(
    bus: Bus, claims: ClaimCheck, fetch_model: Callable[[str], AbstractContextManager[ModelFile]]
) -> InferenceWorker:
    """Creates a worker with the settings of the environment.

    Args:
        bus: where restored batches are published.
        claims: holds payloads that are too large for a message.
        fetch_model: gets a network by its name, as a file for the duration of a `with` block.

    Raises:
        ModelError: the model or the engine of the settings cannot be used.
        UnavailableError: the process must stop while the model's store is unavailable.
    """
    settings = InferenceSettings()
    threads = settings.threads or os.cpu_count() or 1
    with fetch_model(settings.model) as model:
        engine = create_engine(settings.engine, model, threads=threads, streams=settings.parallel)
    return InferenceWorker(bus, claims, PictureRestorer(engine, model), settings)
