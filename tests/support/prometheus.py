"""A real Prometheus that scrapes role processes and evaluates the alerts of the chart."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from tests.support.optional import optional_program
from tests.support.promql import RULES
from tests.support.role_processes import Process, free_port, until

NAMESPACE = "films"
"""The namespace that every series has, as in an installation."""

# A failed query is answered with this status and the reason.
_REFUSED = 400


class QueryRefused(Exception):
    """Prometheus does not understand a query, or cannot answer it; the message is its own."""


class Prometheus:
    """Scrapes processes from construction on; a context manager that waits for the first scrapes, and stops it.

    Args:
        folder: for its data and its log.
        processes: what is scraped at first.
        scrape_seconds: time between two scrapes, and between two evaluations of the alerts.
    """

    def __init__(self, folder: Path, processes: Iterable[Process], scrape_seconds: int = 1) -> None:
        self._targets, self._address = folder / "targets.json", f"127.0.0.1:{free_port()}"
        self._scraped = tuple(processes)
        self._write_targets()
        every = f"{scrape_seconds}s"
        scrape = {"job_name": "reelwright", "file_sd_configs": [{"files": [str(self._targets)]}]}
        settings = {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
            "rule_files": [str(RULES)],
            "scrape_configs": [scrape],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
        command = [
            optional_program("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address={self._address}",
        ]
        with (folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self) -> Prometheus:
        self.wait_for_scrapes()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def scrape(self, processes: Iterable[Process]) -> None:
        """Scrapes these processes from now on, and no others."""
        self._scraped = tuple(processes)
        self._write_targets()

    def wait_for_scrapes(self) -> None:
        """Waits until each process was scraped twice, so that counters have a growth."""
        for process in self._scraped:
            query = f'sum_over_time(up{{pod="{process.name}"}}[1h]) >= 2'
            until(lambda query=query: self._answers(query), f"{process.name} was scraped")  # type: ignore[misc]

    def query(self, expression: str, at: float | None = None) -> list[tuple[dict[str, str], float]]:
        """The samples of an expression, each with its labels.

        Args:
            expression: in PromQL.
            at: Unix seconds; now by default.

        Raises:
            QueryRefused: the expression is wrong.
        """
        found = self._get("query", query=expression, time=time.time() if at is None else at)
        return [(each["metric"], float(each["value"][1])) for each in found["result"]]

    def query_range(
        self, expression: str, begin: float, end: float, step: float
    ) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """The series of an expression between two times, as (Unix seconds, value), each with its labels.

        Raises:
            QueryRefused: the expression is wrong.
        """
        found = self._get("query_range", query=expression, start=begin, end=end, step=step)
        return [(each["metric"], [(at, float(text)) for at, text in each["values"]]) for each in found["result"]]

    def rules(self) -> list[dict[str, Any]]:
        """The alerts, with `name`, `state`, `health` and `lastError`."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def _write_targets(self) -> None:
        targets = [
            {
                "targets": [f"127.0.0.1:{process.port}"],
                "labels": {"namespace": NAMESPACE, "pod": process.name},
            }
            for process in self._scraped
        ]
        # Renamed, because Prometheus reads a file as soon as it is written.
        fresh = self._targets.with_suffix(".new")
        fresh.write_text(json.dumps(targets))
        fresh.rename(self._targets)

    def _answers(self, expression: str) -> bool:
        """Whether an expression has a sample; not while Prometheus starts."""
        assert self._process.poll() is None, "prometheus has ended"
        try:
            return bool(self.query(expression))
        except OSError:
            return False

    def _get(self, what: str, **parameters: object) -> dict[str, Any]:
        url = f"http://{self._address}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                data: dict[str, Any] = json.load(answer)["data"]
                return data
        except urllib.error.HTTPError as error:
            if error.code != _REFUSED:
                raise
            raise QueryRefused(json.load(error)["error"]) from None
