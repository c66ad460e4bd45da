"""`reelwright verify`: the right check fails for each way a film can differ from its manifest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from av.packet import Packet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reelwright.cli.main import run
from reelwright.ledger.verify import verify
from tests.support.films import small_film
from tests.support.pyav import in_seconds, present

Change = Callable[["Packet[Any]"], "Packet[Any] | None"]
_FRAMES = 30


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same short film with sound, restored by a lossless and a lossy profile."""
    folder = tmp_path_factory.mktemp("verify")
    made = {"master": folder / "film.mkv", "web": folder / "film.mp4"}
    for profile, path in made.items():
        assert run(["restore", str(small_film(_FRAMES)), "-o", str(path), "--profile", profile]) == 0
    return made


@pytest.fixture(params=["master", "web"])
def film(films: dict[str, Path], tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of one of them beside its manifest, to be harmed."""
    return copy_of(films[request.param], tmp_path)


@pytest.fixture
def master(films: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the lossless one beside its manifest, to be harmed."""
    return copy_of(films["master"], tmp_path)


def copy_of(film: Path, folder: Path) -> Path:
    """The film and its manifest in another folder."""
    shutil.copy(manifest_path(film), folder)
    return Path(shutil.copy(film, folder))


def manifest_path(film: Path) -> Path:
    """The manifest beside a film."""
    return film.with_name(film.name + ".manifest.json")


def failed(film: Path) -> set[str]:
    """The names of the checks that do not hold."""
    return {check.name for check in verify(film).checks if not check.ok}


def test_a_restored_film_verifies(film: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Every check of an unharmed film holds, each on a line of its own, and the exit code is 0."""
    assert run(["verify", str(film)]) == 0
    lines = capfd.readouterr().out.splitlines()
    checks = ["checksum", "accounting", "frames", "times", "source times", "stream copies"]
    checks += ["stream times", "timecode", "chapters"]
    if film.suffix == ".mkv":
        checks.insert(5, "frame digests")
    assert [line.split(":")[0] for line in lines[:-1]] == [f"ok   {name}" for name in checks]
    assert lines[-1] == f"{film}: verified"


def test_a_flipped_bit_is_found(film: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One bit of the file that is not as written fails the checksum, and the command says so with exit code 1."""
    flip(film, film.stat().st_size // 2)
    assert "checksum" in failed(film)
    assert run(["verify", str(film)]) == 1
    said = capfd.readouterr()
    assert "FAIL checksum" in said.out
    assert "Traceback" not in said.err


def test_a_flipped_bit_of_a_lossless_frame_is_found_twice(master: Path) -> None:
    """A bit inside an FFV1 frame contradicts its slice's checksum too, and the frame is named."""
    with av.open(str(master)) as container:
        payload = bytes([p for p in container.demux(video=0) if p.size][17])
    content = master.read_bytes()
    assert content.count(payload) == 1
    flip(master, content.index(payload) + len(payload) // 2)
    assert failed(master) == {"checksum", "frame digests"}
    assert "frame 17 does not match its checksum" in detail(master, "frame digests")


def test_a_removed_frame_is_found(film: Path) -> None:
    """A film remuxed without one packet has a frame too few, and times that no longer match."""
    remux(film, video=lambda packets: packets[:12] + packets[13:])
    expected = {"checksum", "frames", "times"} | ({"frame digests"} if film.suffix == ".mkv" else set())
    assert expected <= failed(film)
    assert "accounting" not in failed(film)
    assert run(["verify", str(film)]) == 1


def test_a_doubled_frame_is_found(master: Path) -> None:
    """A film remuxed with one packet twice has a frame too many."""
    remux(master, video=lambda packets: [*packets, again(packets[-1])])
    assert failed(master) == {"checksum", "frames", "times", "frame digests"}
    assert detail(master, "frames") == f"{_FRAMES + 1} of {_FRAMES}"


def test_a_frame_at_another_time_is_found(master: Path) -> None:
    """A single PTS one unit late fails the times and leaves the frames themselves right."""
    remux(master, video=lambda packets: [late(p) if i == 9 else p for i, p in enumerate(packets)])
    assert failed(master) == {"checksum", "times"}
    assert detail(master, "times") == "frame 9 is not at its time"


def test_other_sound_is_found(film: Path) -> None:
    """Sound without one of its packets is not the source's and not at its times; nothing else is blamed for it."""
    remux(film, audio=lambda packets: packets[:5] + packets[6:])
    assert failed(film) == {"checksum", "stream copies", "stream times"}
    assert "audio" in detail(film, "stream copies")


def test_missing_sound_is_found(film: Path) -> None:
    """A film that lost its sound lost a stream copy."""
    remux(film, audio=lambda _: [])
    assert "stream copies" in failed(film)


def test_a_changed_frame_of_a_lossless_film_is_found(master: Path) -> None:
    """One sample of one frame off by one, in a file that is sound in itself, fails the digests and names the frame."""
    reencode(master, at=20)
    assert failed(master) == {"checksum", "frame digests"}
    assert "frame 20" in detail(master, "frame digests")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda m: {"frames_in": m["frames_in"] + 1}, "accounting"),
        (lambda m: {"source_pts": [*m["source_pts"][:-1], m["source_pts"][-1] + 2000]}, "source times"),
        (lambda _: {"chapters": 1}, "chapters"),
    ],
    ids=["a frame lost", "other source times", "a chapter lost"],
)
def test_a_manifest_that_admits_a_fault_fails(
    film: Path, change: Callable[[dict[str, Any]], dict[str, Any]], named: str
) -> None:
    """A film may be the file that was written and still not be what its source was."""
    document = json.loads(manifest_path(film).read_text())
    manifest_path(film).write_text(json.dumps(document | change(document)))
    assert failed(film) == {named}


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.999])
def test_a_truncated_film_is_found(film: Path, share: float, capfd: pytest.CaptureFixture[str]) -> None:
    """A film cut off anywhere fails checks with exit code 1, and no traceback reaches the person."""
    content = film.read_bytes()
    film.write_bytes(content[: int(share * len(content))])
    capfd.readouterr()
    assert run(["verify", str(film)]) == 1
    said = capfd.readouterr()
    assert "FAIL checksum" in said.out
    assert f"{film}: does not match its manifest" in said.out
    assert "Traceback" not in said.err


def test_a_film_that_is_something_else_cannot_be_read(film: Path) -> None:
    """A text under the film's name fails as a film, in words."""
    film.write_text("not a film at all\n" * 100)
    assert failed(film) == {"checksum", "film"}


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe", b"[]", b'{"format": "reelwright-manifest-1"}'])
def test_without_a_whole_manifest_nothing_is_verified(
    film: Path, content: bytes | None, capfd: pytest.CaptureFixture[str]
) -> None:
    """A missing or broken manifest is the person's to mend: one line that names it, exit code 2."""
    manifest_path(film).unlink() if content is None else manifest_path(film).write_bytes(content)
    capfd.readouterr()
    assert run(["verify", str(film)]) == 2
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 1
    assert "manifest" in said[0]
    assert str(manifest_path(film)) in said[0]


def test_a_missing_film_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A film that is not there is one line and exit code 2; so is a folder."""
    none = tmp_path / "none.mp4"
    for path, line in ((none, "no such file; check the path"), (tmp_path, "a folder, not a film; name one film file")):
        assert run(["verify", str(path)]) == 2
        said = capfd.readouterr().err.splitlines()
        assert len(said) == 1
        assert said[0].startswith(f"reelwright: {path}: {line}")


_VALUES: st.SearchStrategy[Any] = (
    st.none() | st.integers(-3, 3) | st.sampled_from(["", "0/1", "1/0", "x", "1/1000"]) | st.just([])
)


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_manifest_breaks_verify(
    films: dict[str, Path], data: st.DataObject, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever one field of a manifest says, verify gives a verdict or one line, and never breaks."""
    path = manifest_path(films["master"])
    content = path.read_bytes()
    document = json.loads(content)
    spots = list(leaves(document))
    holder, key = data.draw(st.sampled_from(spots))
    holder[key] = data.draw(_VALUES)
    try:
        path.write_text(json.dumps(document))
        code = run(["verify", str(films["master"])])
    finally:
        path.write_bytes(content)
    assert code in {0, 1, 2}
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert "failure of ours" not in said


def leaves(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON document that holds no further document, as (holder, key)."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, (dict, list)) and item:
            yield from leaves(item)
        else:
            yield value, key


def detail(film: Path, name: str) -> str:
    """What a check says."""
    return next(check.detail for check in verify(film).checks if check.name == name)


def flip(path: Path, at: int) -> None:
    """Flips a bit of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def again(packet: Packet[Any]) -> Packet[Any]:
    """The same packet one frame later."""
    copy = Packet(bytes(packet))
    copy.stream, copy.time_base, copy.is_keyframe = packet.stream, packet.time_base, packet.is_keyframe
    pts, dts, duration = present(packet.pts), present(packet.dts), present(packet.duration)
    copy.pts, copy.dts, copy.duration = pts + duration, dts + duration, duration
    return copy


def late(packet: Packet[Any]) -> Packet[Any]:
    """The packet one unit late."""
    packet.pts, packet.dts = present(packet.pts) + 1, present(packet.dts) + 1
    return packet


def remux(
    film: Path,
    video: Callable[[list[Packet[Any]]], list[Packet[Any]]] = list,
    audio: Callable[[list[Packet[Any]]], list[Packet[Any]]] = list,
) -> None:
    """Writes the film anew with other packets."""
    harmed = film.with_stem("harmed")
    with av.open(str(film)) as source, av.open(str(harmed), "w", options=_same_clock(film)) as target:
        kinds = {
            s.index: target.add_stream_from_template(s) for s in (source.streams.video[0], source.streams.audio[0])
        }
        clock = source.streams.video[0].time_base
        packets = [p for p in source.demux(video=0, audio=0) if p.size]
        kept = video([p for p in packets if p.stream.type == "video"])
        kept += audio([p for p in packets if p.stream.type == "audio"])
        kinds[source.streams.video[0].index].time_base = clock
        for packet in sorted(kept, key=lambda p: in_seconds(p.dts, p.time_base)):
            packet.stream = kinds[packet.stream.index]
            target.mux(packet)
    harmed.replace(film)


def reencode(film: Path, at: int) -> None:
    """Writes the film anew with one sample of frame `at` changed by 1."""
    harmed = film.with_stem("harmed")
    with av.open(str(film)) as source, av.open(str(harmed), "w", options=_same_clock(film)) as target:
        old, sound = source.streams.video[0], source.streams.audio[0]
        new = target.add_stream("ffv1", rate=25, options={"level": "3", "slicecrc": "1"})
        new.width, new.height, new.pix_fmt = old.width, old.height, old.pix_fmt
        new.codec_context.time_base = in_seconds(1, old.time_base)
        copied = target.add_stream_from_template(sound)
        count = 0
        for packet in source.demux(old, sound):
            if packet.stream is sound:
                if packet.size:
                    packet.stream = copied
                    target.mux(packet)
                continue
            for frame in packet.decode():
                assert isinstance(frame, av.VideoFrame)
                if count == at:
                    change(frame)
                target.mux(new.encode(frame))
                count += 1
        target.mux(new.encode())
    harmed.replace(film)


def change(frame: av.VideoFrame) -> None:
    """Changes the lowest bit of the frame's first sample."""
    plane = bytearray(frame.planes[0])
    plane[0] ^= 1
    frame.planes[0].update(bytes(plane))


def _same_clock(film: Path) -> dict[str, str]:
    """Muxer options under which times come out as they are: no shift for sound that starts early, the same units."""
    unshifted = {"avoid_negative_ts": "disabled"}
    return unshifted if film.suffix == ".mkv" else unshifted | {"video_track_timescale": _timescale(film)}


def _timescale(film: Path) -> str:
    with av.open(str(film)) as container:
        return str(in_seconds(1, container.streams.video[0].time_base).denominator)
