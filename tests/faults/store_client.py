"""A plain S3 client for the campaign: no proxy, short timeouts, no retries inside a call."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

Result = TypeVar("Result")

_TIMEOUT_SECONDS = 120.0
_POLL_SECONDS = 0.5


class StoreClient:
    """One bucket of the store. Thread-safe.

    Args:
        env: the AWS_* variables of the store.
        bucket: the bucket's name.
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
        """Names of all objects with a prefix."""
        found: list[str] = []
        token: dict[str, str] = {}
        while True:
            page = self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, **token)
            found += [item["Key"] for item in page.get("Contents", [])]
            if not page.get("IsTruncated"):
                return found
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def get(self, name: str) -> bytes | None:
        """An object's bytes; None when it does not exist."""
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
        """Copies a local file into the store; waits while the store does not answer."""
        retry_until_store_answers(lambda: self.put(name, path.read_bytes()))

    def fetch(self, name: str, path: Path) -> bool:
        """Copies an object to a local file; waits while the store does not answer. False when it does not exist."""
        content = retry_until_store_answers(lambda: self.get(name))
        if content is not None:
            path.write_bytes(content)
        return content is not None


def retry_until_store_answers(call: Callable[[], Result]) -> Result:
    """Repeats a call until the store answers.

    Raises:
        BotoCoreError, ClientError: the last error, after two minutes without an answer.
    """
    end = time.monotonic() + _TIMEOUT_SECONDS
    while True:
        try:
            return call()
        except (BotoCoreError, ClientError):
            if time.monotonic() > end:
                raise
            time.sleep(_POLL_SECONDS)
