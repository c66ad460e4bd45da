"""What commands write and never replace: the source, other films; and any file name, any state of the streams."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from reelwright.cli.main import run
from tests.support import clips
from tests.support.clipmaker import Film, write_film
from tests.support.commands import COMMAND, TIMEOUT_SECONDS, manifest_of, reelwright, sha256, tree
from tests.support.films import small_film
from tests.support.scenes import scene

FULL = Path("/dev/full")


def copied(folder: Path, name: str = "film.mp4") -> Path:
    """A copy of the small film in a folder."""
    path = folder / name
    path.write_bytes(small_film(30).read_bytes())
    return path


def other_film(path: Path) -> Path:
    """A film of another content."""
    write_film(path, Film([(Fraction(i, 25), scene(i, "yuv420p", 64, 48)) for i in range(10)]))
    return path


def refused(capfd: pytest.CaptureFixture[str], folder: Path, *arguments: object) -> str:
    """The one line with which a command is refused that leaves every file as it was."""
    before = tree(folder)
    capfd.readouterr()
    code = run([str(argument) for argument in arguments])
    out, err = capfd.readouterr()
    assert (code, out) == (2, ""), err
    assert err.startswith("reelwright: ")
    assert err.count("\n") == 1, err
    assert tree(folder) == before
    return err


@pytest.mark.parametrize("command", ["restore", "age"])
@pytest.mark.parametrize("kind", ["itself", "hard link", "symbolic link", "linked folder", "dots"])
@pytest.mark.parametrize("options", [[], ["--overwrite"]])
def test_the_source_is_never_replaced(
    command: str, kind: str, options: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """No command writes to its source, whatever the name of the output that leads there, even with `--overwrite`."""
    source = copied(tmp_path)
    output = {
        "itself": source,
        "hard link": tmp_path / "hard.mp4",
        "symbolic link": tmp_path / "soft.mp4",
        "linked folder": tmp_path / "folder" / source.name,
        "dots": Path(f"{tmp_path}/../{tmp_path.name}/{source.name}"),
    }[kind]
    if kind == "hard link":
        output.hardlink_to(source)
    elif kind == "symbolic link":
        output.symlink_to(source)
    elif kind == "linked folder":
        output.parent.symlink_to(tmp_path)
    before = sha256(source)
    line = run([command, str(source), "-o", str(output), *options]), capfd.readouterr().err
    assert line[0] == 2
    assert "is the source itself" in line[1]
    assert sha256(source) == before


@pytest.mark.parametrize("suffix", [".manifest.json", ".report.html"])
def test_a_source_in_the_place_of_a_report_is_not_replaced(
    suffix: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The files beside the film do not replace the source either."""
    source = copied(tmp_path, f"out.mp4{suffix}")
    line = refused(capfd, tmp_path, "restore", source, "-o", tmp_path / "out.mp4", "--overwrite")
    assert "is the source itself" in line


@pytest.mark.parametrize("command", ["restore", "age"])
def test_an_output_in_a_store_is_refused_and_an_address_of_a_file_taken(
    command: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line says what to do for a store; `file://` is a path, of the source as of the output."""
    source = copied(tmp_path)
    monkeypatch.chdir(tmp_path)
    line = refused(capfd, tmp_path, command, source, "-o", "s3://bucket/out.mp4")
    assert "s3://bucket/out.mp4: not on a disk of this machine; " in line
    assert "submit" in line or command == "age"
    assert run([command, f"file://{source}", "-o", f"file://{tmp_path}/out.mp4"]) == 0
    assert (tmp_path / "out.mp4").is_file()


def test_an_address_of_a_file_without_an_output(tmp_path: Path) -> None:
    """The film goes beside the source, as it does for a path."""
    assert run(["restore", f"file://{copied(tmp_path)}"]) == 0
    assert run(["verify", str(tmp_path / "film.restored.mp4")]) == 0


def test_age_replaces_a_file_only_when_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """An existing output of `age` needs `--overwrite`."""
    source, output = copied(tmp_path), tmp_path / "old.mp4"
    output.write_bytes(b"somebody's")
    assert "--overwrite" in refused(capfd, tmp_path, "age", source, "-o", output)
    assert run(["age", str(source), "-o", str(output), "--overwrite"]) == 0
    assert output.read_bytes() != b"somebody's"


@pytest.mark.parametrize("name", ["out.mp4", "out.mp4.manifest.json", "out.mp4.report.html"])
def test_a_foreign_file_is_replaced_only_when_told(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A file that the command was not told to replace stops it, under the film's name and those beside it."""
    source, output = copied(tmp_path), tmp_path / "out.mp4"
    (tmp_path / name).write_bytes(b"somebody's")
    assert "--overwrite" in refused(capfd, tmp_path, "restore", source, "-o", output)
    assert run(["restore", str(source), "-o", str(output), "--overwrite"]) == 0
    assert manifest_of(output)["film_sha256"] == sha256(output)


def test_two_sources_with_one_default_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The film of a second source does not replace that of the first; the line names the first."""
    first, second = copied(tmp_path), other_film(tmp_path / "film.mkv")
    assert run(["restore", str(first)]) == 0
    line = refused(capfd, tmp_path, "restore", second)
    assert f"was made from {first}" in line
    assert "film.restored.mp4" in line


def test_two_sources_with_one_default_name_at_once(tmp_path: Path) -> None:
    """Started together, one of them is restored and the other is refused."""
    sources = [copied(tmp_path), other_film(tmp_path / "film.mkv")]
    running = [
        subprocess.Popen([COMMAND, "restore", str(source)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for source in sources
    ]
    said = [process.communicate(timeout=TIMEOUT_SECONDS) for process in running]
    assert sorted(process.returncode for process in running) == [0, 2], said
    assert not (tmp_path / ".reelwright").exists()


@pytest.mark.parametrize("name", ["", ".", "/", "..", "missing.mp4/"])
@pytest.mark.parametrize("command", ["restore", "probe", "verify", "age"])
def test_a_name_of_no_film_is_one_line(
    command: str, name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """An empty name, a folder, and a name with a slash behind it are one line."""
    more = ["-o", tmp_path / "out.mp4"] if command == "age" else []
    refused(capfd, tmp_path, command, name, *more)


@pytest.mark.parametrize("command", ["restore", "age"])
def test_an_empty_output_is_one_line(command: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """An output without a name is refused."""
    refused(capfd, tmp_path, command, small_film(30), "-o", "")


@pytest.mark.parametrize(
    "name", ["Pe\u0301pe\u0301.mp4", "\u202efilm.mp4", "film \U0001f3ac\nzwei.mp4", ".mp4", "a?b#c%d.mp4"]
)
def test_any_text_is_a_name(name: str, tmp_path: Path) -> None:
    """A decomposed accent, right-to-left text, a line break and signs of other syntaxes become names of films."""
    source = copied(tmp_path, name)
    assert run(["restore", str(source)]) == 0
    output = tmp_path / f"{source.stem}.restored.mp4"
    assert manifest_of(output)["frames_out"] == 30
    assert run(["verify", str(output)]) == 0


@pytest.mark.parametrize("where", ["source", "output"])
def test_bytes_that_are_no_text_are_one_line(where: str, tmp_path: Path) -> None:
    """A Latin-1 name is refused before any work, shown with its bytes, with what to do."""
    name = os.fsencode(tmp_path) + b"/caf\xe9.mp4"
    source = os.fsencode(copied(tmp_path))
    if where == "source":
        Path(os.fsdecode(source)).rename(os.fsdecode(name))
        source = name
    arguments = [b"-o", name] if where == "output" else []
    done = subprocess.run(
        [COMMAND, b"restore", source, *arguments], capture_output=True, check=False, timeout=TIMEOUT_SECONDS
    )
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"caf\\xe9.mp4: the name is not UTF-8" in done.stderr
    assert [os.fsencode(path) for path in tmp_path.iterdir()] == [source]


def test_a_name_of_255_bytes_is_restored_under_another(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The longest name is a source's; an output for which there is no room is refused before any work."""
    source = copied(tmp_path, "L" * 251 + ".mp4")
    assert "too long" in refused(capfd, tmp_path, "restore", source)
    assert "too long" in refused(capfd, tmp_path, "restore", source, "-o", tmp_path / ("M" * 240 + ".mp4"))
    assert "too long" in refused(capfd, tmp_path, "age", source, "-o", tmp_path / ("M" * 252 + ".mp4"))
    longest = tmp_path / ("M" * (255 - len(".manifest.json") - len(".mp4")) + ".mp4")
    assert run(["restore", str(source), "-o", str(longest)]) == 0
    assert run(["verify", str(longest)]) == 0


def test_a_closed_pipe_does_not_stop_a_restoration(tmp_path: Path) -> None:
    """With a reader that has gone the film is finished all the same, and nothing is complained about."""
    output = tmp_path / "out.mp4"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [COMMAND, "restore", small_film(30), "-o", output],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
    assert run(["verify", str(output)]) == 0


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("streams", ["stdout", "both"])
def test_a_full_disk_under_the_log_does_not_stop_a_restoration(streams: str, tmp_path: Path) -> None:
    """Where nothing can be printed, the film is finished all the same."""
    output = tmp_path / "out.mp4"
    with FULL.open("wb") as full:
        done = subprocess.run(
            [COMMAND, "restore", small_film(30), "-o", output],
            stdout=full,
            stderr=full if streams == "both" else subprocess.PIPE,
            check=False,
            timeout=TIMEOUT_SECONDS,
        )
    assert done.returncode == 0
    assert run(["verify", str(output)]) == 0


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_facts_that_cannot_be_printed_are_an_error() -> None:
    """A command that only prints says in one line that it could not."""
    with FULL.open("wb") as full:
        done = subprocess.run(
            [COMMAND, "probe", clips.clip("rate_25")], stdout=full, stderr=subprocess.PIPE, check=False, text=True
        )
    assert done.returncode == 2
    assert done.stderr.startswith("reelwright: standard output: ")
    assert done.stderr.count("\n") == 1


def test_closed_streams_do_not_reach_the_film(tmp_path: Path) -> None:
    """With all standard streams closed no message of a library goes into a file that took a stream's number."""
    output = tmp_path / "out.mp4"
    script = "import os, sys; [os.close(n) for n in range(3)]; os.execv(sys.argv[1], sys.argv[1:])"
    command = [COMMAND, "restore", str(small_film(30)), "-o", str(output)]
    assert (
        subprocess.run([sys.executable, "-c", script, *command], check=False, timeout=TIMEOUT_SECONDS).returncode == 0
    )
    done = reelwright("verify", output)
    assert done.returncode == 0, done.stdout
