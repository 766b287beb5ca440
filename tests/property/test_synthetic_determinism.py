"""The same arguments give the same bytes: again, in any order of blocks, on any number of threads."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cis_ews.synthetic import write_district
from cis_ews.synthetic.districts import make_world
from cis_ews.synthetic.extract import block_tables
from cis_ews.synthetic.plan import Plan
from cis_ews.synthetic.roster import block_keys
from tests.lib.children import child

ARGUMENTS = st.fixed_dictionaries(
    {
        "students": st.integers(200, 500),
        "years": st.integers(1, 2),
        "seed": st.integers(0, 2**63 - 1),
        "districts": st.integers(1, 2),
        "last_school_year": st.integers(2005, 2030),
        "format": st.sampled_from(["csv", "parquet"]),
        "dirt": st.booleans(),
    }
)


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def written(arguments: dict[str, object]) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        write_district(Path(folder) / "out", **arguments)  # pyright: ignore[reportArgumentType]
        return hashes(Path(folder) / "out")


@given(ARGUMENTS)
def test_the_same_arguments_give_the_same_bytes(arguments: dict[str, object]) -> None:
    assert written(arguments) == written(arguments)


@given(st.integers(0, 2**62))
def test_another_seed_gives_another_district(seed: int) -> None:
    one, other = (written({"students": 200, "years": 1, "seed": each}) for each in (seed, seed + 1))
    # Two small districts may both have no support at all.
    assert {name for name in one if one[name] == other[name]} <= {"supports.csv"}


def test_blocks_do_not_depend_on_each_other() -> None:
    world = make_world(Plan(students=9000, years=2, districts=2, seed=3))
    keys = list(block_keys(world))
    assert len(keys) > 2
    forward = [block_tables(world, key) for key in keys]
    backward = [block_tables(world, key) for key in reversed(keys)][::-1]
    for one, other in zip(forward, backward, strict=True):
        assert all(one[table].equals(other[table]) for table in one)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_number_of_threads_changes_no_byte(tmp_path: Path, kind: str) -> None:
    code = """
import sys
from cis_ews.synthetic import write_district
write_district(sys.argv[1], students=3000, years=2, districts=int(sys.argv[3]), format=sys.argv[2])
"""
    results: list[dict[str, str]] = []
    for threads in ("1", "4"):
        out = tmp_path / threads
        process = child(code, str(out), kind, "1", POLARS_MAX_THREADS=threads, OMP_NUM_THREADS=threads)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        results.append(hashes(out))
    assert results[0] == results[1]
