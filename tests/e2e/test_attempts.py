"""Attempts of a run through a whole cluster, and films that kill the processes that work on them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaProducer

from reelwright.bus.topics import EVENTS, run_key
from reelwright.wire.titles_pb2 import Event, TitleFailed
from scripts.servers.kafka import KafkaServer
from scripts.servers.s3 import S3Server
from tests.support import clips
from tests.support.clipmaker import Film, write_film
from tests.support.cluster import Cluster
from tests.support.films import small_film
from tests.support.role_processes import Process, free_port, until
from tests.support.scenes import scene

# Many processes and commands start one after another, which takes long on a busy machine.
_SECONDS = 850

# A role whose process is killed, as by a codec, in films of one width: 80 samples kill a decoder, and 192 (twice 96) an
# encoder.
KILLED_ROLE = """
import os, signal
from reelwright.decoder import title_decoder
from reelwright.encoder import segment_builder

class Reader(title_decoder.FrameReader):
    def __iter__(self):
        for frame in super().__iter__():
            if frame.picture.width == 80 and frame.index == 30:
                os.kill(os.getpid(), signal.SIGKILL)
            yield frame

class Encoder(segment_builder.SegmentEncoder):
    added = 0

    def add(self, picture):
        self.added += 1
        if picture.width == 192 and self.added == 10:
            os.kill(os.getpid(), signal.SIGKILL)
        super().add(picture)

title_decoder.FrameReader, segment_builder.SegmentEncoder = Reader, Encoder
from reelwright.ledger import crash_guard
crash_guard.DEAD_SECONDS = 4.0
from reelwright.cli.main import main
main()
"""


@pytest.fixture
def cluster(kafka: KafkaServer, s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster without processes."""
    logs = tmp_path_factory.mktemp("logs")
    limits = {"REELWRIGHT_DECODER_MAX_CRASHES": "2", "REELWRIGHT_ENCODER_MAX_CRASHES": "2"}
    with Cluster(kafka, s3, logs, limits) as made:
        yield made


def folder(cluster: Cluster, run: str, attempt: int) -> str:
    """The folder of an attempt in the store."""
    return f"{cluster.ledger}/{run}" if attempt == 1 else f"{cluster.ledger}/{run}/attempts/{attempt:06d}"


def check_finished(cluster: Cluster, run: str, film: str, attempt: int) -> None:
    """Waits for the run and checks that its present attempt has delivered the film."""
    assert cluster.wait(run) == 0
    status = cluster.status(run)
    assert (status["state"], status["output"], status["attempt"]) == ("finished", film, attempt)
    done = cluster.command("verify", film)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(_SECONDS)
def test_nothing_of_an_attempt_acts_on_the_next_one(cluster: Cluster) -> None:
    """A run is submitted for other outputs while everybody who worked on it is frozen, and each film is whole."""
    decoder, *_, encoder = cluster.start_all()
    source, first, second, third = cluster.upload(small_film(300)), *map(cluster.film, ("x.mp4", "y.mp4", "z.mp4"))
    run = cluster.submit(source, first)
    until(lambda: cluster.fs.glob(f"{folder(cluster, run, 1)}/segments/*.json"), "a commit")
    # Cancelled and submitted with no gap, while a decoder has the run in its memory.
    decoder.freeze()
    other = cluster.start("decoder")
    assert cluster.command("cancel", run).returncode == 0
    assert cluster.submit(source, second) == run
    until(lambda: cluster.fs.glob(f"{folder(cluster, run, 2)}/segments/*.json"), "a commit of the second attempt")
    assert cluster.fs.exists(f"{folder(cluster, run, 2)}/adopted.json")
    producer = KafkaProducer(bootstrap_servers=cluster.kafka.bootstrap)
    for attempt in (0, 1):
        late = Event(run=run, attempt=attempt, title_failed=TitleFailed(reason="too late", exit_code=1))
        producer.send(EVENTS, late.SerializeToString(), run_key(run)).get(60)
    producer.close()
    decoder.thaw()
    # Frozen at its outcome, the encoder goes on to remove what it worked with when the third attempt is under way.
    until(lambda: cluster.fs.exists(f"{folder(cluster, run, 2)}/outcome.json"), "the second attempt ends")
    encoder.freeze()
    assert cluster.submit(source, third) == run
    assert cluster.fs.exists(f"{folder(cluster, run, 3)}/adopted.json")
    encoder.thaw()
    check_finished(cluster, run, third, 3)
    assert cluster.command("verify", second).returncode == 0
    assert not cluster.fs.exists(first)
    assert other.code is decoder.code is encoder.code is None


def killed_role(cluster: Cluster, role: str, number: int) -> Process:
    """Starts a role that is killed by some films; every process of the role has the same name."""
    port = free_port()
    command = [sys.executable, "-c", KILLED_ROLE, "serve", role, "--metrics-port", str(port)]
    # As a StatefulSet's pods: the next process of the name has the partitions at once.
    env = {**cluster.env, "REELWRIGHT_BUS_INSTANCE": f"{role}-0"}
    process = Process(role, f"{role}-{number}", port, env, cluster.folder, command)
    cluster.processes.append(process)
    return process


@pytest.mark.timeout(_SECONDS)
def test_a_film_that_kills_a_process_fails_and_the_next_one_is_finished(cluster: Cluster) -> None:
    """A film at which a decoder or an encoder dies every time fails with the frames, and other films are finished."""
    sources = {}
    for name, width in (("decodes", 80), ("encodes", 96), ("good", 64)):
        path = clips.clip_folder() / f"{name}.mp4"
        write_film(path, Film([(clips.F(i, 25), scene(i, "yuv420p", width, 48)) for i in range(60)]))
        sources[name] = cluster.upload(Path(path))
    for role in ("dispatcher", "inference"):
        cluster.start(role)
    running = [killed_role(cluster, role, 0) for role in ("decoder", "encoder")]
    runs = {name: cluster.submit(source, cluster.film(f"{name}.mp4")) for name, source in sources.items()}

    def all_ended() -> bool:
        for place, process in enumerate(running):
            if process.code is not None:
                running[place] = killed_role(cluster, process.role, len(cluster.processes))
        return all(cluster.fs.exists(f"{folder(cluster, run, 1)}/outcome.json") for run in runs.values())

    until(all_ended, "every run has ended")
    states = {name: cluster.status(run) for name, run in runs.items()}
    assert {name: status["state"] for name, status in states.items()} == {
        "decodes": "failed",
        "encodes": "failed",
        "good": "finished",
    }
    assert "decoding of frames 0-47 ended its process 2 times" in states["decodes"]["reason"]
    # Each of its segments kills, and workers may restore the batches of the last one first. A segment whose plan is not
    # written yet is named by the batch that arrived.
    segments = (
        r"(0 \((frames 0-23|with frame \d+)\)|1 \((frames 24-47|with frame \d+)\)|2 \((frames 48-59|with frame \d+)\))"
    )
    assert re.search(rf"encoding of segment {segments} ended its process 2 times", states["encodes"]["reason"])
    assert cluster.command("verify", cluster.film("good.mp4")).returncode == 0
