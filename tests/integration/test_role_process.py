"""A role's process: what it loads, and that it ends for its orchestrator when one of its threads dies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reelwright.cli.main import run
from reelwright.telemetry.threads import SupervisedThread
from tests.support.commands import manifest_of
from tests.support.films import small_film
from tests.support.role_processes import Process, free_port, until

# The process of a role as `reelwright serve` runs it, on a bus of its own, with a role whose thread dies on request.
ROLE = """
import signal, sys, threading, time
from pathlib import Path
from reelwright.process.signals import STOP_SIGNALS
signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
from reelwright.bus.local.bus import LocalBus
from reelwright.process import service
from reelwright.telemetry.threads import SupervisedThread

folder = Path(sys.argv[1])

def wait_for(name):
    while not (folder / name).exists():
        time.sleep(0.01)

def die():
    wait_for("die")
    raise ValueError("meant to die")

class CountedSignals(service.StopSignals):
    def wait(self, seconds):
        with (folder / "checks").open("a") as file:
            file.write("x")
        return super().wait(seconds)

service.StopSignals = CountedSignals

class Role:
    unready = ""

    def run(self, stop):
        SupervisedThread("reader", die, daemon=True).start()
        stop.wait()
        wait_for("drained")

service.connect, service.create = LocalBus, lambda *_: Role()
sys.exit(service.serve("dispatcher", int(sys.argv[2])))
"""


def role_process(folder: Path, grace_seconds: int) -> Process:
    """The process, ready for work."""
    port = free_port()
    command = [sys.executable, "-c", ROLE, str(folder), str(port)]
    env = {"REELWRIGHT_GRACE_SECONDS": str(grace_seconds)}
    process = Process("dispatcher", "dispatcher", port, env, folder, command)
    until(lambda: process.ready or process.code is not None, "it is ready")
    assert process.code is None, process.log.read_text()
    return process


def test_a_frozen_process_does_not_take_the_thaw_for_a_signal(tmp_path: Path) -> None:
    """A process that was frozen for longer than it waits for signals goes on working."""
    folders = [tmp_path / name for name in ("frozen", "working")]
    for folder in folders:
        folder.mkdir()
    process, beside = (role_process(folder, grace_seconds=100_000) for folder in folders)
    process.freeze()
    checks = folders[1] / "checks"
    before = checks.stat().st_size
    # Of three that begin, two wait for as long as the frozen process wants to.
    until(lambda: checks.stat().st_size > before + 2, "another one has waited for signals twice meanwhile")
    beside.kill()
    process.thaw()
    until(lambda: process.get("/readyz") == (200, "ready\n"), "it answers")
    (folders[0] / "die").touch()
    (folders[0] / "drained").touch()
    assert process.wait() == 1
    messages = [line["message"] for line in process.lines()]
    assert messages.index("thread died") < messages.index("role stopping")


def test_a_dead_thread_drains_and_ends_the_process(tmp_path: Path) -> None:
    """A dead thread is logged, named in /readyz, and ends the process with 1 once the role has drained."""
    process = role_process(tmp_path, grace_seconds=100_000)
    (tmp_path / "die").touch()
    until(lambda: process.get("/readyz") == (503, "a thread has died: reader\n"), "readiness names the thread")
    assert process.get("/healthz")[0] == 200
    (tmp_path / "drained").touch()
    assert process.wait() == 1
    lines = list(process.lines())
    assert [line["message"] for line in lines] == [
        "role started",
        "role running",
        "thread died",
        "process ends because a thread died",
        "role stopping",
        "role stopped",
    ]
    assert all(line["role"] == "dispatcher" for line in lines)
    (died,) = (line for line in lines if line["message"] == "thread died")
    assert "ValueError: meant to die" in died["exception"]


def test_a_dead_thread_ends_a_process_that_cannot_drain(tmp_path: Path) -> None:
    """A role that hangs after the death of its thread ends with 1 when the grace period is over."""
    process = role_process(tmp_path, grace_seconds=0)
    (tmp_path / "die").touch()
    assert process.wait() == 1
    assert "grace period exceeded, closing the bus" in [line["message"] for line in process.lines()]


def test_a_dead_thread_ends_a_restoration(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`restore` ends with 1 when a thread of the process dies, and the same command finishes the film."""
    output = tmp_path / "out.mp4"

    def die() -> None:
        until(lambda: any(tmp_path.glob(".reelwright/*/plan/*.json")), "the first segment is planned")
        raise ValueError("meant to die")

    thread = SupervisedThread("reader", die)
    thread.start()
    code = run(["restore", str(small_film(240)), "-o", str(output), "--threads", "1"])
    thread.join()
    assert code == 1
    assert "a thread died: reader" in capfd.readouterr().err.splitlines()[-1]
    assert not output.exists()
    assert run(["restore", str(small_film(240)), "-o", str(output)]) == 0
    assert manifest_of(output)["frames_out"] == 240


@pytest.mark.parametrize(
    ("role", "foreign"),
    [
        ("dispatcher", {"av", "cv2", "openvino", "torch", "s3fs"}),
        ("inference", {"av", "torch"}),
        ("decoder", {"openvino", "torch", "grpc"}),
        ("encoder", {"openvino", "torch", "grpc"}),
    ],
)
def test_a_role_loads_what_it_needs_and_no_more(role: str, foreign: set[str]) -> None:
    """The modules of a role import none of the libraries that only other roles need."""
    loaded = f"reelwright.process.service, reelwright.{role}.entry"
    script = f"import sys, {loaded}; print(*sorted({foreign!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
