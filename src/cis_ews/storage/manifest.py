"""The manifest of a run: what went in, what came out, and the hash of every file. No clock, no path, no process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from cis_ews.schema.school_data import SourceFile
from cis_ews.storage.files import json_bytes, sha256_of

MANIFEST = "manifest.json"
TIMINGS = "timings.json"
COVERAGE = "coverage.json"
FORMAT = 1
RUN_ID_LENGTH = 16
PACKAGES = ("cis_ews", "dataframely", "lightgbm", "numba", "numpy", "polars", "pyarrow", "scikit-learn", "scipy")

Manifest = Mapping[str, Any]


def run_id_for(
    *, inputs: Sequence[SourceFile], config_hash: str, model_version: str, as_of: date, version: str | None = None
) -> str:
    """The id of the night that these inputs, this configuration, this model and this date make: 16 hex digits.

    `version`: the version of cis_ews; the installed one if None.
    """
    identity = {
        "inputs": sorted([file.table, file.name, file.sha256] for file in inputs),
        "config_sha256": config_hash,
        "model_version": model_version,
        "as_of": as_of.isoformat(),
        "cis_ews": version or package_versions()["cis_ews"],
    }
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:RUN_ID_LENGTH]


def run_id_of(manifest: Manifest) -> str:
    """The id that a manifest's own statements make; a manifest that was tampered with makes another one."""
    return run_id_for(
        inputs=[SourceFile(**file) for file in manifest["inputs"]],
        config_hash=manifest["config_sha256"],
        model_version=manifest["model_version"],
        as_of=date.fromisoformat(manifest["as_of"]),
        version=manifest["versions"]["cis_ews"],
    )


def sealed(manifest: Manifest) -> dict[str, Any]:
    """The manifest with `seal`, the SHA-256 of all the rest, so that a change of any word in it is noticed."""
    rest = {name: value for name, value in manifest.items() if name != "seal"}
    return {**rest, "seal": hashlib.sha256(json_bytes(rest)).hexdigest()}


def is_genuine(manifest: Manifest, run_id: str) -> bool:
    """Whether a manifest is as it was sealed, and of the run that it lies in."""
    try:
        return sealed(manifest) == manifest and run_id == manifest["run_id"] == run_id_of(manifest)
    except (KeyError, TypeError, ValueError):
        return False


def package_versions() -> dict[str, str]:
    """Versions of the packages that shape the numbers."""
    return {name: version(name) for name in PACKAGES}


def described_inputs(inputs: Sequence[SourceFile]) -> list[dict[str, object]]:
    """The inputs as the manifest lists them, sorted."""
    return [asdict(file) for file in sorted(inputs, key=lambda file: (file.table, file.name, file.sha256))]


def described_files(folder: Path) -> dict[str, dict[str, object]]:
    """SHA-256 and size of every file of a run but the manifest itself and the timings."""
    files = sorted(path for path in folder.iterdir() if path.name not in (MANIFEST, TIMINGS))
    return {path.name: {"sha256": sha256_of(path), "bytes": path.stat().st_size} for path in files}


def counts_of(scores: pl.DataFrame) -> dict[str, int]:
    """Students scored, by tier, and those without enough data."""
    tier = scores["tier"]
    tiers = {f"tier_{number}": int((tier == number).sum()) for number in (1, 2, 3)}
    return {"students": scores.height, **tiers, "not_enough_data": tier.null_count()}
