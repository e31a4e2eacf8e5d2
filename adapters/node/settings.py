"""The node's configuration: one YAML file, checked strictly; secrets come from the environment."""

from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapters.errors import SettingsError

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_STRICT: Final = ConfigDict(extra="forbid", frozen=True)


class PersonSettings(BaseModel):
    """A named person of this agency and what the local API lets them act as.

    `token_sha256` is the SHA-256 of the bearer token that the agency's sign-on hands out.
    """

    model_config = _STRICT
    name: str = Field(min_length=1, max_length=120)
    title: str = Field(max_length=120)
    roles: tuple[str, ...]
    token_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    assurance: Literal["oidc", "app"] = "app"
    second_factor: bool = False


class NodeSettings(BaseModel):
    """Everything a node is told at its start."""

    model_config = _STRICT
    party: str
    broker_url: str
    data_dir: Path
    agreement: Path
    agreement_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    host: str = "127.0.0.1"
    port: int = Field(default=8100, ge=0, le=65535)
    agency: str
    switchboard: str
    systems: tuple[Path, ...] = ()
    local_policy: Path | None = None
    people: tuple[PersonSettings, ...] = ()
    index_seconds: float = Field(default=300.0, gt=0)
    poll_seconds: float = Field(default=20.0, ge=1, le=60)
    cover_seconds: tuple[float, float] = (120.0, 1800.0)
    claim_at_once: int = Field(default=16, ge=1, le=64)
    clock_start: datetime | None = None
    clock_started_at: datetime | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("broker_url")
    @classmethod
    def _encrypted(cls, url: str) -> str:
        """Plain HTTP shows tokens and who asks whom to everybody on the way."""
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise ValueError("must begin with https:// unless the broker is on this machine")
        return url


class NodeSecrets(BaseSettings):
    """What must not stand in a file: read from the environment, prefix `MASH_`."""

    model_config = SettingsConfigDict(env_prefix="MASH_")
    keystore_secret: SecretStr


def load_settings(path: Path) -> NodeSettings:
    """Return the settings in the YAML file at `path`; relative paths are relative to the file.

    Raises:
        SettingsError: The file is missing, no YAML, or a key or value is wrong; names which.

    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(path.name, "(file)", error.strerror or "cannot be read") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f"line {mark.line + 1}"
        raise SettingsError(path.name, line, "is not YAML") from None
    if not isinstance(raw, dict):
        raise SettingsError(path.name, "(top)", "must be a mapping of settings")
    try:
        settings = NodeSettings.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(path.name, where, first["msg"]) from None
    return _absolute(settings, path.parent)


def _absolute(settings: NodeSettings, base: Path) -> NodeSettings:
    changes: dict[str, Any] = {
        "data_dir": base / settings.data_dir,
        "agreement": base / settings.agreement,
        "systems": tuple(base / mapping for mapping in settings.systems),
        "local_policy": settings.local_policy and base / settings.local_policy,
    }
    return settings.model_copy(update=changes)
