"""The store as the harness uses it: plain S3 calls past every proxy, which fail soon and are not repeated."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

Result = TypeVar("Result")

_PATIENCE_SECONDS = 120.0
_LOOK_SECONDS = 0.5


class StoreClient:
    """One bucket. Thread-safe.

    Args:
        env: the standard AWS_* settings that lead to the store.
        bucket: the bucket.
    """

    def __init__(self, env: dict[str, str], bucket: str) -> None:
        self._bucket = bucket
        self._client: Any = botocore.session.get_session().create_client(
            "s3",
            region_name=env["AWS_DEFAULT_REGION"],
            endpoint_url=env["AWS_ENDPOINT_URL"],
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
            config=Config(connect_timeout=2, read_timeout=4, retries={"max_attempts": 0, "mode": "standard"}),
        )

    def names(self, prefix: str) -> list[str]:
        """Every object's name below a prefix."""
        found: list[str] = []
        token: dict[str, str] = {}
        while True:
            page = self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, **token)
            found += [item["Key"] for item in page.get("Contents", [])]
            if not page.get("IsTruncated"):
                return found
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def get(self, name: str) -> bytes | None:
        """An object's bytes; None when there is none."""
        try:
            return bytes(self._client.get_object(Bucket=self._bucket, Key=name)["Body"].read())
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise

    def put(self, name: str, content: bytes) -> None:
        """Writes an object."""
        self._client.put_object(Bucket=self._bucket, Key=name, Body=content)

    def remove(self, name: str) -> None:
        """Removes an object."""
        self._client.delete_object(Bucket=self._bucket, Key=name)

    def upload(self, name: str, path: Path) -> None:
        """Copies a file here, as soon as the store lets it."""
        patiently(lambda: self.put(name, path.read_bytes()))

    def fetch(self, name: str, path: Path) -> bool:
        """Copies an object out, as soon as the store lets it; False when there is none."""
        content = patiently(lambda: self.get(name))
        if content is not None:
            path.write_bytes(content)
        return content is not None


def patiently(call: Callable[[], Result]) -> Result:
    """Repeats a call to the store for as long as faults may keep it from answering."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return call()
        except (BotoCoreError, ClientError):
            if time.monotonic() > end:
                raise
            time.sleep(_LOOK_SECONDS)
