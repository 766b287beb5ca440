"""What a deployment sets: a TOML file, and environment variables that override it.

    [store]                              CIS_EWS_STORE__PATH=/srv/cis_ews
    path = "/srv/cis_ews"

A key, a section or a variable that nobody knows is an error that names the nearest right one, and so is a file that is
not there: a setting that is silently ignored is worse than none. Values never stand in messages: one may be a password.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from cis_ews.errors import ConfigError
from cis_ews.wording import mistakes

PREFIX = "CIS_EWS_"
DELIMITER = "__"
FILE_VARIABLE = "CIS_EWS_CONFIG"
# An empty one would put the runs into whatever folder a cron job starts in.
STORE_VARIABLE = "CIS_EWS_STORE__PATH"
# Read by the command line and by the tests, not by a section.
OTHER_VARIABLES = frozenset({FILE_VARIABLE, "CIS_EWS_EDFI_KEY", "CIS_EWS_EDFI_SECRET", "CIS_EWS_TEST_LONG"})


class Section(BaseModel):
    """Base of the sections: frozen, and no key but the declared ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class StoreSettings(Section):
    """Where runs and current flags are kept."""

    path: Path = Path("cis_ews_store")
    database: SecretStr | None = None


class SourceSettings(Section):
    """How an extract is read."""

    format: str = "folder"
    tolerance: Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)] | None = None


class NamedSourceSettings(SourceSettings):
    """An extract that a program may ask the service to score, by its name alone: a request never names a path.

    `districts`: whose keys may ask for it.
    """

    path: Path
    districts: Annotated[tuple[str, ...], Field(min_length=1)]


class ModelSettings(Section):
    """Which model nights use unless one is named, and the registry of models (a folder, or an MLflow server's address).

    `use`: `rules`, `models:/cis-ews@champion`, or the path of a model's file. `registry`: the store's own if None.
    """

    use: str = "rules"
    registry: SecretStr | None = None


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("should be a time zone of the IANA list, such as America/Los_Angeles") from None
    return name


class ServiceSettings(Section):
    """The service: how long a person stays signed in, with pages and in all, where people reach it, and their clock.

    `public_url`: what stands in people's browsers, where something in front of the service speaks https for it.
    `time_zone`: where the people of the pages live, by its IANA name; what is stored, and what programs get, is in UTC.
    """

    session_hours: Annotated[float, Field(gt=0.0, le=24.0)] = 8.0
    idle_minutes: Annotated[float, Field(gt=0.0, le=24.0 * 60.0)] = 30.0
    public_url: Annotated[str, Field(pattern=r"^https?://[^/?#\s]+$")] | None = None
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "America/Los_Angeles"

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of that name."""
        return ZoneInfo(self.time_zone)


class ProviderSettings(Section):
    """A provider of sign-ins that speaks OpenID Connect.

    `kind`: what is known of it; `other` needs its `issuer`, `microsoft` the one of your tenant. `label`: on the button.
    `trust_email`: accounts are found by an e-mail address that the provider does not call verified.
    """

    kind: Literal["google", "microsoft", "clever", "other"]
    client_id: Annotated[str, Field(min_length=1)]
    client_secret: SecretStr
    issuer: Annotated[str, Field(pattern=r"^https?://[^?#\s]+$")] | None = None
    label: Annotated[str, Field(min_length=1, max_length=60)] | None = None
    trust_email: bool = False


class EngineSettings(Section):
    """Who works on the parts of a large extract, and how large they are (docs/large_nights.md).

    `workers`: processes of this machine, one a core if None. `students_a_part`: what a night does without, if None.
    `spark`: the master of Spark, which works in their place.
    """

    workers: Annotated[int, Field(ge=1)] | None = None
    students_a_part: Annotated[int, Field(ge=1)] | None = None
    spark: Annotated[str, Field(min_length=1)] | None = None


class PolicySettings(Section):
    """Which policy files override the shipped defaults."""

    tiers: Path | None = None
    retention: Path | None = None


class LogSettings(Section):
    """What is logged, and where; without a file only `debug` logs, to stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    file: Path | None = None


class Settings(BaseSettings):
    """All settings, read once at the edge of the program and handed down as values."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        env_ignore_empty=True,
    )

    config_version: Literal[1] = 1
    store: StoreSettings = StoreSettings()
    source: SourceSettings = SourceSettings()
    sources: dict[str, NamedSourceSettings] = Field(default_factory=dict[str, NamedSourceSettings])
    providers: dict[str, ProviderSettings] = Field(default_factory=dict[str, ProviderSettings])
    engine: EngineSettings = EngineSettings()
    policy: PolicySettings = PolicySettings()
    model: ModelSettings = ModelSettings()
    service: ServiceSettings = ServiceSettings()
    log: LogSettings = LogSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment overrides the file, which arrives as arguments."""
        return env_settings, init_settings


SECTIONS: Mapping[str, type[Section]] = {
    "store": StoreSettings,
    "source": SourceSettings,
    "engine": EngineSettings,
    "policy": PolicySettings,
    "model": ModelSettings,
    "service": ServiceSettings,
    "log": LogSettings,
}
# Sections of sections: [sources.<name>], in the file only.
NAMED: Mapping[str, type[Section]] = {"sources": NamedSourceSettings, "providers": ProviderSettings}


def load_settings(file: Path | None = None) -> Settings:
    """Settings from `file` (else from the file that CIS_EWS_CONFIG names, else defaults) and the environment.

    Raises:
        ConfigError: a file that is not there or is no TOML, an unknown name, a value out of range.
    """
    _check_variables(os.environ)
    named = os.environ.get(FILE_VARIABLE)
    chosen = Path(named) if file is None and named else file
    content = {} if chosen is None else _read(chosen)
    try:
        return Settings(**content)
    except ValidationError as error:
        raise ConfigError(_describe(error), hint="correct it in the settings file or the environment") from None


def variable_names() -> tuple[str, ...]:
    """Every environment variable that sets something."""
    keys = [f"{section}{DELIMITER}{key}" for section, model in SECTIONS.items() for key in model.model_fields]
    return tuple(sorted(PREFIX + name.upper() for name in [*keys, "config_version"]))


def _check_variables(environment: Mapping[str, str]) -> None:
    right = (*variable_names(), *OTHER_VARIABLES)
    for name in sorted(environment):
        if name.upper().startswith(PREFIX) and name.upper() not in right:
            raise _unknown("environment variable", name, right=right)
        if name.upper() == STORE_VARIABLE and not environment[name]:
            raise ConfigError(
                f"{name} is set and empty", hint="name the folder of the store, or take the variable away"
            )


def _read(file: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError:
        raise ConfigError(f"The settings file {file} cannot be read", hint="check the path given") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise ConfigError(f"The settings file {file} is not TOML", hint="see configs/cis_ews.toml") from None
    _check_keys(content, file)
    return content


def _check_keys(content: Mapping[str, Any], file: Path) -> None:
    for name, value in content.items():
        if name not in Settings.model_fields:
            raise _unknown(f"section or key in {file}:", name, right=Settings.model_fields)
        if name in SECTIONS:
            _check_section(file, name, value, model=SECTIONS[name])
        elif name in NAMED:
            for named, section in _section(file, name, value).items():
                _check_section(file, f"{name}.{named}", section, model=NAMED[name])


def _check_section(file: Path, name: str, value: object, *, model: type[Section]) -> None:
    for key in _section(file, name, value):
        if key not in model.model_fields:
            raise _unknown(f"key in section [{name}] of {file}:", key, right=model.model_fields)


def _section(file: Path, name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{name} in {file} is a section, not a value", hint=f"write [{name}] and keys below it")
    return cast("dict[str, Any]", value)


def _unknown(what: str, name: str, *, right: Iterable[str]) -> ConfigError:
    names = sorted(right)
    near = get_close_matches(name.upper(), [known.upper() for known in names], n=1, cutoff=0.5)
    meant = next((known for known in names if near and known.upper() == near[0]), None)
    hint = f"did you mean {meant}?" if meant else f"there are: {', '.join(names)}"
    return ConfigError(f"Unknown {what} {name}", hint=hint)


def _describe(error: ValidationError) -> str:
    """Which settings are wrong and what they should be; never what was given."""
    return "; ".join(f"Setting {mistake}" for mistake in mistakes(error, names=Settings.model_fields))
