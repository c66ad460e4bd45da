"""The store's settings: `REELWRIGHT_STORE_*`."""

from __future__ import annotations

from pydantic import field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from reelwright.store.location import open_location


class StoreSettings(BaseSettings):
    """Where runs are kept. Who may go there is no setting: an S3 store reads the AWS_* variables and files.

    Attributes:
        ledger: root of the ledger, which holds a folder for each run: `s3://bucket/name`, or a folder that every
            process sees under the same path.
    """

    model_config = SettingsConfigDict(env_prefix="REELWRIGHT_STORE_", frozen=True)
    ledger: str

    @field_validator("ledger")
    @classmethod
    def _leads_somewhere(cls, location: str) -> str:
        if not location:
            raise ValueError("it is empty")
        # Raises the UserError that says what is wrong with the address.
        open_location(location)
        return location
