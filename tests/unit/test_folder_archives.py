"""Archives come from outside: paths that climb out, links, passwords, lies, and bombs."""

from __future__ import annotations

import gzip
import io
import stat
import time
import zipfile
from pathlib import Path

import pytest

from cis_ews.errors import ReadError
from cis_ews.readers import ReadLimits, read_school_data
from cis_ews.readers.limits import BoundedReader
from tests.lib.dirt import clean_frames, gzip_bomb, write_plain, zip_bomb, zip_of

TEN_GIGABYTES = 10 * 2**30
LINE = b"MARKERID000,north,2025-09-05,unexcused,1.0\n"


def _members(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in write_plain(folder).glob("*.csv")}


@pytest.mark.parametrize(
    "name", ["../students.csv", "a/../../students.csv", "/etc/students.csv", "C:\\students.csv", "..\\students.csv"]
)
def test_a_path_that_climbs_out_is_refused(tmp_path: Path, name: str) -> None:
    source = zip_of(tmp_path / "x.zip", {**_members(tmp_path / "plain"), name: b"student_id\n"})
    with pytest.raises(ReadError, match=r"x\.zip: 1 file of the archive has a path that climbs out"):
        read_school_data(source)


def test_nothing_of_an_archive_is_written_to_disk(tmp_path: Path) -> None:
    source = zip_of(tmp_path / "in" / "x.zip", _members(tmp_path / "in")) if (tmp_path / "in").mkdir() is None else None
    before = sorted(path.name for path in tmp_path.rglob("*"))
    assert source is not None
    read_school_data(source)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    source = zip_of(tmp_path / "x.zip", _members(tmp_path / "plain"))
    link = zipfile.ZipInfo("supports.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ReadError, match="1 file of the archive"):
        read_school_data(source)


def test_the_same_file_twice_in_an_archive(tmp_path: Path) -> None:
    source = zip_of(tmp_path / "x.zip", _members(tmp_path / "plain"))
    with zipfile.ZipFile(source, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("students.csv", "student_id\n")
    with pytest.raises(ReadError, match="the archive holds a file twice"):
        read_school_data(source)


def test_an_archive_inside_an_archive(tmp_path: Path) -> None:
    inner = zip_of(tmp_path / "students.zip", {"students.csv": b"student_id\n"}).read_bytes()
    members = _members(tmp_path / "plain")
    del members["students.csv"]
    source = zip_of(tmp_path / "x.zip", {**members, "students.zip": inner})
    with pytest.raises(ReadError, match="an archive inside an archive"):
        read_school_data(source)


def test_too_many_files_in_an_archive(tmp_path: Path) -> None:
    source = zip_of(tmp_path / "x.zip", _members(tmp_path / "plain"))
    with pytest.raises(ReadError, match="the archive holds 10 files"):
        read_school_data(source, limits=ReadLimits(max_members=9))


@pytest.mark.parametrize("keep", [50, 2000])
def test_an_archive_that_was_cut_off(tmp_path: Path, keep: int) -> None:
    source = zip_of(tmp_path / "x.zip", _members(tmp_path / "plain"))
    source.write_bytes(source.read_bytes()[:-keep])
    with pytest.raises(ReadError, match="no whole zip archive"):
        read_school_data(source)


def test_a_member_that_does_not_match_its_checksum(tmp_path: Path) -> None:
    source = tmp_path / "x.zip"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_STORED) as archive:
        for name, data in _members(tmp_path / "plain").items():
            archive.writestr(name, data)
    source.write_bytes(source.read_bytes().replace(b"MARKERID007", b"MARKERID008"))
    with pytest.raises(ReadError, match="the file is damaged or cut off"):
        read_school_data(source)


def test_a_gzip_file_that_was_cut_off(tmp_path: Path) -> None:
    data = gzip.compress((write_plain(tmp_path) / "students.csv").read_bytes())
    (tmp_path / "students.csv").unlink()
    (tmp_path / "students.csv.gz").write_bytes(data[:-20])
    with pytest.raises(ReadError, match=r"students\.csv\.gz: the file is damaged or cut off"):
        read_school_data(tmp_path)


def test_a_gzip_bomb_of_ten_gigabytes_is_refused_long_before_it_has_gone_off(tmp_path: Path) -> None:
    (write_plain(tmp_path) / "attendance_events.csv").unlink()
    bomb = tmp_path / "attendance_events.csv.gz"
    gzip_bomb(bomb, line=LINE, unpacked=TEN_GIGABYTES)
    assert bomb.stat().st_size < TEN_GIGABYTES / 200
    started = time.monotonic()
    with pytest.raises(ReadError, match=r"attendance_events\.csv\.gz: unpacks to more than 100 times its size"):
        read_school_data(tmp_path)
    assert time.monotonic() - started < 60


def test_a_zip_bomb_of_ten_gigabytes_is_refused_long_before_it_has_gone_off(tmp_path: Path) -> None:
    (write_plain(tmp_path) / "attendance_events.csv").unlink()
    zip_bomb(tmp_path / "attendance_events.zip", "attendance_events.csv", line=LINE, unpacked=TEN_GIGABYTES)
    with pytest.raises(ReadError, match=r"attendance_events\.zip/.*\.csv: unpacks to more than 100 times"):
        read_school_data(tmp_path)


def test_a_bomb_is_one_whole_extract(tmp_path: Path) -> None:
    zip_bomb(tmp_path / "x.zip", "students.csv", line=LINE, unpacked=TEN_GIGABYTES)
    source = tmp_path / "x.zip"
    with zipfile.ZipFile(source, "a") as archive:
        for name, data in _members(tmp_path / "plain").items():
            if name != "students.csv":
                archive.writestr(name, data)
    with pytest.raises(ReadError, match=r"students\.csv: unpacks to more than"):
        read_school_data(source)


def test_the_limit_on_size_is_configurable(tmp_path: Path) -> None:
    source = zip_of(tmp_path / "x.zip", _members(tmp_path / "plain"))
    assert read_school_data(source).students.height == 40
    with pytest.raises(ReadError, match="unpacks to more than 0 MiB"):
        read_school_data(source, limits=ReadLimits(max_unpacked_bytes=1000))


def test_the_limit_on_parquet_rows_is_configurable(tmp_path: Path) -> None:
    (write_plain(tmp_path) / "students.csv").unlink()
    clean_frames()["students"].write_parquet(tmp_path / "students.parquet")
    with pytest.raises(ReadError, match=r"students\.parquet: 40 rows"):
        read_school_data(tmp_path, limits=ReadLimits(max_rows=39))


@pytest.mark.parametrize("size", [-1, 10, 64])
def test_a_bounded_stream_gives_all_that_is_allowed_and_stops_there(size: int) -> None:
    limits = ReadLimits(max_unpacked_bytes=100, ratio_after_bytes=10**9)
    allowed = BoundedReader(io.BytesIO(b"x" * 100), name="x", consumed=lambda: 1, limits=limits)
    assert b"".join(iter(lambda: allowed.read(size), b"")) == b"x" * 100
    beyond = BoundedReader(io.BytesIO(b"x" * 101), name="x", consumed=lambda: 1, limits=limits)
    with pytest.raises(ReadError):
        b"".join(iter(lambda: beyond.read(size), b""))
