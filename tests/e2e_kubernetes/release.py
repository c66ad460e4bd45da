"""A release of the chart, and what a person does with it: titles as `Restoration` resources, and commands in a pod."""

from __future__ import annotations

import json
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e_kubernetes.kube import get, kubectl, metric, wait_for, wait_until_ready
from tests.support.films import small_film

CHART = Path(__file__).resolve().parents[2] / "helm" / "reelwright"
FILMS = "/films"
"""Where the volume of the development store is mounted."""

_SIZE = (96, 72)
# Progress is seen at once.
# The worker has one thread, so that titles are under way long enough on fast machines, too.
_VALUES = (
    f"--values={CHART / 'profiles' / 'kind.yaml'}",
    "--set=controller.settings.REELWRIGHT_CONTROLLER_PROGRESS_SECONDS=1",
    "--set=poolDefaults.settings.REELWRIGHT_INFERENCE_THREADS=1,poolDefaults.pricePerHour=3600",
)


@dataclass(frozen=True)
class Title:
    """A title of a test.

    Attributes:
        name: of its Restoration.
        frames: of its film.
        source: location of its source.
        output: location of its film.
    """

    name: str
    frames: int
    source: str
    output: str

    def resource(self, **spec: Any) -> dict[str, Any]:
        """Its Restoration; `spec` sets more fields."""
        locations = {"source": self.source, "output": self.output}
        metadata = {"name": self.name}
        return {
            "apiVersion": "reelwright.io/v1alpha1",
            "kind": "Restoration",
            "metadata": metadata,
            "spec": {**locations, **spec},
        }


def source(name: str, frames: int) -> bytes:
    """The source of a title.

    The name is written into the file, in a box that players ignore. A run depends on its source's content, so titles of
    different names are different runs, and those with as many frames have the same film.
    """
    label = name.encode()
    return small_film(frames, *_SIZE).read_bytes() + struct.pack(">I4s", 8 + len(label), b"free") + label


class Release:
    """A release with a development broker and store in a namespace.

    Args:
        name: of the release.
        namespace: it exists.
        values: more values, in helm's words.
    """

    def __init__(self, name: str, namespace: str, *values: str) -> None:
        self.name, self.namespace = name, namespace
        self.selector = f"app.kubernetes.io/instance={name}"
        self._values = [*_VALUES, *values]

    def helm(self, *words: str) -> str:
        """Runs helm in the namespace; its output."""
        done = subprocess.run(
            ["helm", "--namespace", self.namespace, *words], capture_output=True, text=True, timeout=900, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def apply(self, *values: str) -> None:
        """Installs or upgrades the release; does not wait."""
        self.helm("upgrade", "--install", self.name, str(CHART), *self._values, *values)

    def wait(self) -> None:
        """Waits until every pod is ready."""
        wait_until_ready(self.namespace, self.selector)

    def install(self) -> float:
        """Installs the release; seconds until every pod is ready."""
        began = time.monotonic()
        self.apply()
        self.wait()
        return time.monotonic() - began

    def pods(self, *components: str) -> list[str]:
        """Names of the running pods of these roles; of all roles when none is given."""
        roles = ",".join(components or ("decoder", "dispatcher", "inference", "encoder", "controller"))
        selector = f"{self.selector},app.kubernetes.io/component in ({roles})"
        found = get(self.namespace, "pods", "-l", selector, "--field-selector=status.phase=Running")
        return [pod["metadata"]["name"] for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def kill(self, pod: str) -> None:
        """Deletes a pod, whose process gets SIGKILL."""
        kubectl("-n", self.namespace, "delete", "pod", pod, "--grace-period=0", "--force")

    def metric(self, component: str, sample: str, **labels: str) -> float:
        """A sample of the metrics of a role's pods, summed."""
        return metric(self.namespace, self.pods(component), sample, **labels)

    def start_client(self) -> None:
        """Starts a pod with the settings and volumes of the roles, from which a person's commands run."""
        (job,) = [job for job in get(self.namespace, "cronjobs") if job["metadata"]["name"] == f"{self.name}-prune"]
        template = job["spec"]["jobTemplate"]["spec"]["template"]
        container = template["spec"]["containers"][0]
        container |= {"command": ["sleep"], "args": ["infinity"], "name": "client"}
        template["spec"] |= {"terminationGracePeriodSeconds": 0}
        metadata = {"name": "client", "labels": {**template["metadata"]["labels"], "role": "client"}}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        kubectl("-n", self.namespace, "apply", "-f", "-", given=json.dumps(pod))
        kubectl("-n", self.namespace, "wait", "--for=condition=Ready", "pod/client", "--timeout=120s")

    def command(self, *words: str, given: bytes = b"") -> str:
        """Runs a command in the client's pod; its output."""
        return kubectl("-n", self.namespace, "exec", "-i", "client", "--", *words, given=given, timeout=600)

    def title(self, name: str, frames: int) -> Title:
        """Puts a source into the store."""
        title = Title(name, frames, f"{FILMS}/sources/{name}.mp4", f"{FILMS}/restored/{name}.mp4")
        script = f"mkdir -p {FILMS}/sources {FILMS}/restored && cat > {title.source}"
        self.command("sh", "-c", script, given=source(name, frames))
        return title

    def restore(self, *titles: Title, **spec: Any) -> None:
        """Applies a Restoration of each title with kubectl; `spec` sets more fields."""
        items = [title.resource(**spec) for title in titles]
        listed = {"apiVersion": "v1", "kind": "List", "items": items}
        kubectl("-n", self.namespace, "apply", "-f", "-", given=json.dumps(listed))

    def statuses(self, *titles: Title) -> list[dict[str, Any]]:
        """The status of each title's Restoration."""
        found = {each["metadata"]["name"]: each.get("status", {}) for each in get(self.namespace, "restorations")}
        return [found[title.name] for title in titles]

    def condition(self, title: Title, kind: str) -> tuple[str, str, str]:
        """Status, reason and message of a condition; empty texts before it is set."""
        (status,) = self.statuses(title)
        for found in status.get("conditions", []):
            if found["type"] == kind:
                return found["status"], found["reason"], found["message"]
        return "", "", ""

    def events(self, title: Title) -> list[str]:
        """Reasons of the Events of a title, the oldest first."""
        found = get(self.namespace, "events", f"--field-selector=involvedObject.name={title.name}")
        return [event["reason"] for event in sorted(found, key=lambda each: str(each["eventTime"]))]

    def unfinished(self, *titles: Title) -> list[str]:
        """Names of the titles that have not ended."""
        statuses = zip(titles, self.statuses(*titles), strict=True)
        return [title.name for title, status in statuses if "completionTime" not in status]

    def wait_for_work(self, *titles: Title) -> None:
        """Waits until a segment of a title is committed; none may have ended.

        Raises:
            AssertionError: a title has ended, or it takes too long.
        """

        def working() -> bool:
            assert len(self.unfinished(*titles)) == len(titles), "a title has ended already"
            return any(status.get("segments", {}).get("done", 0) for status in self.statuses(*titles))

        wait_for(working, "a segment is committed")

    def finish(self, *titles: Title) -> None:
        """Waits until each title has its film.

        Raises:
            AssertionError: one failed, or it takes too long.
        """

        def finished() -> bool:
            statuses = self.statuses(*titles)
            failed = [status for status in statuses if status.get("phase") == "Failed"]
            assert not failed, failed
            return all(status.get("phase") == "Finished" for status in statuses)

        wait_for(finished, "the films are there")

    def verified(self, title: Title) -> str:
        """Verifies a film and that it has every frame of its source; its SHA-256."""
        manifest = f"{title.output}.manifest.json"
        script = f"reelwright verify {title.output} >/dev/null && sha256sum {title.output} {manifest} && cat {manifest}"
        film, digest, document = self.command("sh", "-c", script).split("\n", 2)
        (status,) = self.statuses(title)
        assert status["manifestDigest"] == f"sha256:{digest.split()[0]}"
        told = json.loads(document)
        frames = told["frames_in"], told["frames_out"], len(told["frame_digests"]), status["frames"]["done"]
        assert frames == (title.frames,) * 4
        # The price of a pod is one for each second, and its worker restores one batch at a time.
        assert status["cost"] == told["cost"] == pytest.approx(told["seconds"]["restoration"], abs=0.001)
        return film.split()[0]

    def records(self, topic: str) -> int:
        """How many records a topic has had, by the broker's offsets."""
        script = (
            "import sys; from kafka import KafkaConsumer, TopicPartition as P; "
            "c = KafkaConsumer(bootstrap_servers=sys.argv[1]); "
            "print(sum(c.end_offsets([P(sys.argv[2], n) for n in c.partitions_for_topic(sys.argv[2])]).values()))"
        )
        broker = f"{self.name}-kafka.{self.namespace}.svc:9092"
        return int(self.command("python", "-c", script, broker, f"{self.namespace}-{self.name}.{topic}"))
