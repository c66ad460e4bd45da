"""Bad input through the command line: one clear line, exit code 2, and nothing left behind."""

from __future__ import annotations

import json
import pickle
import resource
from fractions import Fraction
from pathlib import Path

import pytest

from reelwright.cli.main import run
from tests.support import clips
from tests.support.clipmaker import Film, write_film
from tests.support.commands import errors_of, manifest_of, reelwright, tree
from tests.support.damaged_files import REFUSED, bad_file, broken, cut
from tests.support.films import small_film
from tests.support.scenes import scene

GOOD = "rate_25"


def refusal(capfd: pytest.CaptureFixture[str], output: Path, *arguments: object) -> str:
    """Runs a restoration that must be refused, in this process; returns its one line."""
    before = tree(output.parent)
    capfd.readouterr()
    code = run(["restore", *map(str, arguments), "-o", str(output)])
    said = capfd.readouterr()
    lines = errors_of(said.err)
    assert code == 2, said.err
    assert len(lines) == 1, said.err
    assert lines[0].startswith("reelwright: ")
    assert said.out == ""
    assert tree(output.parent) == before
    return lines[0]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_film_is_refused_by_name(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A file that is not a film is named, with what it is."""
    source = bad_file(name)
    line = refusal(capfd, tmp_path / "out.mp4", source)
    assert str(source) in line
    assert REFUSED[name] in line


@pytest.mark.parametrize("name", ["no_moov", "sound", "hls_named_mp4", "huge"])
def test_a_refusal_looks_the_same_from_a_shell(name: str, tmp_path: Path) -> None:
    """The command as a process prints one line on stderr, nothing on stdout, and exits with 2."""
    done = reelwright("restore", bad_file(name), "-o", tmp_path / "out.mp4")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert str(bad_file(name)) in done.stderr
    assert tree(tmp_path) == {}


def test_a_missing_file_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The error names the path that does not exist."""
    line = refusal(capfd, tmp_path / "out.mp4", tmp_path / "gone.mp4")
    assert "gone.mp4: no such file" in line


@pytest.mark.parametrize("name", ["growing", "restarting"])
def test_a_film_that_becomes_another_leaves_nothing(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A picture that changes size or a clock that starts over ends the title, though frames were restored by then."""
    line = refusal(capfd, tmp_path / "out.mp4", bad_file(name))
    assert f"{bad_file(name)} at 00:00:0" in line
    assert "split it there" in line


def test_a_clock_that_jumps_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A frame hours after its predecessor is refused; the error names the time of the predecessor."""
    source = clips.clip_folder() / "leaping.mkv"
    times = [Fraction(i, 25) + (7200 if i > 30 else 0) for i in range(40)]
    write_film(source, Film([(time, scene(i, "yuv420p", 64, 48)) for i, time in enumerate(times)]))
    line = refusal(capfd, tmp_path / "out.mp4", source, "--set", "on_damage=conceal")
    assert f"{source} at 00:00:01.200: its clock jumps to 02:00:01.240" in line


@pytest.mark.parametrize("name", ["bframes_mkv", "ffv1", "mpeg4_avi"])
def test_a_truncated_film_is_refused(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A file that ends in the middle is refused, and not restored in part."""
    source = cut(name, Fraction(2, 3))
    line = refusal(capfd, tmp_path / "out.mp4", source)
    assert str(source) in line
    assert "ends in the middle" in line
    assert "on_damage=conceal" in line


@pytest.mark.parametrize("name", ["bframes_mkv", "ffv1", "mpeg4_avi"])
def test_a_truncated_film_is_restored_up_to_the_cut_when_told(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """With `on_damage=conceal` the film ends at the cut; manifest, report, `restore` and `verify` say so."""
    source, output = cut(name, Fraction(2, 3)), tmp_path / "out.mp4"
    assert run(["restore", str(source), "-o", str(output), "--set", "on_damage=conceal"]) == 0
    manifest = manifest_of(output)
    whole = len(clips.truth(name).times)
    assert whole // 2 < manifest["frames_in"] == manifest["frames_out"] < whole
    assert manifest["truncated_at"] is not None
    assert "cut off" in output.with_name("out.mp4.report.html").read_text()
    told = capfd.readouterr().out
    (note,) = [line for line in told.splitlines() if "the source ends early" in line]
    assert "bytes are missing at its end" in told
    assert run(["verify", str(output)]) == 0
    assert note.removeprefix("note    ") in capfd.readouterr().out


@pytest.mark.parametrize("name", ["bframes_mp4", "ffv1", "mpeg2_ps"])
def test_a_damaged_packet_ends_the_title_with_its_time(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A packet that does not decode is named by the time at which it would be shown."""
    source = broken(name, 30)
    line = refusal(capfd, tmp_path / "out.mp4", source)
    shown = [str(source), "at 00:00:01."]
    assert all(part in line for part in shown)
    assert "on_damage=conceal" in line


def test_a_damaged_packet_is_concealed_when_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With `on_damage=conceal` the previous frame replaces it; manifest, report, `restore` and `verify` say so."""
    source, output = broken("mjpeg_avi", 30, 31), tmp_path / "out.mp4"
    assert run(["restore", str(source), "-o", str(output), "--set", "on_damage=conceal"]) == 0
    manifest = manifest_of(output)
    assert manifest["concealed"] == [30, 31]
    assert manifest["frames_in"] == manifest["frames_out"] == len(clips.truth("mjpeg_avi").times)
    assert "conceal" in output.with_name("out.mp4.report.html").read_text()
    said = "2 frames of the source did not decode, the first at 00:00:01.200, and repeat others"
    assert f"note    {said}" in capfd.readouterr().out
    assert run(["verify", str(output)]) == 0
    assert said in capfd.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--recipe", "faithfull"], "did you mean 'faithful'"),
        (["--recipe", "gone.toml"], "gone.toml"),
        (["--set", "grain.kep=0"], "did you mean 'grain.keep'"),
        (["--set", "grain.keep"], "KEY=VALUE"),
        (["--set", "grain.keep=2"], "grain.keep"),
        (["--scale", "5"], "scale"),
        (["--set", "model=reel-z"], "did you mean 'reel-s'"),
        (["--set", "model=gone/away.safetensors"], "gone/away.safetensors"),
        (["--profile", "webb"], "profile"),
    ],
)
def test_an_unknown_option_value_is_refused_with_the_nearest(
    options: list[str], words: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The error names the unknown recipe, key, value or model, and the nearest known one."""
    assert words in refusal(capfd, tmp_path / "out.mp4", clips.clip(GOOD), *options)


def test_an_unknown_engine_is_refused(tmp_path: Path) -> None:
    """An engine that is not known is a usage error."""
    done = reelwright("restore", clips.clip(GOOD), "-o", tmp_path / "out.mp4", "--engine", "tensorrt")
    assert done.returncode == 2
    assert "tensorrt" in done.stderr
    assert "Traceback" not in done.stderr
    assert tree(tmp_path) == {}


class _Trap:
    """A pickle that creates a file when it is loaded."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (self.path, "w")


@pytest.mark.parametrize("kind", ["pickle", "text", "empty", "truncated"])
def test_a_model_that_is_not_safetensors_is_refused_unread(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A model file of another kind is named and never loaded, since loading a pickle runs what it holds."""
    trap, model = tmp_path / "trapped", tmp_path / "net.pth"
    header = json.dumps({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    contents = {
        "pickle": pickle.dumps(_Trap(str(trap))),
        "text": b"weights, weights\n" * 20,
        "empty": b"",
        "truncated": len(header).to_bytes(8, "little") + header + b"\0" * 8,
    }
    model.write_bytes(contents[kind])
    line = refusal(capfd, tmp_path / "out.mp4", clips.clip(GOOD), "--set", f"model={model}")
    assert f"{model}: not a safetensors file" in line
    assert not trap.exists()


def test_an_impossible_output_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A missing folder, a file as folder, a folder as output, another suffix, and the source are refused by name."""
    source = tmp_path / "film.mp4"
    source.write_bytes(clips.clip(GOOD).read_bytes())
    (tmp_path / "folder.mp4").mkdir()
    for output in ("away/out.mp4", "film.mp4/out.mp4", "folder.mp4", "film.mp4", "out.avi"):
        before = tree(tmp_path)
        assert run(["restore", str(source), "-o", str(tmp_path / output)]) == 2
        lines = capfd.readouterr().err.splitlines()
        assert len(lines) == 1
        assert str(tmp_path / Path(output).parent) in lines[0]
        assert tree(tmp_path) == before


def test_an_output_that_takes_no_files_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    """A folder in which nobody can create files is refused by name."""
    assert run(["restore", str(clips.clip(GOOD)), "-o", "/proc/out.mp4"]) == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "/proc" in lines[0]


# The first is reached by a segment, the second by the film alone, whose segments together are larger.
@pytest.mark.parametrize("limit", [1_000, 4_000, 60_000])
def test_a_full_disk_ends_the_title_and_the_next_try_finishes_it(limit: int, tmp_path: Path) -> None:
    """A write that the system refuses is one clear line, no film appears, and with room again the film is finished."""
    source, output = small_film(240), tmp_path / "out.mp4"

    def limit_file_size() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = reelwright("restore", source, "-o", output, preexec_fn=limit_file_size)
    lines = errors_of(done.stderr)
    assert done.returncode == 2, done.stderr
    assert len(lines) == 1, done.stderr
    assert str(tmp_path) in lines[0]
    assert set(tree(tmp_path)) <= {".reelwright"} | {name for name in tree(tmp_path) if name.startswith(".reelwright/")}
    assert run(["restore", str(source), "-o", str(output)]) == 0
    assert manifest_of(output)["frames_out"] == 240
    assert set(tree(tmp_path)) == {"out.mp4", "out.mp4.manifest.json", "out.mp4.report.html"}
