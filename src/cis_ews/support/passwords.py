"""Passwords of local accounts: Argon2id by pwdlib; length is asked for, and nothing else (NIST SP 800-63B, 5.1.1)."""

from __future__ import annotations

import secrets
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from cis_ews.errors import ConfigError

if TYPE_CHECKING:
    from pwdlib import PasswordHash

SHORTEST, LONGEST = 12, 200
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def hash_password(password: str) -> str:
    """The hash that is stored. Raises ConfigError where the password is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise ConfigError(
            f"A password has {SHORTEST} to {LONGEST} characters", hint="a few words in a row are easy to remember"
        )
    return _hasher().hash(password)


def is_password(password: str, password_hash: str | None) -> bool:
    """Whether a password fits. Without a hash it is wrong, and takes as long: time tells nothing of accounts."""
    fits = _hasher().verify(password[: LONGEST + 1], password_hash or _nobodys_hash())
    return fits and password_hash is not None


def made_password() -> str:
    """A new password that can be read out: four groups of letters, 99 random bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))


@cache
def _hasher() -> PasswordHash:
    if find_spec("pwdlib") is None:
        raise ConfigError("Passwords need the package pwdlib", hint="install it: pip install 'cis_ews[store]'")
    from pwdlib import PasswordHash

    return PasswordHash.recommended()


@cache
def _nobodys_hash() -> str:
    return _hasher().hash(secrets.token_hex(32))
