"""Titles through a whole cluster by the commands alone: submit, status, cancel, dead letters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaProducer

from reelwright.bus.topics import FRAMES, segment_key
from reelwright.cli import main
from reelwright.restoration.models import resolve_model
from scripts.servers.kafka import KafkaServer
from scripts.servers.s3 import S3Server
from tests.support import clips
from tests.support.cluster import Cluster
from tests.support.commands import manifest_of, reelwright
from tests.support.dispatch_harness import batch
from tests.support.films import small_film
from tests.support.otlp_receiver import OtlpReceiver, ReceivedSpan
from tests.support.role_processes import Process, until

STOPPED = 130


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    """Receives the spans of every process of the cluster."""
    with OtlpReceiver() as made:
        yield made


@pytest.fixture(scope="module")
def cluster(
    kafka: KafkaServer, s3: S3Server, receiver: OtlpReceiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A cluster with one ready process of each role."""
    # One worker makes all tries of a batch, so the dispatcher need not wait for another worker.
    settings = {"REELWRIGHT_DISPATCHER_PREFER_OTHER_SECONDS": "0", **receiver.env}
    with Cluster(kafka, s3, tmp_path_factory.mktemp("logs"), settings) as made:
        made.start_all()
        yield made


def of_role(cluster: Cluster, role: str) -> Process:
    """The cluster's process of that role."""
    return next(process for process in cluster.processes if process.role == role)


def refusal(cluster: Cluster, *arguments: object, **env: str) -> str:
    """Runs a command that must be refused; returns its one line."""
    done = cluster.command(*arguments, **env)
    return refused(done.returncode, done.stdout, done.stderr)


def refused(code: int, out: str, err: str) -> str:
    """The one line of a refusal."""
    assert code == 2, err
    assert out == ""
    assert err.startswith("reelwright: ")
    assert err.count("\n") == 1
    return err


def runs(cluster: Cluster) -> list[str]:
    """The runs of the ledger, read from the store."""
    return sorted(cluster.fs.ls(cluster.ledger))


def records(cluster: Cluster, run: str) -> list[str]:
    """The committed segments of a run, read from the store."""
    folder = f"{cluster.ledger}/{run}"
    return [name for each in (folder, f"{folder}/attempts/*") for name in cluster.fs.glob(f"{each}/segments/*.json")]


def test_a_title_is_one_trace_through_every_process(cluster: Cluster, receiver: OtlpReceiver) -> None:
    """From submission to the film, the spans of a title are one trace, over Kafka and over gRPC."""
    run = cluster.submit(cluster.upload(small_film(60), "traced.mp4"), cluster.film("traced.mp4"))
    assert cluster.wait(run) == 0

    def trace() -> list[ReceivedSpan]:
        mine = [span for span in receiver.spans if span.attributes.get("reelwright.run") == run]
        roots = {span.trace for span in mine if span.name == "submit title"}
        return [span for span in mine if span.trace in roots]

    wanted = {"submit title", "decode title", "decode segment", "restore batch", "encode batch", "assemble film"}
    until(lambda: wanted <= {span.name for span in trace()}, "every span has arrived")
    services = {span.service for span in trace()}
    assert services == {f"reelwright-{name}" for name in ("submit", "decoder", "inference", "encoder")}
    identifiers = {span.span for span in trace()}
    assert all(span.parent in identifiers for span in trace() if span.name != "submit title")


def test_three_films_come_out_whole(cluster: Cluster, tmp_path: Path) -> None:
    """Titles of every class, from the store and into it, become films that `verify` finds nothing wrong with."""
    wanted = {"vfr_mp4": "express", "rate_25": "standard", "bframes_mkv": "bulk"}
    runs = {}
    for name, priority in wanted.items():
        source = cluster.upload(clips.clip(name))
        runs[name] = cluster.submit(source, cluster.film(f"{name}.mp4"), "--class", priority, "--deadline", "2h")
    assert cluster.wait(*runs.values()) == 0
    for name, run in runs.items():
        film = cluster.film(f"{name}.mp4")
        done = cluster.command("verify", film)
        assert done.returncode == 0, done.stdout + done.stderr
        frames = len(clips.truth(name).times)
        assert manifest_of(cluster.fetch(film, tmp_path))["frames_out"] == frames
        status = cluster.status(run)
        assert (status["state"], status["frames"], status["output"]) == ("finished", frames, film)
        assert not records(cluster, run)
    lines = cluster.command("status").stdout.splitlines()
    assert [line.split()[0] for line in lines][:3] == [runs[name] for name in reversed(wanted)]


def test_a_film_is_the_same_through_a_cluster_and_in_one_process(cluster: Cluster, tmp_path: Path) -> None:
    """Broker, store and processes change no byte of the film."""
    here = tmp_path / "here.mp4"
    assert reelwright("restore", small_film(60), "-o", here).returncode == 0
    there = tmp_path / "there.mp4"
    assert cluster.wait(cluster.submit(small_film(60), there)) == 0
    assert there.read_bytes() == here.read_bytes()


def test_submitted_twice_is_one_run(cluster: Cluster) -> None:
    """The same request while it is under way is the same run; once it is finished there is nothing to do."""
    source, output = cluster.upload(small_film(72)), cluster.film("twice.mp4")
    run = cluster.submit(source, output)
    assert cluster.submit(source, output) == run
    assert cluster.wait(run) == 0
    before = cluster.fs.info(output)
    done = cluster.command("submit", source, "-o", output, "--wait")
    assert (done.returncode, done.stdout) == (0, f"{run}  finished\n")
    assert cluster.fs.info(output) == before
    assert len([line for line in cluster.command("status").stdout.splitlines() if run in line]) == 1


def test_a_cancelled_run_stops(cluster: Cluster) -> None:
    """Cancelling stops the work on a run in every role, and submitting it again continues it."""
    source, output = cluster.upload(small_film(1200)), cluster.film("long.mp4")
    run = cluster.submit(source, output)
    until(lambda: records(cluster, run), "its first segment is committed")
    # Frozen, so that the run is still unfinished when the commands arrive.
    inference = of_role(cluster, "inference")
    inference.freeze()
    assert "under way" in refusal(cluster, "submit", source, "-o", cluster.film("elsewhere.mp4"))
    done = cluster.command("cancel", run)
    assert (done.returncode, done.stdout) == (0, f"{run}  cancelled\n")
    assert cluster.wait(run) == STOPPED
    inference.thaw()
    dispatcher = of_role(cluster, "dispatcher")
    for gauge in ("reelwright_batches_queued", "reelwright_batches_leased"):
        until(lambda gauge=gauge: dispatcher.metric(gauge) == 0, f"{gauge} is 0")  # type: ignore[misc]
    committed = len(records(cluster, run))
    # Another film goes through from end to end: whatever was still to come of the run would have come before it.
    assert cluster.wait(cluster.submit(cluster.upload(small_film(50)), cluster.film("next.mp4"))) == 0
    assert len(records(cluster, run)) == committed < 1200 // 24
    assert not cluster.fs.exists(output)
    status = cluster.status(run)
    assert (status["state"], "cancelled" in status["reason"]) == ("cancelled", True)
    assert cluster.submit(source, output) == run
    until(lambda: len(records(cluster, run)) > committed, "it goes on")
    cluster.command("cancel", run)


def test_a_finished_film_is_left_alone(cluster: Cluster) -> None:
    """Cancelling a finished run changes nothing and says so."""
    output = cluster.film("done.mp4")
    run = cluster.submit(cluster.upload(small_film(26)), output)
    assert cluster.wait(run) == 0
    before = cluster.fs.info(output)
    done = cluster.command("cancel", run)
    assert done.returncode == 0
    assert "finished" in done.stdout
    assert "left as it is" in done.stdout
    assert cluster.fs.info(output) == before
    assert cluster.status(run)["state"] == "finished"


def test_a_source_that_changed_fails_its_title(cluster: Cluster) -> None:
    """A source that is another by the time it is decoded fails the title as the person's to mend."""
    decoder = of_role(cluster, "decoder")
    decoder.terminate()
    decoder.wait()
    source = cluster.upload(small_film(40), "changes.mp4")
    run = cluster.submit(source, cluster.film("changed.mp4"))
    assert cluster.status(run)["state"] == "queued"
    cluster.upload(small_film(41), "changes.mp4")
    cluster.restart(decoder)
    done = cluster.command("status", run, "--wait")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert source in line
    assert "not the file that was submitted" in line
    assert "failed" in done.stdout


def test_dead_letters_are_listed_and_their_runs_tried_again(cluster: Cluster) -> None:
    """A batch that no worker can restore fails its title, is listed with its reason, and a retry gives the film."""
    inference = of_role(cluster, "inference")
    inference.terminate()
    inference.wait()
    run = cluster.submit(cluster.upload(small_film(480)), cluster.film("letter.mp4"))
    poison = batch(run, 0, 999, resolve_model("reel-s").sha256)
    poison.work.pix_fmt = "no such format"
    producer = KafkaProducer(bootstrap_servers=cluster.kafka.bootstrap)
    for content in (b"\xff not a batch", poison.SerializeToString()):
        producer.send(FRAMES["standard"], content, segment_key(run, 0)).get(60)
    producer.close()
    cluster.restart(inference)
    assert cluster.wait(run) == 1
    junk, letter = _letters(cluster, run)
    assert (letter["topic"], letter["state"]) == (FRAMES["standard"], "failed")
    assert (letter["segment"], letter["frames"]) == (0, [1998, 1999])
    assert "no such format" in str(letter["reason"])
    assert junk["frames"] is None
    assert "not a FrameBatch" in str(junk["reason"])
    assert len([line for line in cluster.command("deadletter", "list").stdout.splitlines() if run in line]) == 2
    assert cluster.command("deadletter", "retry", run).stdout == f"{run}  submitted\n"
    assert cluster.wait(run) == 0
    assert {letter["state"] for letter in _letters(cluster, run)} == {"finished"}
    assert cluster.command("deadletter", "retry", run).stdout == f"{run}  finished\n"


def _letters(cluster: Cluster, run: str) -> list[dict[str, object]]:
    letters = json.loads(cluster.command("deadletter", "list", "--json").stdout)
    return [letter for letter in letters if letter["run"] == run]


def test_an_unknown_run_is_named(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A run that this ledger does not know, or that is no name at all, is one line that repeats it."""
    for name, value in cluster.env.items():
        monkeypatch.setenv(name, value)
    for command in (["status"], ["cancel"], ["deadletter", "retry"]):
        for name in ("0123456789abcdef0123", "../films"):
            line = refused(main.run([*command, name]), *capfd.readouterr())
            assert name in line
            assert "reelwright status" in line


def test_bad_requests_are_refused_before_any_work(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """An output that cannot be, a source that is not there and a deadline that is over are each one line."""
    for name, value in cluster.env.items():
        monkeypatch.setenv(name, value)
    allowed = f"{cluster.env['REELWRIGHT_STORE_OUTPUTS']},s3://no-such-bucket"
    monkeypatch.setenv("REELWRIGHT_STORE_OUTPUTS", allowed)
    source, known = cluster.upload(small_film(30)), runs(cluster)
    cases = {
        ("submit", source, "-o", source): "is the source itself",
        ("submit", source, "-o", cluster.film("a.mkv")): "writes .mp4 files",
        ("submit", source, "-o", "s3://no-such-bucket/a.mp4"): "no such bucket",
        ("submit", source, "-o", "s3://another-bucket/a.mp4"): "not in an allowed location for films",
        ("submit", source, "-o", "gopher://a/b.mp4"): "gopher",
        ("submit", f"{source}x", "-o", cluster.film("a.mp4")): "no such file",
        ("submit", source, "-o", cluster.film("a.mp4"), "--deadline", "soon"): "'soon'",
        ("submit", source, "-o", cluster.film("a.mp4"), "--deadline", "2001-01-01"): "in the past",
    }
    for arguments, words in cases.items():
        code = main.run([*arguments])
        assert words in refused(code, *capfd.readouterr())
    assert runs(cluster) == known


def test_without_a_broker_nothing_is_submitted(cluster: Cluster) -> None:
    """A broker that does not answer is one line, and the ledger knows nothing of the run."""
    known = runs(cluster)
    nobody = {"REELWRIGHT_BUS_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    line = refusal(cluster, "submit", cluster.upload(small_film(31)), "-o", cluster.film("a.mp4"), **nobody)
    assert "127.0.0.1:1" in line
    assert runs(cluster) == known


def test_a_store_that_may_not_be_written_is_refused(cluster: Cluster, s3: S3Server) -> None:
    """A user without permission gets one line with the address and without any key."""
    if not s3.has_users:
        pytest.skip("the stand-in store lets anyone in")
    other_user = s3.add_user("other_user")
    line = refusal(cluster, "submit", small_film(32), "-o", cluster.film("a.mp4"), **other_user)
    assert cluster.bucket in line
    assert not any(other_user[name] in line for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
