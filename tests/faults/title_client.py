"""Submits titles one after another, waits for their films and checks each one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from tests.faults.check import SOURCE_CHANGED, CheckResult, check_film, read_film
from tests.faults.clip import make_clip
from tests.faults.schedule import ScheduledTitle
from tests.faults.store_client import retry_until_store_answers
from tests.faults.trial_cluster import TrialCluster
from tests.support.cluster import Cluster
from tests.support.commands import COMMAND

_POLL_SECONDS = 0.5
_SUBMIT_SECONDS = 180.0
# A cluster that has committed nothing for so long has nothing to do: a title without an outcome is lost.
_IDLE_SECONDS = 600.0
_USER_ERROR = 2
_SUFFIX = {"web": ".mp4", "master": ".mkv"}


class TitleClient:
    """Keeps a number of titles in work; a context manager that on leaving waits until every film is checked.

    If it is left by an exception, it abandons the titles in work.

    Args:
        trial: the cluster that restores them.
        titles: the titles to submit.
        concurrent_titles: number of titles in work at the same time.
        findings: folder that receives the files of each title that failed its check.

    Attributes:
        checks: the check of each title's film, by the title's name.
    """

    def __init__(
        self, trial: TrialCluster, titles: Iterator[ScheduledTitle], *, concurrent_titles: int, findings: Path
    ) -> None:
        self._trial, self._titles, self._findings = trial, titles, findings
        self._concurrent_titles = concurrent_titles
        self.checks: dict[str, CheckResult] = {}
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._restore_pool = ThreadPoolExecutor(concurrent_titles, thread_name_prefix="title")
        # A separate pool, so that the cluster restores the next titles while films are checked.
        self._check_pool = ThreadPoolExecutor(2, thread_name_prefix="check")
        self._tasks: list[Future[None]] = []

    def __enter__(self) -> TitleClient:
        self._tasks += [self._restore_pool.submit(self._restore_titles) for _ in range(self._concurrent_titles)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abandon()
        self.close()

    def close(self) -> None:
        """Submits no more titles, and waits until the titles in work are finished and checked."""
        self._closing.set()
        self._restore_pool.shutdown()
        self._check_pool.shutdown()
        for task in self._tasks:
            task.result()

    def abandon(self) -> None:
        """Submits no more titles and stops to wait for the titles in work: the cluster does not finish them."""
        self._closing.set()
        self._trial.abandoned.set()

    def _restore_titles(self) -> None:
        while not self._closing.is_set():
            with self._lock:
                title = next(self._titles)
            folder = self._trial.folder / "titles" / str(title.number)
            folder.mkdir(parents=True)
            submitted = SubmittedTitle(title, make_clip(title, folder), self._trial)
            problem = submitted.restore()
            self._tasks.append(self._check_pool.submit(self._check, submitted, problem))

    def _check(self, submitted: SubmittedTitle, problem: str) -> None:
        check = submitted.check(problem)
        self.checks[submitted.name] = check
        if not check.identical:
            shutil.copytree(submitted.folder, self._findings / submitted.folder.name)
        shutil.rmtree(submitted.folder)


class SubmittedTitle:
    """One title, from its submission to the check of its film.

    Args:
        title: the title.
        clip: its source, a local file in the title's folder.
        trial: the cluster that restores it.
    """

    def __init__(self, title: ScheduledTitle, clip: Path, trial: TrialCluster) -> None:
        self._title, self._clip, self._trial = title, clip, trial
        self.folder = clip.parent
        self._store = trial.store
        self._source = f"sources/{clip.name}"
        self._film = f"films/{clip.stem}{_SUFFIX[title.profile]}"
        self._local_film = clip.with_name(f"film{_SUFFIX[title.profile]}")
        self.run = ""

    @property
    def name(self) -> str:
        """Its name in the report."""
        return f"title {self._title.number}, run {self.run or 'unknown'}"

    def restore(self) -> str:
        """Submits the title, waits for its film and fetches it; what went wrong, or an empty text."""
        return self.submit() or self.wait_until_ended(_IDLE_SECONDS) or self.fetch_film()

    def check(self, problem: str) -> CheckResult:
        """Checks the film.

        Args:
            problem: what `restore` returned.
        """
        if problem:
            return CheckResult(frames=self._title.frames, lost=self._title.frames, problems=[problem])
        reference = restore_reference(self._title, self._clip, self._trial.cluster)
        check = check_film(read_film(self._local_film), read_film(reference), read_film(self._clip))
        if retry_until_store_answers(lambda: self._store.get(self._source)) != self._clip.read_bytes():
            check.problems.append(SOURCE_CHANGED)
        for name in (self._source, self._film):
            retry_until_store_answers(lambda name=name: self._store.remove(name))  # type: ignore[misc]
        return check

    def submission(self) -> list[str]:
        """The arguments of `reelwright submit`."""
        bucket = f"s3://{self._trial.cluster.bucket}"
        options = [*_recipe(self._title), "--class", self._title.priority]
        if self._title.deadline_seconds is not None:
            options += ["--deadline", f"{self._title.deadline_seconds}s"]
        return ["submit", f"{bucket}/{self._source}", "-o", f"{bucket}/{self._film}", *options]

    def submit(self) -> str:
        """Uploads the source and submits the title; what went wrong, or an empty text."""
        self._store.upload(self._source, self._clip)
        return self.command_until_answered(*self.submission())

    def move_output(self) -> None:
        """Lets the following submissions ask for another output."""
        self._film = f"films/moved-{self._film.removeprefix('films/')}"

    def move_output_back(self) -> None:
        """Lets the following submissions ask for the output before the last `move_output`."""
        self._film = self._film.replace("moved-", "", 1)

    def command_until_answered(self, *arguments: str, refusal: str = "") -> str:
        """Runs a command, again while it says that the broker or the store does not answer; its error, or nothing.

        Args:
            arguments: of `reelwright`.
            refusal: words of an error that is an answer; empty for none.
        """
        end = time.monotonic() + _SUBMIT_SECONDS
        while True:
            try:
                done = self._trial.cluster.command(*arguments)
            except subprocess.TimeoutExpired as error:
                return f"{arguments[0]} did not exit within {error.timeout:.0f} s"
            if done.returncode == 0:
                if arguments[0] == "submit":
                    self.run = done.stdout.split()[0]
                return ""
            if refusal and refusal in done.stderr:
                return done.stderr
            # A person repeats the command when it says that the broker or the store does not answer.
            if done.returncode != _USER_ERROR or time.monotonic() > end:
                return f"{arguments[0]} exited with {done.returncode}: {done.stderr}"
            time.sleep(_POLL_SECONDS)

    def wait_until_ended(self, seconds: float) -> str:
        """Waits for the outcome of the latest attempt; what went wrong, or an empty text.

        Args:
            seconds: the longest wait since its begin and since the last commit of any title: how long a title takes
                depends on the machine and on the titles beside it.
        """
        began = time.monotonic()
        idle = 0.0
        while idle <= seconds and not self._trial.abandoned.is_set():
            document = retry_until_store_answers(lambda: self._store.get(self._outcome_name()))
            if document:
                outcome = json.loads(document)
                return "" if outcome["state"] == "finished" else f"the title is {outcome['state']}: {outcome}"
            time.sleep(_POLL_SECONDS)
            idle = min(time.monotonic() - began, self._trial.commits.seconds_since_last)
        return "the title has no outcome"

    def _outcome_name(self) -> str:
        """The first attempt has the run's folder; each later one has a folder in it."""
        root = f"{self._trial.prefix}{self.run}/"
        later = {name.removeprefix(f"{root}attempts/").split("/")[0] for name in self._store.names(f"{root}attempts/")}
        return f"{root}attempts/{max(later)}/outcome.json" if later else f"{root}outcome.json"

    def fetch_film(self) -> str:
        """Fetches the film; what went wrong, or an empty text."""
        return "" if self._store.fetch(self._film, self._local_film) else "the title is finished, and has no film"


def restore_reference(title: ScheduledTitle, clip: Path, cluster: Cluster) -> Path:
    """The film of the same request, restored with `reelwright restore` in one process and without faults."""
    film = clip.with_name(f"reference{_SUFFIX[title.profile]}")
    # A little lower in priority than the cluster. With the lowest one it never ends beside a cluster that is busy.
    command = ["nice", "-n", "5", COMMAND, "restore", str(clip), "-o", str(film), "--threads", "1", *_recipe(title)]
    env = {**os.environ, "PYTHONPATH": cluster.env["PYTHONPATH"]}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return film


def _recipe(title: ScheduledTitle) -> list[str]:
    return ["--profile", title.profile, "--set", f"grain.keep={title.grain_keep}"]
