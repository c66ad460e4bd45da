"""`make up`: a broker, a store, one process of each role and, where it is installed, Prometheus, on this machine.

A process that ends is started again. The folder `up/` (or REELWRIGHT_UP_DATA) holds data, logs, the chosen ports, and
`env`, a file for a shell to source; the next `make up` uses them again. Ctrl-C stops everything in order.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import yaml

from reelwright.titles.errors import UserError
from scripts.servers.kafka import KafkaServer
from scripts.servers.s3 import S3Server

ROOT = Path(__file__).resolve().parent.parent
REELWRIGHT = Path(sys.executable).with_name("reelwright")
BUCKET = "films"

# The roles, in the order in which they are started; stopped in the reverse order.
PROCESSES = {
    "dispatcher": ["serve", "dispatcher"],
    "encoder": ["serve", "encoder"],
    "inference": ["serve", "inference"],
    "decoder": ["serve", "decoder"],
}
# The usual ports. Where one is taken, a free one is chosen once and kept.
PORTS = {
    "kafka": 9092,
    "s3": 9000,
    "prometheus": 9090,
    "grpc": 7010,
    "dispatcher": 8081,
    "encoder": 8082,
    "inference": 8083,
    "decoder": 8084,
}
_POLL_SECONDS = 0.5
_LONGEST_PAUSE = 10.0
# A process that lived this long starts again after the shortest pause.
_SETTLED_SECONDS = 30.0
# More than the grace period of the roles and the time that they need after it.
_STOP_SECONDS = 40.0


class ManagedProcess:
    """A process that is started again when it ends.

    Args:
        name: of the process and of its log.
        command: the command line.
        env: its environment.
        log: file of its output.
    """

    def __init__(self, name: str, command: list[str], env: dict[str, str], log: Path) -> None:
        self.name, self._command, self._env, self._log = name, command, env, log
        self._pause = 1.0
        self._again = 0.0
        self._start()

    def _start(self) -> None:
        self._started = time.monotonic()
        with self._log.open("ab") as log:
            # In a separate session, so that Ctrl-C reaches this script alone, which stops the processes in order.
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._env, start_new_session=True
            )

    def restart_if_ended(self) -> None:
        """Starts the process again, after a pause, when it has ended."""
        code, now = self._process.poll(), time.monotonic()
        if code is None:
            return
        if not self._again:
            self._pause = 1.0 if now - self._started > _SETTLED_SECONDS else min(2 * self._pause, _LONGEST_PAUSE)
            self._again = now + self._pause
            print(f"{self.name} ended with {code}; again in {self._pause:g} s, see {self._log}", flush=True)
        elif now >= self._again:
            self._again = 0.0
            self._start()

    def terminate(self) -> None:
        """Sends SIGTERM."""
        if self._process.poll() is None:
            self._process.terminate()

    def wait_or_kill(self, deadline: float) -> None:
        """Waits until `deadline` (of the monotonic clock) for the process to end, then kills it."""
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def main() -> None:
    """Starts everything and keeps it running until Ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    data = Path(os.environ.get("REELWRIGHT_UP_DATA", ROOT / "up"))
    try:
        with ExitStack() as stack:
            _up(data, stack)
    except KeyboardInterrupt:
        print("stopped", flush=True)
    except UserError as error:
        sys.exit(f"make up: {error}")


def _up(data: Path, stack: ExitStack) -> None:
    (data / "logs").mkdir(parents=True, exist_ok=True)
    ports = choose_ports(data / "ports.json")
    for port in (ports["kafka"], ports["s3"]):
        if not _free(port):
            raise UserError(
                "the port is in use", f"port {port}", f"is `make up` running already? {data} chose the port"
            )
    print("starting the broker and the store (fetched at the first start) ...", flush=True)
    kafka = KafkaServer(data / "kafka", ports["kafka"])
    stack.callback(kafka.stop)
    kafka.start()
    s3 = S3Server(data / "s3", ports["s3"], BUCKET)
    if not s3.has_users:
        raise UserError("`go` is not installed, and the S3 server is built with it", "", "install Go: go.dev/dl")
    stack.callback(s3.stop)
    s3.start()
    env = environment(kafka, s3, ports)
    write_env(data / "env", env)
    full_env = {**os.environ, **env}
    subprocess.run([REELWRIGHT, "topics", "apply"], check=True, env=full_env, stdout=subprocess.DEVNULL)
    processes = [
        ManagedProcess(
            name,
            [str(REELWRIGHT), *command, "--metrics-port", str(ports[name])],
            full_env,
            data / "logs" / f"{name}.log",
        )
        for name, command in PROCESSES.items()
    ]
    stack.callback(stop, processes)
    prometheus = start_prometheus(data, ports)
    if prometheus is not None:
        stack.callback(stop, [prometheus])
        processes.append(prometheus)
    print_addresses(data, env, ports, prometheus is not None)
    while True:
        for server in (kafka, s3):
            restart_server_if_ended(server)
        for process in processes:
            process.restart_if_ended()
        time.sleep(_POLL_SECONDS)


def restart_server_if_ended(server: KafkaServer | S3Server) -> None:
    """Starts a server again when it has ended. Its data is kept."""
    if server.pid is None:
        print(f"{type(server).__name__} ended; starting it again", flush=True)
        server.start()


def stop(processes: list[ManagedProcess]) -> None:
    """Lets processes drain at the same time, and kills those that take too long."""
    print("stopping " + ", ".join(process.name for process in processes), flush=True)
    for process in reversed(processes):
        process.terminate()
    deadline = time.monotonic() + _STOP_SECONDS
    for process in processes:
        process.wait_or_kill(deadline)


def choose_ports(file: Path) -> dict[str, int]:
    """The ports: those of the file, which is written at the first start, because a broker's data contains its port."""
    chosen: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
    for name, usual in PORTS.items():
        if name not in chosen:
            chosen[name] = usual if _free(usual) else _any_port()
    file.write_text(json.dumps(chosen, indent=2))
    return chosen


def _free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _any_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def environment(kafka: KafkaServer, s3: S3Server, ports: dict[str, int]) -> dict[str, str]:
    """The variables with which roles and commands find the broker, the store and each other."""
    return {
        **kafka.env,
        **s3.env,
        "REELWRIGHT_STORE_LEDGER": f"s3://{BUCKET}/ledger",
        # The films of the person who started the cluster may be anywhere on this machine.
        "REELWRIGHT_STORE_SOURCES": f"s3://{BUCKET},/",
        "REELWRIGHT_STORE_OUTPUTS": f"s3://{BUCKET},/",
        "REELWRIGHT_DISPATCHER_ADDRESS": f"127.0.0.1:{ports['grpc']}",
        "REELWRIGHT_INFERENCE_DISPATCHER": f"127.0.0.1:{ports['grpc']}",
    }


def write_env(file: Path, env: dict[str, str]) -> None:
    """Writes variables for a shell to source. Only the owner may read the file: it contains the key of the store."""
    file.touch(mode=0o600)
    file.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in env.items()))


def start_prometheus(data: Path, ports: dict[str, int]) -> ManagedProcess | None:
    """Starts Prometheus, which scrapes every role; None if it is not installed."""
    binary = shutil.which("prometheus")
    if binary is None:
        return None
    scrapes = [{"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{ports[name]}"]}]} for name in PROCESSES]
    settings = data / "prometheus.yml"
    settings.write_text(yaml.safe_dump({"global": {"scrape_interval": "5s"}, "scrape_configs": scrapes}))
    command = [
        binary,
        f"--config.file={settings}",
        f"--storage.tsdb.path={data / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
    ]
    return ManagedProcess("prometheus", command, dict(os.environ), data / "logs" / "prometheus.log")


def print_addresses(data: Path, env: dict[str, str], ports: dict[str, int], has_prometheus: bool) -> None:
    """Prints the addresses, and commands to try."""
    shown = os.path.relpath(data)
    prometheus = (
        f"http://127.0.0.1:{ports['prometheus']}" if has_prometheus else "not installed (apt-get install prometheus)"
    )
    print(f"broker      {env['REELWRIGHT_BUS_BOOTSTRAP_SERVERS']}")
    print(f"store       {env['AWS_ENDPOINT_URL']}, bucket {BUCKET}")
    for name in PROCESSES:
        print(f"{name:<11} http://127.0.0.1:{ports[name]}/metrics, log {shown}/logs/{name}.log")
    print(f"prometheus  {prometheus}")
    print("\nin another shell, in this folder:\n")
    print(f"    set -a; . {shown}/env; set +a; PATH=$PWD/.venv/bin:$PATH")
    print(f"    reelwright submit film.mp4 -o s3://{BUCKET}/restored.mp4")
    print("    reelwright status --wait")
    print("\nCtrl-C stops everything; no work is lost.", flush=True)


if __name__ == "__main__":
    main()
