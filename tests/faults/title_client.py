"""Hands in titles without pause, waits for their films and has each one checked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.faults.check import Verdict, judge, look
from tests.faults.clip import make_clip
from tests.faults.generator import Title
from tests.faults.store_client import StoreClient, patiently
from tests.faults.trial_cluster import TrialCluster
from tests.support.cluster import Cluster
from tests.support.commands import COMMAND

_LOOK_SECONDS = 0.5
_SUBMIT_SECONDS = 180.0
# Far beyond what the slowest title takes under fire: only one that was forgotten gets here.
_TITLE_SECONDS = 900.0
_USER_ERROR = 2
_SUFFIX = {"web": ".mp4", "master": ".mkv"}


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """A restoration of the same request in one process, with nothing in its way."""

    run: str
    film: Path


class TitleClient:
    """Keeps `lanes` titles under way from entering to leaving; leaving waits until every film is judged.

    Args:
        world: where they are restored.
        titles: what to hand in.
        lanes: titles at the same time.
        keep: folder for what was wrong.

    Attributes:
        verdicts: on each title, by its name.
    """

    def __init__(self, world: TrialCluster, titles: Iterator[Title], lanes: int, keep: Path) -> None:
        self._world, self._titles, self._lanes, self._keep = world, titles, lanes, keep
        self.verdicts: dict[str, Verdict] = {}
        self._closing, self._hopeless = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._serving_pool = ThreadPoolExecutor(lanes, thread_name_prefix="title")
        # Apart from those, so that a film that waits for its judge keeps no other from being made.
        self._judging_pool = ThreadPoolExecutor(2, thread_name_prefix="judge")
        self._tasks: list[Future[None]] = []

    def __enter__(self) -> TitleClient:
        self._tasks += [self._serving_pool.submit(self._serve) for _ in range(self._lanes)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hands in no more titles and waits until those under way are finished and all are judged."""
        self._closing.set()
        self._serving_pool.shutdown()
        self._judging_pool.shutdown()
        for task in self._tasks:
            task.result()

    def abandon(self) -> None:
        """Waits no longer for titles that are under way: nothing comes any more."""
        self._closing.set()
        self._hopeless.set()

    def _serve(self) -> None:
        while not self._closing.is_set():
            with self._lock:
                title = next(self._titles)
            folder = self._world.folder / "titles" / str(title.number)
            folder.mkdir(parents=True)
            order = _Order(title, make_clip(title, folder), self._world, self._hopeless)
            complaint = order.served()
            self._tasks.append(self._judging_pool.submit(self._judge, order, complaint))

    def _judge(self, order: _Order, complaint: str) -> None:
        verdict = order.judged(complaint)
        self.verdicts[order.name] = verdict
        if not verdict.identical:
            shutil.copytree(order.folder, self._keep / order.folder.name)
        shutil.rmtree(order.folder)


class _Order:
    """One title, from its submission to the verdict on its film."""

    def __init__(self, title: Title, clip: Path, world: TrialCluster, hopeless: threading.Event) -> None:
        self._title, self._clip, self._world, self._hopeless = title, clip, world, hopeless
        self.folder = clip.parent
        self._shelf: StoreClient = world.shelf
        self._source = f"sources/{clip.name}"
        self._film = f"films/{clip.stem}{_SUFFIX[title.profile]}"
        self._run = ""

    @property
    def name(self) -> str:
        """What the report calls it."""
        return f"title {self._title.number}, run {self._run or 'unknown'}"

    def served(self) -> str:
        """Hands it in and fetches the film; what went wrong, if anything."""
        self._shelf.upload(self._source, self._clip)
        return self._submit() or self._finish() or self._fetch()

    def judged(self, complaint: str) -> Verdict:
        """The verdict on the film that came of it."""
        if complaint:
            return Verdict(frames=self._title.frames, lost=self._title.frames, faults=[complaint])
        undisturbed = restore_undisturbed(self._title, self._clip, self._world.cluster)
        verdict = judge(look(self._local()), look(undisturbed.film), look(self._clip))
        if undisturbed.run != self._run:
            verdict.faults.append(f"the cluster calls it run {self._run}, `restore` {undisturbed.run}")
        if patiently(lambda: self._shelf.get(self._source)) != self._clip.read_bytes():
            verdict.faults.append("the source was touched")
        for name in (self._source, self._film):
            patiently(lambda name=name: self._shelf.remove(name))  # type: ignore[misc]
        return verdict

    def _submit(self) -> str:
        place = f"s3://{self._world.cluster.bucket}"
        title = self._title
        options = [*_recipe(title), "--class", title.priority]
        if title.deadline_seconds is not None:
            options += ["--deadline", f"{title.deadline_seconds}s"]
        end = time.monotonic() + _SUBMIT_SECONDS
        while True:
            done = self._world.cluster.command(
                "submit", f"{place}/{self._source}", "-o", f"{place}/{self._film}", *options
            )
            if done.returncode == 0:
                self._run = done.stdout.split()[0]
                return ""
            # A person tries again when told that the broker or the store does not answer.
            if done.returncode != _USER_ERROR or time.monotonic() > end:
                return f"submit left with {done.returncode}: {done.stderr}"
            time.sleep(_LOOK_SECONDS)

    def _finish(self) -> str:
        name = f"{self._world.prefix}{self._run}/outcome.json"
        end = time.monotonic() + _TITLE_SECONDS
        while time.monotonic() < end and not self._hopeless.is_set():
            document = patiently(lambda: self._shelf.get(name))
            if document:
                outcome = json.loads(document)
                return "" if outcome["state"] == "finished" else f"it {outcome['state']}: {outcome}"
            time.sleep(_LOOK_SECONDS)
        return "it never ended"

    def _fetch(self) -> str:
        return "" if self._shelf.fetch(self._film, self._local()) else "finished, and there is no film"

    def _local(self) -> Path:
        return self._clip.with_name(f"film{_SUFFIX[self._title.profile]}")


def restore_undisturbed(title: Title, clip: Path, cluster: Cluster) -> Undisturbed:
    """Restores the clip as one person does at one machine."""
    film = clip.with_name(f"undisturbed{_SUFFIX[title.profile]}")
    command = ["nice", "-n", "19", COMMAND, "restore", str(clip), "-o", str(film), "--threads", "1", *_recipe(title)]
    env = {**os.environ, "PYTHONPATH": cluster.env["PYTHONPATH"]}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    manifest = json.loads(film.with_name(f"{film.name}.manifest.json").read_text())
    return Undisturbed(manifest["run"], film)


def _recipe(title: Title) -> list[str]:
    return ["--profile", title.profile, "--set", f"grain.keep={title.keep}"]
