"""A real S3 server for tests, demos and `make up`: versitygw over a folder, on loopback.

Go builds it once into `.cache/bin`. Without Go, moto's server is used instead: it keeps all objects in memory and
accepts any credentials.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import botocore.session
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import ClientError

from reelwright.titles.errors import UserError
from scripts.servers.server_process import ServerProcess

VERSION = "v1.8.0"
REGION = "us-east-1"

_CACHE = Path(__file__).resolve().parents[2] / ".cache" / "bin"
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0


class S3Server(ServerProcess):
    """A server that keeps its port and keys through kills and restarts, and its objects unless it is moto's.

    Args:
        folder: for objects and logs; a temporary folder, removed at the end of the context, unless given.
        port: a free one unless given.
        bucket: created at the first start.

    Attributes:
        access_key: created at random, like the secret.
        secret_key: the secret that belongs to it.
    """

    def __init__(self, folder: Path | None = None, port: int = 0, bucket: str = "films") -> None:
        super().__init__(
            "S3 server", folder, "reelwright-s3-", start_seconds=_START_SECONDS, stop_seconds=_STOP_SECONDS
        )
        self.port = port or _free_port()
        self.bucket = bucket
        self.access_key, self.secret_key = self._keys()

    @property
    def endpoint(self) -> str:
        """The server's URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        """The AWS_* variables with which an S3 client finds this server."""
        return self._env(self.access_key, self.secret_key)

    @property
    def has_users(self) -> bool:
        """Whether it checks credentials and keeps its objects when it is killed; moto does neither."""
        return shutil.which("go") is not None or (_CACHE / "versitygw").exists()

    @property
    def requests_log(self) -> Path:
        """File with a line for each request, in the format of S3's server access log."""
        return self.folder / "requests.log"

    @property
    def log(self) -> Path:
        """Standard output and errors of the server."""
        return self.folder / "server.log"

    def start(self) -> None:
        """Starts the server, with the objects of earlier starts, and returns once it answers and has its bucket.

        Raises:
            UserError: it cannot be built, or it ended at once.
        """
        if self.pid is not None:
            return
        keys = {"ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key}
        self._run(self._command(), self._answers, keys)
        with suppress(ClientError):  # there already
            self.client().create_bucket(Bucket=self.bucket)

    def client(self) -> BaseClient:
        """A client of botocore, which reads and changes the store without the product's own code."""
        return botocore.session.get_session().create_client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(connect_timeout=5, read_timeout=60),
        )

    def add_user(self, name: str) -> dict[str, str]:
        """Creates a user without permissions, and returns the AWS_* variables of a client with its keys."""
        secret = secrets.token_hex(20)
        program = str(_CACHE / "versitygw")
        subprocess.run(
            [program, "admin", "create-user", "--access", name, "--secret", secret, "--role", "user"],
            env={
                **os.environ,
                "ADMIN_ACCESS_KEY": self.access_key,
                "ADMIN_SECRET_KEY": self.secret_key,
                "ADMIN_ENDPOINT_URL": self.endpoint,
            },
            check=True,
            capture_output=True,
        )
        return self._env(name, secret)

    def _env(self, access: str, secret: str) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": access,
            "AWS_SECRET_ACCESS_KEY": secret,
        }

    def _keys(self) -> tuple[str, str]:
        """The keys that are stored in the folder; new ones at the first start."""
        kept = self.folder / "keys"
        if not kept.exists():
            kept.touch(mode=0o600)
            kept.write_text(f"reel{secrets.token_hex(8)} {secrets.token_hex(20)}")
        access, secret = kept.read_text().split()
        return access, secret

    def _command(self) -> list[str]:
        if not self.has_users:
            # Beside the interpreter, where `pip install moto[server]` puts it.
            return [str(Path(sys.executable).with_name("moto_server")), "--host", "127.0.0.1", "--port", str(self.port)]
        folders = {name: self.folder / name for name in ("objects", "attributes", "users")}
        for folder in folders.values():
            folder.mkdir(exist_ok=True)
        common = ["--port", f"127.0.0.1:{self.port}", "--region", REGION, "--quiet"]
        logs = ["--access-log", str(self.requests_log), "--iam-dir", str(folders["users"])]
        # In files and not in extended attributes, which not every file system supports.
        return [build(), *common, *logs, "posix", "--sidecar", str(folders["attributes"]), str(folders["objects"])]

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.endpoint, timeout=1):  # noqa: S310 - our own address
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False


def build() -> str:
    """The path of versitygw; Go builds it at the first call.

    Raises:
        UserError: it cannot be built.
    """
    program = _CACHE / "versitygw"
    if not program.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE) as scratch:
            package = f"github.com/versity/versitygw/cmd/versitygw@{VERSION}"
            env = {**os.environ, "GOBIN": scratch, "CGO_ENABLED": "0"}
            done = subprocess.run(["go", "install", package], env=env, capture_output=True, text=True, check=False)
            if done.returncode:
                raise UserError(f"Go cannot build {package}: {done.stderr}", "", "check its settings and network")
            # One rename, so that test runs that build at the same time see the whole program or none.
            Path(scratch, "versitygw").rename(program)
    return str(program)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
