"""The key and the secret of an Ed-Fi API: from the environment or from a file, never from the command line."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from cis_ews.errors import ConfigError
from cis_ews.readers.edfi_api_config import KEY_VARIABLE, SECRET_VARIABLE
from cis_ews.wording import counted


@dataclass(frozen=True, slots=True)
class Credentials:
    """A client's key and secret; neither is ever shown."""

    key: SecretStr
    secret: SecretStr


def read_credentials(file: Path | None, environment: Mapping[str, str]) -> Credentials:
    """From `file` (the key on its first line, the secret on its second), else from the environment.

    Raises ConfigError where there are none, or where the file is open to everyone.
    """
    if file is not None:
        key, secret = _lines(file)
        return Credentials(SecretStr(key), SecretStr(secret))
    missing = [name for name in (KEY_VARIABLE, SECRET_VARIABLE) if not environment.get(name)]
    if missing:
        raise ConfigError(
            f"There is no key to the API: {' and '.join(missing)} not set",
            hint="set both in the environment, or name a file under [api] credentials: key and secret, a line each",
        )
    return Credentials(SecretStr(environment[KEY_VARIABLE]), SecretStr(environment[SECRET_VARIABLE]))


def _lines(file: Path) -> tuple[str, str]:
    try:
        is_open = file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH)
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"The file of credentials {file} cannot be read", hint="check the path given") from None
    if is_open:
        raise ConfigError(f"Everyone on this machine may open {file}", hint=f"take that away: chmod 600 {file}")
    if len(lines) != 2:
        raise ConfigError(
            f"{file} has {counted(len(lines), 'line')}, not two", hint="the key on the first, the secret below it"
        )
    return lines[0], lines[1]
