"""A real Kafka broker for tests, demos and `make up`: Apache Kafka in KRaft mode, one node, on loopback.

Maven downloads the jars once into `.cache/kafka`; Java 17 or later runs them. All other settings are Kafka's defaults,
including the limit of 1 MiB for a message, so results are valid for a fresh installation.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from reelwright.titles.errors import UserError
from scripts.servers.server_process import ServerProcess

VERSION = "4.1.1"
USER, PASSWORD = "reelwright", "kodak 5222"
"""The login of a broker with `secure` listeners, for PLAIN and SCRAM."""

_CACHE = Path(__file__).resolve().parents[2] / ".cache" / "kafka"
_START_SECONDS = 120.0
_STOP_SECONDS = 30.0
_STARTED = b"Kafka Server started"

_POM = f"""<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>reelwright</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version>
    </dependency>
  </dependencies>
</project>
"""

_LOGGING = """appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %m (%c)%n
rootLogger.level = INFO
rootLogger.appenderRef.out.ref = out
"""

# Required for a cluster of one node; the rest are Kafka's defaults. The last five only make tests faster: groups form
# without a delay, short sessions are allowed, fewer offset partitions have to be loaded, and a broker that was killed
# can register again after 3 s, when its former session has expired.
_PROPERTIES = """process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
inter.broker.listener.name=OPEN
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
offsets.topic.num.partitions=4
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""

_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required"
_MECHANISMS = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"


class KafkaServer(ServerProcess):
    """A broker that keeps its ports and data through kills and restarts.

    Args:
        folder: for data, log and certificates; a temporary folder, removed at the end of the context, unless given.
        port: of the open listener; a free one unless given.
        secure: also listens with SASL (`sasl`), SASL over TLS (`sasl_tls`) and TLS with client certificates (`mtls`).
        properties: further broker settings.
    """

    def __init__(
        self, folder: Path | None = None, port: int = 0, secure: bool = False, properties: dict[str, str] | None = None
    ) -> None:
        super().__init__(
            "broker", folder, "reelwright-kafka-", start_seconds=_START_SECONDS, stop_seconds=_STOP_SECONDS
        )
        names = ["OPEN", "CONTROLLER", *(["SASL", "SASLTLS", "MTLS"] if secure else [])]
        ports = _free_ports(len(names))
        ports[0] = port or ports[0]
        self._addresses = {name: f"127.0.0.1:{number}" for name, number in zip(names, ports, strict=True)}
        self._secure = secure
        self._properties = properties or {}

    @property
    def bootstrap(self) -> str:
        """`host:port` of the open listener."""
        return self._addresses["OPEN"]

    @property
    def sasl(self) -> str:
        """`host:port` of the listener with SASL and no encryption."""
        return self._addresses["SASL"]

    @property
    def sasl_tls(self) -> str:
        """`host:port` of the listener with SASL over TLS; `certificate` is the authority that signs its certificate."""
        return self._addresses["SASLTLS"]

    @property
    def mtls(self) -> str:
        """`host:port` of the listener with TLS and client certificates; the client's is `certificate`."""
        return self._addresses["MTLS"]

    @property
    def certificate(self) -> Path:
        """The self-signed certificate (PEM) of broker and client."""
        return self.folder / "certificate.pem"

    @property
    def private_key(self) -> Path:
        """The private key (PEM) of `certificate`."""
        return self.folder / "key.pem"

    @property
    def env(self) -> dict[str, str]:
        """The environment variables with which Reelwright finds this broker."""
        return {"REELWRIGHT_BUS_BOOTSTRAP_SERVERS": self.bootstrap}

    @property
    def log(self) -> Path:
        """Standard output and errors of the broker."""
        return self.folder / "broker.log"

    def start(self) -> None:
        """Starts the broker, with the data of earlier starts, and returns once it answers.

        Raises:
            UserError: Java or Maven is missing, or the broker ended at once.
        """
        if self.pid is not None:
            return
        jars = fetch_jars()
        if not (self.folder / "data" / "meta.properties").exists():
            self._format(jars)
        skip = self.log.stat().st_size if self.log.exists() else 0
        command = self._java(jars, "kafka.Kafka", "server.properties")
        self._run(command, lambda: _STARTED in self.log.read_bytes()[skip:])

    def _format(self, jars: Path) -> None:
        (self.folder / "log4j2.properties").write_text(_LOGGING)
        (self.folder / "server.properties").write_text(self._configuration())
        if self._secure:
            self._create_certificate()
        users = [f"{kind}=[name={USER},password={PASSWORD}]" for kind in ("SCRAM-SHA-256", "SCRAM-SHA-512")]
        scram = [word for user in users for word in ("--add-scram", user)] if self._secure else []
        tool = self._java(jars, "kafka.tools.StorageTool", "format", "-t", "reelwrightreelwrightrQ")
        done = subprocess.run(
            [*tool, "-c", "server.properties", *scram], cwd=self.folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise UserError(
                f"Kafka cannot format the folder: {done.stderr or done.stdout}", str(self.folder), "empty the folder"
            )

    def _configuration(self) -> str:
        listeners = ",".join(f"{name}://{address}" for name, address in self._addresses.items())
        kinds = {"OPEN": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
        kinds |= {"SASL": "SASL_PLAINTEXT", "SASLTLS": "SASL_SSL", "MTLS": "SSL"} if self._secure else {}
        settings = {
            "listeners": listeners,
            "advertised.listeners": listeners.replace(f",CONTROLLER://{self._addresses['CONTROLLER']}", ""),
            "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, kind in kinds.items()),
            "controller.quorum.voters": f"1@{self._addresses['CONTROLLER']}",
            "log.dirs": str(self.folder / "data"),
            **(self._security() if self._secure else {}),
            **self._properties,
        }
        return _PROPERTIES + "".join(f"{key}={value}\n" for key, value in settings.items())

    def _security(self) -> dict[str, str]:
        settings = {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.folder / "keystore.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.certificate),
            "listener.name.mtls.ssl.client.auth": "required",
            "sasl.enabled.mechanisms": _MECHANISMS,
        }
        for name in ("sasl", "sasltls"):
            start = f"listener.name.{name}"
            settings[f"{start}.plain.sasl.jaas.config"] = f'{_PLAIN} user_{USER}="{PASSWORD}";'
            settings[f"{start}.scram-sha-256.sasl.jaas.config"] = f"{_SCRAM};"
            settings[f"{start}.scram-sha-512.sasl.jaas.config"] = f"{_SCRAM};"
        return settings

    def _create_certificate(self) -> None:
        new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=localhost"]
        names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        files = ["-keyout", str(self.private_key), "-out", str(self.certificate)]
        subprocess.run([*new, *names, *files], check=True, capture_output=True)
        (self.folder / "keystore.pem").write_text(self.private_key.read_text() + self.certificate.read_text())

    def _java(self, jars: Path, *arguments: str) -> list[str]:
        # The simple compiler and collector: a broker that lives for seconds on shared cores is up sooner with them.
        quick = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        return [_tool("java"), *quick, "-Dlog4j2.configurationFile=log4j2.properties", "-cp", f"{jars}/*", *arguments]


def fetch_jars() -> Path:
    """The folder with the broker's jars; Maven downloads them at the first call.

    Raises:
        UserError: Maven is missing or cannot fetch them.
    """
    jars = _CACHE / VERSION
    if not jars.exists():
        maven = _tool("mvn")
        _CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE) as scratch:
            Path(scratch, "pom.xml").write_text(_POM)
            command = [maven, "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"]
            done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
            if done.returncode:
                reason = (done.stdout + done.stderr).strip().partition("\n")[0]
                raise UserError(f"Maven cannot fetch Kafka {VERSION}: {reason}", "", "check its settings and network")
            # One rename, so that test runs that download at the same time see all jars or none.
            if not jars.exists():
                Path(scratch, "jars").rename(jars)
    return jars


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        remedy = "install a JDK, 17 or later, and Maven (Debian: apt-get install default-jdk-headless maven)"
        raise UserError(f"`{name}` is not installed, and Kafka needs it", "", remedy)
    return found


def _free_ports(count: int) -> list[int]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(server.getsockname()[1]) for server in servers]
    for server in servers:
        server.close()
    return ports
