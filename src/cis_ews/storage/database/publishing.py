"""A run becomes the current flags of its districts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl
from sqlalchemy import Connection, delete, insert, update

from cis_ews.errors import StorageError
from cis_ews.storage.cases import NightRule
from cis_ews.storage.database import tables
from cis_ews.storage.database.bulk import insert_frame, insert_rows
from cis_ews.storage.database.case_nights import follow_night
from cis_ews.storage.database.groups import keep_groups
from cis_ews.storage.database.history import keep_changes
from cis_ews.storage.database.records import RecordSource
from cis_ews.storage.database.replacing import clear, replace_scores, retire
from cis_ews.storage.database.rows import PublishReport
from cis_ews.storage.database.staging import Current, Staged, current_runs, stage
from cis_ews.storage.pages import GroupRule
from cis_ews.storage.people_blocks import Block, NamesAndReasons, PeopleSource
from cis_ews.storage.runs import Run
from cis_ews.wording import counted


@dataclass(frozen=True, slots=True)
class _Night:
    """A run with its scores by district, and what becomes of it in each district."""

    run: Run
    scores: pl.DataFrame
    report: PublishReport
    staged: Staged
    rule: NightRule | None = None
    groups: GroupRule | None = None

    @property
    def published_at(self) -> datetime:
        """That of the scores that changed, so that whoever asks for what changed since finds them."""
        return self.staged.moment

    @property
    def is_everyone(self) -> bool:
        """Whether no other district has flags."""
        return self.staged.current.keys() <= set(self.report.published)


def stage_scores(
    connection: Connection, scores: pl.DataFrame, *, run_id: str, as_of: date, schools: pl.DataFrame, folder: Path
) -> Staged:
    """The scores of a run ready for its publish, in the districts in which it would become current now."""
    placed = _placed(scores, schools)
    districts = _report(current_runs(connection), placed, run_id=run_id, as_of=as_of).published
    return stage(connection, placed, districts=districts, folder=folder)


def publish_run(
    connection: Connection,
    run: Run,
    *,
    schools: pl.DataFrame,
    students: pl.DataFrame | pl.LazyFrame | PeopleSource,
    records: RecordSource | None,
    rule: NightRule | None = None,
    groups: GroupRule | None = None,
    staged: Staged | None = None,
) -> PublishReport:
    """Make a run current in each district that has a score in it, unless the district has a newer as-of date.

    `staged`: what `stage_scores` made of its scores; made again here where the database has changed since.
    """
    scores, current = _placed(run.table("scores"), schools), current_runs(connection)
    report = _report(current, scores, run_id=run.run_id, as_of=run.as_of)
    districts = report.published
    if staged is None or not staged.holds(connection):
        staged = stage(connection, scores, districts=districts)
    night = _Night(run, scores, report, staged, rule=rule, groups=groups)
    _record_run(connection, night)
    _record_districts(connection, night)
    if districts:
        # What the database is not asked for is made beside what it is.
        with ThreadPoolExecutor(1) as beside:
            if isinstance(students, (pl.DataFrame, pl.LazyFrame)):
                places = schools.select("school_id", "district_id")
                students = NamesAndReasons(run, students.lazy(), places, records)
            blocks = beside.submit(students.blocks, districts)
            _replace(connection, night, schools, blocks=blocks, records=records)
    return night.report


def _replace(
    connection: Connection,
    night: _Night,
    schools: pl.DataFrame,
    *,
    blocks: Future[Iterable[Block]],
    records: RecordSource | None,
) -> None:
    districts, is_everyone = night.report.published, night.is_everyone
    is_published = pl.col("district_id").is_in(districts)
    ready = night.staged
    for table in (tables.schools, tables.students, tables.student_records, tables.group_counts):
        clear(connection, table, districts, is_everyone=is_everyone)
    insert_frame(connection, tables.schools, _sorted(schools.filter(is_published)))
    old = replace_scores(
        connection, ready.scores, districts=districts, is_everyone=is_everyone, is_aside=ready.aside is not None
    )
    insert_rows(connection, tables.students, blocks.result())
    if records is not None:
        insert_rows(connection, tables.student_records, records.blocks(districts))
    keep_changes(connection, night.run, schools, districts=districts)
    if night.rule is not None:
        follow_night(connection, districts, rule=night.rule, now=night.published_at)
    if night.groups is not None:
        keep_groups(connection, night.scores.filter(is_published), districts=districts, rule=night.groups)
    retire(connection, old, districts)


def _placed(scores: pl.DataFrame, schools: pl.DataFrame) -> pl.DataFrame:
    """The scores with the district of each."""
    places = schools.select("school_id", "district_id")
    placed = scores.join(places, on="school_id", how="left", maintain_order="left")
    if unknown := placed["district_id"].null_count():
        raise StorageError(
            f"{counted(unknown, 'score is', 'scores are')} of schools that the school data do not have",
            hint="publish a run with the school data it was made from",
        )
    return placed


def _report(current: Current, scores: pl.DataFrame, *, run_id: str, as_of: date) -> PublishReport:
    """What becomes of a run in each of its districts."""
    outcomes: dict[str, list[str]] = {"published": [], "unchanged": [], "kept_newer": []}
    for district in sorted(scores["district_id"].unique()):
        run_there, day_there = current.get(district, (None, as_of))
        outcome = "unchanged" if run_there == run_id else "kept_newer" if day_there > as_of else "published"
        outcomes[outcome].append(district)
    return PublishReport(run_id=run_id, **{name: tuple(found) for name, found in outcomes.items()})


def _record_run(connection: Connection, night: _Night) -> None:
    """The run's own row: new, or brought up to date where erasure has rewritten the run."""
    run, manifest = night.run, night.run.manifest
    values = {
        "as_of": run.as_of,
        "created_at": datetime.fromisoformat(run.statement("timings")["created_at"]),
        "model_version": run.model_version,
        "path": f"runs/{manifest['as_of']}/{run.run_id}",
        "manifest_sha256": run.manifest_sha256,
        **manifest["counts"],
    }
    known = update(tables.runs).where(tables.runs.c.run_id == run.run_id).values(values)
    if connection.execute(known).rowcount == 0:
        connection.execute(insert(tables.runs).values(run_id=run.run_id, **values))


def _record_districts(connection: Connection, night: _Night) -> None:
    """The run's row in each district; current where it is published, and the one before is so no more."""
    table, report = tables.run_districts, night.report
    listed = (*report.published, *report.kept_newer)
    for district in report.published:
        connection.execute(
            update(table).where(table.c.district_id == district, tables.IS_CURRENT).values(is_current=False)
        )
    connection.execute(delete(table).where(table.c.run_id == night.run.run_id, table.c.district_id.in_(listed)))
    rows = _counts(night.scores, listed).with_columns(
        run_id=pl.lit(night.run.run_id),
        is_current=pl.col("district_id").is_in(report.published),
        published_at=pl.lit(night.published_at, pl.Datetime("us", "UTC")),
    )
    insert_frame(connection, table, rows)


def _counts(scores: pl.DataFrame, districts: Sequence[str]) -> pl.DataFrame:
    tiers = {f"tier_{number}": (pl.col("tier") == number).sum() for number in (1, 2, 3)}
    counted = {"students": pl.len(), **tiers, "not_enough_data": pl.col("tier").null_count()}
    return scores.filter(pl.col("district_id").is_in(districts)).group_by("district_id").agg(**counted)


def _sorted(schools: pl.DataFrame) -> pl.DataFrame:
    known = set(tables.schools.columns.keys())
    return schools.select(name for name in schools.columns if name in known).sort("district_id", "school_id")
