"""Makes the specks to learn dust from, film by film, in several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import cv2

from training import material
from training.dataset import Photograph, photographs
from training.film_windows import find_film
from training.speck_samples import FILMS, Specks, from_film, from_photographs

# Clips from photographs of one task.
_TOGETHER = 20


def samples(data: Path, clips: int, processes: int) -> Iterator[Specks]:
    """The specks of the films and of clips made from photographs, the same with any number of processes.

    Args:
        data: the folder of `training.dataset`. Films may lie in `material.SHARED` too; one that does not is left out.
        clips: from photographs.
        processes: that share the work.
    """
    paths = {name: find_film(name, (material.SHARED, data / "clips")) for name in FILMS}
    tasks = [partial(_film_task, path, *plan) for name, path in paths.items() if path for plan in FILMS[name]]
    parts = [range(clips)[first : first + _TOGETHER] for first in range(0, clips, _TOGETHER)]
    tasks += [partial(_photographs_task, data, part) for part in parts]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        for found in pool.map(_done, tasks):
            yield from found


def _done(task: Callable[[], list[Specks]]) -> list[Specks]:
    cv2.setNumThreads(1)
    return task()


def _film_task(path: Path, step: int, count: int, draws: int) -> list[Specks]:
    return list(from_film(path, step, count, draws))


def _photographs_task(data: Path, clips: Sequence[int]) -> list[Specks]:
    return list(from_photographs(_photographs(data / "apt"), clips))


@cache
def _photographs(folder: Path) -> list[Photograph]:
    return photographs(folder)
