"""The file of a model: one JSON text with a seal over all the rest. Text and numbers, never code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from cis_ews.errors import ModelError, ModelNotFoundError
from cis_ews.storage.files import disk_errors, json_bytes, replace_durably

FORMAT = "cis_ews risk model"
FORMAT_VERSION = 1
TABLES_SUFFIX = ".shap"
"""Of the file beside a model's own that holds the tables for its contributions."""
_RESTORE = "restore the file from a copy, or fit the model anew"
_NO_CODE = "a model is one JSON file of text and numbers, made by RiskModel.save"
# How pickles (protocol 2 and later), zip files (torch, joblib) and compressed pickles begin.
_CODE = (b"\x80", b"PK\x03\x04", b"\x1f\x8b", b"\x78\x9c")
_CODE_SUFFIXES = (".pkl", ".pickle", ".joblib", ".pt", ".skops")


def sealed(content: dict[str, object]) -> bytes:
    """The bytes of a model file: the content, its format, and the SHA-256 of both."""
    whole = {**content, "format": FORMAT, "format_version": FORMAT_VERSION}
    return json_bytes({**whole, "seal": _seal(whole)})


def as_kept(content: Mapping[str, object]) -> dict[str, Any]:
    """Values as they come back from a model file. Raises TypeError and ValueError for what JSON cannot hold."""
    return json.loads(json_bytes(dict(content)))


def write_model(path: Path, content: bytes) -> None:
    """Write a model file in one step. Raises StorageError."""
    with disk_errors(path, "write"):
        replace_durably(path, content)


def write_tables(path: Path, content: bytes) -> None:
    """Write the tables of a model beside its file, in one step. Raises StorageError."""
    write_model(_beside(path), content)


def read_tables(path: Path) -> bytes:
    """The tables beside a model's file; nothing where they cannot be read, for they can be made anew."""
    try:
        return _beside(path).read_bytes()
    except OSError:
        return b""


def _beside(path: Path) -> Path:
    return path.with_name(path.name + TABLES_SUFFIX)


def read_model(path: Path) -> dict[str, Any]:
    """The content of a model file. Raises ModelNotFoundError and ModelError."""
    return _opened(_bytes(path), path)


def _bytes(path: Path) -> bytes:
    if path.is_dir():
        raise ModelError(f"{path.name} is a folder, not a model", hint=_NO_CODE)
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise ModelNotFoundError(f"there is no model {path.name}", hint="check the path") from None
    except OSError as error:
        raise ModelError(f"{path.name} cannot be read: {error.strerror}", hint="check the path") from None


def _opened(content: bytes, path: Path) -> dict[str, Any]:
    if content.startswith(_CODE) or path.suffix.lower() in _CODE_SUFFIXES:
        raise ModelError(f"{path.name} is a pickle or an archive, which can run code, and is refused", hint=_NO_CODE)
    if not content.strip():
        raise ModelError(f"{path.name} is empty", hint=_RESTORE)
    said = _parsed(content, path)
    if not isinstance(said, dict) or cast("dict[str, Any]", said).get("format") != FORMAT:
        raise ModelError(f"{path.name} is JSON, but no model of this package", hint=_NO_CODE)
    whole = cast("dict[str, Any]", said)
    if whole.get("format_version") != FORMAT_VERSION:
        raise ModelError(
            f"{path.name} has another format than {FORMAT_VERSION}, which this version reads",
            hint="use the version of cis_ews that made it, or fit the model anew",
        )
    # Compared as bytes: another spelling of the same values was not written by us either.
    if content != sealed({key: value for key, value in whole.items() if key != "seal"}):
        raise ModelError(f"{path.name} was changed after it was written: its seal does not fit", hint=_RESTORE)
    return whole


def _parsed(content: bytes, path: Path) -> object:
    try:
        said = json.loads(content)
        json_bytes(said)
    except (ValueError, RecursionError):
        raise ModelError(f"{path.name} is no whole JSON file: cut, damaged, or never a model", hint=_RESTORE) from None
    return said


def _seal(whole: dict[str, object]) -> str:
    return hashlib.sha256(json_bytes(whole)).hexdigest()
