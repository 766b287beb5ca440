"""Students whom a family asked to forget: kept as salted hashes, so that later nights leave them out."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cis_ews.errors import StorageError
from cis_ews.storage.files import disk_errors, json_bytes, replace_durably

ERASED = "erased.json"
_PRIVATE = 0o600
_REWRITTEN = b'"why": "erasure"'


@dataclass(frozen=True, slots=True)
class ErasedStudents:
    """The list of one store: `salt` and the keyed SHA-256 of every forgotten student's id."""

    salt: str
    digests: frozenset[str] = frozenset()

    def digest(self, student_id: str) -> str:
        """The salted SHA-256 of a student's id, in hex."""
        return hmac.digest(bytes.fromhex(self.salt), student_id.encode(), hashlib.sha256).hex()

    @property
    def hash(self) -> str:
        """SHA-256 of the list, which tells whether it is still the same."""
        return hashlib.sha256("\n".join([self.salt, *sorted(self.digests)]).encode()).hexdigest()

    def __contains__(self, student_id: str) -> bool:
        return bool(self.digests) and self.digest(student_id) in self.digests

    def among(self, student_ids: Iterable[str]) -> frozenset[str]:
        """Those of the ids that are on the list."""
        return frozenset(one for one in student_ids if one in self) if self.digests else frozenset()

    def adding(self, student_id: str) -> ErasedStudents:
        """The list with one more student."""
        return ErasedStudents(self.salt, self.digests | {self.digest(student_id)})


def read_erased(root: Path) -> ErasedStudents:
    """The list of a store; an empty one with a new salt if the store has none yet.

    Raises StorageError if the list is damaged, or gone while a run of the store says that somebody was forgotten.
    """
    path = root / ERASED
    with disk_errors(path, "read"):
        if not path.exists():
            if _was_rewritten(root):
                raise list_is_gone(path)
            return ErasedStudents(secrets.token_hex(32))
        content = path.read_bytes()
    try:
        stated: dict[str, Any] = json.loads(content)
        return ErasedStudents(stated["salt"], frozenset(stated["students"]))
    except (ValueError, KeyError, TypeError):
        # Going on without the list would score students whom it names.
        raise StorageError(
            f"{path} is damaged", hint="restore it from a backup; nothing is scored without it"
        ) from None


def list_is_gone(path: str | Path) -> StorageError:
    """What to say where students were forgotten and the list does not know them: a night would bring them back."""
    return StorageError(
        f"students were forgotten in this store, and its list of them is not there: {path}",
        hint=f"restore {ERASED} from a copy of the store; nothing is scored without it",
    )


def _was_rewritten(root: Path) -> bool:
    """Whether the manifest of any run says that a student was taken out; the bytes alone, so that damage hides none."""
    return any(_REWRITTEN in path.read_bytes() for path in root.glob("runs/*/*/manifest.json"))


def write_erased(root: Path, erased: ErasedStudents) -> None:
    """Put the list into a store, readable by its owner alone."""
    content = json_bytes({"format": 1, "salt": erased.salt, "students": sorted(erased.digests)})
    with disk_errors(root / ERASED, "write"):
        replace_durably(root / ERASED, content, mode=_PRIVATE)
