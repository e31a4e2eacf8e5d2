"""The broker's configuration, from the environment (prefix `MASH_`) or given by the command."""

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class BrokerSettings(BaseSettings):
    """Everything the broker is told at its start.

    `clock_start` and `clock_started_at` move the clock for demonstrations and tests; they are
    refused unless the ledger's origin ends in `/demo`.
    """

    model_config = SettingsConfigDict(env_prefix="MASH_", frozen=True)

    data_dir: Path
    keystore_secret: SecretStr
    database_url: str | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    lease_seconds: float = Field(default=30.0, gt=0)
    sweep_seconds: float = Field(default=30.0, gt=0)
    clock_start: datetime | None = None
    clock_started_at: datetime | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def database(self) -> str:
        """The database's URL; SQLite in the data folder unless another is set."""
        return self.database_url or f"sqlite:///{self.data_dir / 'broker.sqlite'}"

    @property
    def agreement_path(self) -> Path:
        """Where `init` put the agreement's exact bytes."""
        return self.data_dir / "agreement.yaml"

    @property
    def keys_path(self) -> Path:
        """The key store's folder."""
        return self.data_dir / "keys"
