"""A release of the chart, and a person's commands in it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.e2e_kubernetes.kube import get, kubectl, wait_until_ready
from tests.support.role_processes import until

CHART = Path(__file__).resolve().parents[2] / "helm" / "reelwright"
_SECONDS = 600.0


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
        self._values = [f"--values={CHART / 'profiles' / 'kind.yaml'}", *values]

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

    def pods(self) -> list[str]:
        """Names of the pods of roles that run now."""
        roles = "app.kubernetes.io/component in (decoder,dispatcher,inference,encoder,controller)"
        found = get(self.namespace, "pods", "-l", f"{self.selector},{roles}", "--field-selector=status.phase=Running")
        return [pod["metadata"]["name"] for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def start_client(self) -> None:
        """Starts a pod with the settings of the roles, from which a person's commands run."""
        (job,) = [job for job in get(self.namespace, "cronjobs") if job["metadata"]["name"] == f"{self.name}-prune"]
        template = job["spec"]["jobTemplate"]["spec"]["template"]
        container = template["spec"]["containers"][0]
        container |= {"command": ["sleep"], "args": ["infinity"], "name": "client"}
        template["spec"] |= {"terminationGracePeriodSeconds": 0}
        metadata = {"name": "client", "labels": {**template["metadata"]["labels"], "role": "client"}}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        kubectl("-n", self.namespace, "apply", "-f", "-", text=json.dumps(pod))
        kubectl("-n", self.namespace, "wait", "--for=condition=Ready", "pod/client", "--timeout=120s")

    def command(self, *words: str) -> str:
        """Runs a command in the client's pod; its output."""
        return kubectl("-n", self.namespace, "exec", "client", "--", *words, timeout=_SECONDS)

    def upload(self, film: Path) -> str:
        """Puts a source into the store; its location."""
        location = f"/films/sources/{film.name}"
        self.command("mkdir", "-p", "/films/sources")
        kubectl("-n", self.namespace, "cp", str(film), f"client:{location}")
        return location

    def submit(self, source: str, output: str) -> str:
        """Submits a title; its run."""
        return self.command("reelwright", "submit", source, "-o", output).split()[0]

    def status(self, run: str) -> dict[str, Any]:
        """The entry of a run in `reelwright status --json`."""
        (status,) = json.loads(self.command("reelwright", "status", run, "--json"))
        return dict(status)

    def wait_for_work(self, *runs: str) -> None:
        """Waits until a segment of each run is committed."""
        until(lambda: all(self.status(run)["segments_committed"] for run in runs), "a segment is committed", _SECONDS)

    def finish(self, *runs: str) -> None:
        """Waits until each run has its film.

        Raises:
            AssertionError: one failed.
        """
        self.command("reelwright", "status", *runs, "--wait")

    def verified(self, output: str) -> str:
        """Verifies a film; its SHA-256."""
        self.command("reelwright", "verify", output)
        script = "import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], 'rb').read()).hexdigest())"
        return self.command("python", "-c", script, output).strip()

    def forget(self, *outputs: str) -> None:
        """Removes ended runs and films, so that the same request is restored again."""
        self.command("env", "REELWRIGHT_STORE_KEEP_DAYS=0", "reelwright", "runs", "prune")
        self.command(
            "rm", *(f"{output}{suffix}" for output in outputs for suffix in ("", ".manifest.json", ".report.html"))
        )
