"""The store's settings: `REELWRIGHT_STORE_*`."""

from __future__ import annotations

from pydantic import field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from reelwright.store.location import open_location


class StoreSettings(BaseSettings):
    """Location of the ledger. Credentials are not settings: an S3 client reads the AWS_* variables and files.

    Attributes:
        ledger: root of the ledger, which holds a folder for each run: `s3://bucket/name`, or a folder that every
            process sees under the same path.
    """

    model_config = SettingsConfigDict(env_prefix="REELWRIGHT_STORE_", frozen=True)
    ledger: str

    @field_validator("ledger")
    @classmethod
    def _check_location(cls, location: str) -> str:
        if not location:
            raise ValueError("the location is empty")
        # Raises a UserError for an address that is not valid.
        open_location(location)
        return location
