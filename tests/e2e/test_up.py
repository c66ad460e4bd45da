"""`make up`: everything on this machine from one command, and everything gone after it."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from scripts.up import PORTS, PROCESSES, ROOT, choose_ports, start_prometheus
from tests.support.commands import COMMAND, TIMEOUT_SECONDS
from tests.support.films import small_film
from tests.support.role_processes import until


@pytest.fixture
def up(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The script at work, and its folder."""
    data = tmp_path / "up"
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "scripts.up"],
            cwd=ROOT,
            env={**os.environ, "REELWRIGHT_UP_DATA": str(data)},
            stdout=said,
            stderr=said,
        )
        until(lambda: "Ctrl-C" in text(data) or process.poll() is not None, "it says what to try")
        yield process, data
        # After a failure, roles that go on would join the groups of the next broker on the usual port.
        with contextlib.suppress(psutil.NoSuchProcess):
            left = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            for child in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
        process.wait()


def text(data: Path) -> str:
    """What the script said so far."""
    return data.with_name("said").read_text()


def environment(data: Path) -> dict[str, str]:
    """The environment as a shell has it that sources the script's file."""
    lines = (line.partition("=") for line in (data / "env").read_text().splitlines())
    return {**os.environ, **{name: shlex.split(value)[0] for name, _, value in lines}}


def children_with(script: subprocess.Popen[bytes], word: str) -> list[psutil.Process]:
    """The script's live processes with a word in their command line."""
    found = []
    for child in psutil.Process(script.pid).children():
        # A process may end at any moment while others are asked about it.
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE and word in " ".join(child.cmdline()):
                found.append(child)
    return found


def test_a_cluster_comes_up_restores_and_goes_down(up: tuple[subprocess.Popen[bytes], Path], tmp_path: Path) -> None:
    """The commands it shows give a film whatever dies on the way, and Ctrl-C leaves nothing behind."""
    script, data = up
    assert script.poll() is None, text(data)
    assert (data / "env").stat().st_mode & 0o077 == 0
    env, output = environment(data), tmp_path / "film.mp4"
    ports = json.loads((data / "ports.json").read_text())
    subprocess.run([COMMAND, "submit", small_film(60), "-o", output], env=env, check=True)
    # The stand-in for the store, where there is no Go, forgets everything with its end.
    store = ["objects"] if shutil.which("go") else []
    for name in ("kafka.Kafka", *store, "inference"):
        (victim,) = children_with(script, name)
        victim.kill()
        until(lambda name=name, pid=victim.pid: {c.pid for c in children_with(script, name)} - {pid}, f"{name} is back")  # type: ignore[misc]
    waiting = subprocess.run([COMMAND, "status", "--wait"], env=env, timeout=TIMEOUT_SECONDS, check=False)
    assert waiting.returncode == 0
    assert subprocess.run([COMMAND, "verify", output], env=env, check=False).returncode == 0
    assert "inference ended with -9" in text(data)
    assert not [name for name in PROCESSES if f":{ports[name]}/metrics" not in text(data)]
    children = psutil.Process(script.pid).children(recursive=True)
    script.send_signal(signal.SIGINT)
    assert script.wait(TIMEOUT_SECONDS) == 0
    assert text(data).endswith("stopped\n")
    assert [child for child in children if child.is_running()] == []
    for role in PROCESSES:
        assert json.loads((data / "logs" / f"{role}.log").read_text().splitlines()[-1])["message"] == "role stopped"


def test_prometheus_is_told_of_every_role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Prometheus is installed it is started with a configuration that scrapes all four."""
    binary = tmp_path / "prometheus"
    binary.write_text("#!/bin/sh\nexit 0\n")
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    (tmp_path / "logs").mkdir()
    ports = choose_ports(tmp_path / "ports.json")
    process = start_prometheus(tmp_path, ports)
    assert process is not None
    process.wait_or_kill(float("inf"))
    scrapes = yaml.safe_load((tmp_path / "prometheus.yml").read_text())["scrape_configs"]
    targets = {scrape["job_name"]: scrape["static_configs"][0]["targets"] for scrape in scrapes}
    assert targets == {name: [f"127.0.0.1:{ports[name]}"] for name in PROCESSES}


def test_ports_are_the_usual_ones_where_they_are_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port in use is stepped aside for, once: the choice stays the same for the folder."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setitem(PORTS, "kafka", taken.getsockname()[1])
        chosen = choose_ports(tmp_path / "ports.json")
        assert chosen["kafka"] != PORTS["kafka"]
    assert choose_ports(tmp_path / "ports.json") == chosen
