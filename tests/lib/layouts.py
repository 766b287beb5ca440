"""Who writes a district in each format of several files that the command line reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from tests.lib import edfi
from tests.lib.cedars import cedars_of, write_cedars
from tests.lib.combined import write_combined
from tests.lib.oneroster import package_of, write_package

LAYOUTS: Mapping[str, Callable[[Path, Mapping[str, pl.DataFrame]], Path]] = {
    "oneroster": lambda folder, tables: write_package(folder, package_of(tables)),
    "cedars": lambda folder, tables: write_cedars(folder, cedars_of(tables)),
    "edfi": lambda folder, tables: edfi.write_package(folder, edfi.package_of(tables)),
    "combine": write_combined,
}
