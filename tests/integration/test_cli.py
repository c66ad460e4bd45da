"""The command line as people and scripts use it: help, facts, settings, progress, metrics."""

from __future__ import annotations

import json
import os
import pty
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import av
import pytest

import reelwright as package
from reelwright.cli.main import run
from reelwright.cli.progress import ProgressDisplay
from reelwright.telemetry.progress import ProgressMeter
from tests.support import clips
from tests.support.commands import COMMAND, TIMEOUT_SECONDS, manifest_of, reelwright, sha256, start, wait_until
from tests.support.films import small_film

_HEAVY = ("av", "cv2", "grpc", "kafka", "numpy", "openvino", "s3fs", "torch")
_VERBS: tuple[str, ...] = ("restore", "verify", "probe", "recipes", "models", "age")
_VERBS += ("serve", "submit", "status", "cancel", "topics", "deadletter")


@pytest.mark.parametrize("arguments", [["--help"], ["restore", "--help"], ["--version"]])
def test_help_needs_neither_film_nor_network_libraries(arguments: list[str]) -> None:
    """Asking for help or the version loads none of the libraries that restore."""
    script = (
        "import sys; from reelwright.cli.main import run; code = run(sys.argv[1:]); "
        f"print([name for name in {_HEAVY!r} if name in sys.modules]); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_command_is_in_the_help() -> None:
    """The help names each command, and the version is that of the package."""
    assert reelwright("--version").stdout.strip() == package.__version__
    said = reelwright("--help").stdout
    assert all(verb in said for verb in _VERBS)


def test_probe_prints_what_is_in_a_film(capsys: pytest.CaptureFixture[str]) -> None:
    """`probe` prints picture, timing, sound, chapters, borders and what a recipe would do."""
    assert run(["probe", str(clips.clip("streams_mkv"))]) == 0
    said = capsys.readouterr().out
    for word in ("h264 160x120", "25/1 frames/s", "audio", "subtitle", "chapters  3", "would become 320x240"):
        assert word in said
    assert run(["probe", str(clips.clip("pillarbox")), "--set", "bars=crop", "--set", "scale=3"]) == 0
    said = capsys.readouterr().out
    assert "left 40" in said
    assert "would become 720x720" in said


def test_probe_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` is one JSON document with the facts."""
    assert run(["probe", str(clips.clip("streams_mkv")), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["video"]["width"], facts["video"]["height"], facts["video"]["codec"]) == (160, 120, "h264")
    assert {stream["kind"] for stream in facts["streams"]} >= {"audio", "subtitle", "attachment"}
    assert [chapter["title"] for chapter in facts["chapters"]] == ["Part 1", "Part 2", "Part 3"]


def test_models_lists_what_ships(capsys: pytest.CaptureFixture[str]) -> None:
    """The network that restores by default is listed with its scales and the hash of its file."""
    assert run(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    name, scale, digest = next(line for line in lines if line.startswith("reel-s ")).split()
    path = Path(next(line for line in lines if line.endswith("reel-s.safetensors")))
    assert (name, scale, digest) == ("reel-s", "x2,x4", f"sha256:{sha256(path)}")


def test_age_makes_the_same_print_from_the_same_seed(tmp_path: Path) -> None:
    """An aged film has every frame and the sound of its source, and the same seed gives the same bytes."""
    source = clips.clip("streams_mp4")
    digests = {}
    for name, seed in (("first", "1"), ("again", "1"), ("other", "2")):
        output = tmp_path / f"{name}.mp4"
        assert run(["age", str(source), "-o", str(output), "--seed", seed]) == 0
        digests[name] = sha256(output)
    assert digests["first"] == digests["again"] != digests["other"]
    with av.open(str(tmp_path / "first.mp4")) as aged:
        assert (aged.streams.video[0].width, aged.streams.video[0].height) == (80, 60)
        assert len(list(aged.decode(video=0))) == len(clips.truth("streams_mp4").times)
    sound = _sound(tmp_path / "first.mp4")
    assert sound == _sound(source) != []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.mp4", "first.mp4", "other.mp4"]


def test_settings_on_the_command_line_override_the_recipe(tmp_path: Path) -> None:
    """`--set`, `--scale` and `--profile` end up in the recipe that the manifest holds."""
    recipe, output = tmp_path / "mine.toml", tmp_path / "out.mkv"
    recipe.write_text("scale = 3\n[grain]\nkeep = 0.9\n")
    options = ["--recipe", str(recipe), "--set", "grain.keep=0.25", "--set", "bars=ignore", "--scale", "2"]
    assert run(["restore", str(small_film(30)), "-o", str(output), *options, "--profile", "master"]) == 0
    recipe = manifest_of(output)["recipe"]
    assert (recipe["scale"], recipe["grain"]["keep"], recipe["bars"], recipe["profile"]) == (
        2,
        0.25,
        "ignore",
        "master",
    )


def test_the_output_has_a_name_when_none_is_given(tmp_path: Path) -> None:
    """Without `-o` the film is written beside its source, and the source is not changed."""
    source = tmp_path / "film.mp4"
    source.write_bytes(small_film(30).read_bytes())
    assert run(["restore", str(source)]) == 0
    assert sha256(source) == sha256(small_film(30))
    assert manifest_of(tmp_path / "film.restored.mp4")["frames_out"] == 30


def test_metrics_are_served_while_a_film_is_restored(tmp_path: Path) -> None:
    """`--metrics-port` answers with the frames lost, which are none, before and until the film is done."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    pages: list[str] = []

    def encoding() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                pages.append(answer.read().decode())
        except (urllib.error.URLError, OSError):
            return False
        return "reelwright_frames_encoded_total 0.0" not in pages[-1]

    process = start("restore", small_film(240), "-o", tmp_path / "out.mp4", "--metrics-port", port)
    assert wait_until(encoding, process)
    process.communicate()
    assert process.returncode == 0
    assert all("reelwright_frames_lost_total 0.0" in page for page in pages)
    assert 'reelwright_stage_seconds_total{stage="decode"}' in pages[-1]


def test_a_port_in_use_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A metrics port that another process uses is one line and exit code 2."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        assert run(["restore", str(small_film(30)), "-o", str(tmp_path / "o.mp4"), "--metrics-port", port]) == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert port in lines[0]
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_gets_a_bar(tmp_path: Path) -> None:
    """On a terminal the bar shows the film's name, frames and speed, and is erased when the film is finished."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "restore", str(small_film(240)), "-o", str(tmp_path / "out.mp4")],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    shown = _read_all(ours)
    assert process.wait(TIMEOUT_SECONDS) == 0
    assert small_film(240).name in shown
    assert "/240 frames" in shown
    assert "fps" in shown
    # The line is erased and the cursor shown again.
    assert "\x1b[2K" in shown
    assert "\x1b[?25h" in shown


def test_a_log_gets_plain_lines(capfd: pytest.CaptureFixture[str]) -> None:
    """Where stderr is no terminal, frames, speed and time left come as lines without control characters."""
    meter = ProgressMeter(total=240)
    with ProgressDisplay("film.mp4", line_seconds=0.0) as display:
        meter.advance(60)
        display.update(meter)
    line = capfd.readouterr().err
    assert line.startswith("60/240 frames, ")
    assert " fps, " in line
    assert line.endswith(" left\n")
    assert "\x1b" not in line


def _sound(path: Path) -> list[bytes]:
    with av.open(str(path)) as film:
        return [bytes(packet) for packet in film.demux(audio=0) if packet.size]


def _read_all(handle: int) -> str:
    """Everything a process writes to its terminal. On Linux reading ends with an error when the process has ended."""
    shown = b""
    while True:
        try:
            part = os.read(handle, 4096)
        except OSError:
            part = b""
        if not part:
            os.close(handle)
            return shown.decode()
        shown += part
