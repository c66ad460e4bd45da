"""The store's settings: `REELWRIGHT_STORE_*`."""

from __future__ import annotations

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from reelwright.settings import DEFAULT_INSTALLATION, installation
from reelwright.store.allowed_locations import AllowedLocations, own_store
from reelwright.store.location import open_location


class StoreSettings(BaseSettings):
    """Location of the ledger. Credentials are not settings: an S3 client reads the AWS_* variables and files.

    Attributes:
        ledger: where the ledgers of all installations are: `s3://bucket/name`, or a folder that every process sees
            under the same path.
        keep_days: days after its end for which a run is kept; `reelwright runs prune` removes older ones.
        sources: where sources may be read from: folders and buckets, separated by commas, such as
            `s3://films,/mnt/scans`. Only the ledger's own bucket, or the folder that its folder is in, if empty.
        outputs: where films may be written to; likewise, and never inside the ledger.
    """

    model_config = SettingsConfigDict(env_prefix="REELWRIGHT_STORE_", frozen=True)
    ledger: str
    keep_days: float = Field(default=30.0, ge=0)
    sources: str = ""
    outputs: str = ""

    @property
    def allowed_locations(self) -> AllowedLocations:
        """The locations that `sources` and `outputs` name.

        Raises:
            UserError: one of them is empty, and the ledger's own store is not fit to take its place.
        """
        sources, outputs = _listed(self.sources), _listed(self.outputs)
        if not (sources and outputs):
            own = (own_store(self.ledger),)
            sources, outputs = sources or own, outputs or own
        return AllowedLocations(sources, outputs, self.ledger)

    @field_validator("sources", "outputs")
    @classmethod
    def _check_locations(cls, locations: str) -> str:
        # Raises a UserError for an address that is not valid.
        AllowedLocations(_listed(locations), None)
        return locations

    @property
    def root(self) -> str:
        """Root of this installation's ledger, which holds a folder for each run.

        The default installation's is `ledger` itself. The folders of the others lie beside its runs; the name of a run
        has no hyphen.

        Raises:
            UserError: `REELWRIGHT_INSTALLATION` is not valid.
        """
        name = installation()
        return self.ledger if name == DEFAULT_INSTALLATION else f"{self.ledger.rstrip('/')}/installation-{name}"

    @field_validator("ledger")
    @classmethod
    def _check_location(cls, location: str) -> str:
        if not location:
            raise ValueError("the location is empty")
        # Raises a UserError for an address that is not valid.
        open_location(location)
        return location


def _listed(locations: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in locations.split(",") if part.strip())
