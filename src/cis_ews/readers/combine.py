"""Several sources of one district as one: rosters from one system, absences from another (docs/combine.md).

Each source is read by its own reader, its ids become those of the district, each table is taken from the first source
that has it, and the contract is asked of the whole. Where sources disagree, the precedence decides, and it is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import polars as pl

from cis_ews.calendars import last_calendar_day
from cis_ews.enums import Domain
from cis_ews.errors import EwsError, SchemaError
from cis_ews.readers.base import ReadOptions
from cis_ews.readers.combine_config import CONFIG, CombineConfig, SourceChoice, load_combine
from cis_ews.readers.conflicts import conflicts, found_in_one
from cis_ews.readers.crosswalk import crosswalk_entry, read_crosswalk
from cis_ews.readers.draft import DEFAULT, Draft, with_ledger
from cis_ews.readers.ledger import Ledger
from cis_ews.readers.limits import ReadLimits
from cis_ews.readers.sources import Entry, list_files, open_entry
from cis_ews.readers.unchanged import unchanged
from cis_ews.schema.coverage import known_grades
from cis_ews.schema.parsing import DATE_FORMAT
from cis_ews.schema.rows import check_rows, no_rejections
from cis_ews.schema.school_data import DOMAIN_TABLES, REQUIRED_TABLES, TABLES, SourceFile
from cis_ews.schema.validation import DEFAULT_TOLERANCE, SourceNotes

ReadDraft = Callable[[str, Path, ReadOptions], Draft]
"""Reads a source by the name of its format, or by the path of its TOML."""
FILLED = (*REQUIRED_TABLES, "demographics")  # a table without a row tells nothing here; elsewhere none can be an answer
GRADES = "course_grades"
KINDS_OF = {Domain.ATTENDANCE: "attendance_events", Domain.BEHAVIOR: "incidents"}


def read_combined(path: Path, options: ReadOptions, *, read: ReadDraft) -> Draft:
    """The tables of the sources that the TOML at `path` names.

    Raises ConfigError for a mistake in it, SchemaError where no source has a required table, and the errors of every
    reader, which name the source.
    """
    config = load_combine(path)
    aside = [entry.path for entry in (*_tomls(path, config), *_crosswalks(path, config))]
    with ExitStack() as stack:
        for place in (*aside, *(path.parent / source.path for source in config.sources.values())):
            stack.enter_context(unchanged(place))
        drafts = {
            name: _read_source(name, source, path.parent, options=options, read=read)
            for name, source in config.sources.items()
        }
    return _combined(drafts, config, options, files=_config_files(path, config, options.limits))


def _read_source(name: str, source: SourceChoice, base: Path, *, options: ReadOptions, read: ReadDraft) -> Draft:
    asked = replace(options, tables=frozenset(source.tables))
    try:
        draft = read(_format(base, source), base / source.path, asked)
        ledger, frames = Ledger(), dict(draft.frames)
        for kind, settings in source.ids.items():
            crosswalk = read_crosswalk(base, kind, settings, limits=options.limits)
            ledger.files.append(crosswalk.file)
            frames = crosswalk.laid_over(frames, ledger)
    except EwsError as error:
        # Where the source lies on this machine is in the TOML, for whoever may read that.
        error.message = f"{name}: {error.message.replace(str(base / source.path), source.path)}"
        raise
    return _named(name, with_ledger(replace(draft, frames=frames), ledger))


def _format(base: Path, source: SourceChoice) -> str:
    """The name of a format, or the path of a TOML from here."""
    return str(base / source.format) if source.format.endswith(".toml") else source.format


def _named(name: str, draft: Draft) -> Draft:
    """The draft with the source's name before those of its files."""
    prefix = pl.concat_str(pl.lit(name), pl.lit("/"), pl.col("file").cast(pl.String)).fill_null(name).alias("file")
    source = draft.source
    files = tuple(replace(file, name=_file_name(name, file)) for file in source.files)
    return replace(
        draft,
        frames={
            table: frame.with_columns(prefix if "file" in frame.columns else pl.lit(name).alias("file"))
            for table, frame in draft.frames.items()
        },
        source=replace(
            source,
            files=files,
            rejections=source.rejections.with_columns(prefix),
            left_out={table: f"{name}: {reason}" for table, reason in source.left_out.items()},
            partial={domain: f"{name}: {reason}" for domain, reason in source.partial.items()},
        ),
        calendar_is=draft.calendar_is and f"{name}: {draft.calendar_is}",
    )


def _file_name(name: str, file: SourceFile) -> str:
    return file.name if file.name.startswith(f"{CONFIG}/") else f"{name}/{file.name}"


def _combined(
    drafts: Mapping[str, Draft], config: CombineConfig, options: ReadOptions, *, files: Sequence[SourceFile]
) -> Draft:
    suppliers, notes = _suppliers(drafts, config)
    ledger = Ledger()
    differences = conflicts(drafts, suppliers, as_of=options.as_of)
    for note in (*notes, *differences, *found_in_one(drafts, suppliers["students"])):
        ledger.note(note)
    chosen = {table: drafts[name] for table, name in suppliers.items()}
    frames = {table: draft.frames[table] for table, draft in chosen.items()}
    if GRADES in chosen and chosen[GRADES] is not chosen["calendar_days"]:
        frames[GRADES] = _dated(chosen[GRADES], frames["calendar_days"], ledger)
    for name, draft in drafts.items():
        for note in _notes_of(name, draft, suppliers):
            ledger.note(note)
    return Draft(
        frames=frames,
        source=SourceNotes(
            files=(*files, *dict.fromkeys(file for draft in drafts.values() for file in draft.source.files)),
            notes=tuple(ledger.notes),
            rejections=pl.concat(
                [no_rejections()]
                + [draft.source.rejections.filter(pl.col("table") == table) for table, draft in chosen.items()]
            ),
            reduced={
                table: draft.source.reduced[table] for table, draft in chosen.items() if table in draft.source.reduced
            },
            later={table: draft.source.later[table] for table, draft in chosen.items() if table in draft.source.later},
            left_out=_left_out(drafts, config, suppliers),
            partial=_partial(drafts, suppliers),
            missing_kinds={
                domain: chosen[table].source.missing_kinds.get(domain, ())
                for domain, table in KINDS_OF.items()
                if table in chosen
            },
        ),
        tolerances={
            table: draft.tolerances.get(table, draft.tolerances.get(DEFAULT, DEFAULT_TOLERANCE))
            for table, draft in chosen.items()
        },
        lists_everyone=chosen["students"].lists_everyone,
        without_school=tuple(table for table, draft in chosen.items() if table in draft.without_school),
        calendar_is=chosen["calendar_days"].calendar_is,
    )


def _suppliers(drafts: Mapping[str, Draft], config: CombineConfig) -> tuple[dict[str, str], list[str]]:
    """Table -> the source that it is taken from; and sentences that say so. Raises SchemaError where none has one."""
    found: dict[str, str] = {}
    notes: list[str] = []
    for table in TABLES:
        order = config.order(table)
        has_it = [name for name in order if _has(drafts[name], table)]
        if has_it:
            found[table] = has_it[0]
        if has_it and has_it[0] != order[0]:
            notes.append(f"{table}: {order[0]} has none that can be used; taken from {has_it[0]}")
    missing = [f"{table} ({', '.join(config.order(table))})" for table in REQUIRED_TABLES if table not in found]
    if missing:
        raise SchemaError(
            f"tables that none of their sources has: {', '.join(missing)}",
            hint="export them, or name another source under `tables`",
            tables=[table for table in REQUIRED_TABLES if table not in found],
        )
    by_source = {name: [table for table, supplier in found.items() if supplier == name] for name in drafts}
    said = [f"{name} supplies {', '.join(tables) or 'no table'}" for name, tables in by_source.items()]
    return found, [*said, *notes]


def _has(draft: Draft, table: str) -> bool:
    if table not in draft.frames or table in draft.source.left_out:
        return False
    return table not in FILLED or not draft.frames[table].is_empty()


def _left_out(drafts: Mapping[str, Draft], config: CombineConfig, suppliers: Mapping[str, str]) -> dict[str, str]:
    """Optional tables that were asked of sources and that none of them has: why."""
    asked = {table: config.order(table) for table in TABLES if table not in suppliers}
    return {
        table: "; ".join(
            drafts[name].source.left_out.get(table, f"{name}: the source has no {table}") for name in order
        )
        for table, order in asked.items()
        if order
    }


def _partial(drafts: Mapping[str, Draft], suppliers: Mapping[str, str]) -> dict[str, str]:
    partial: dict[str, str] = {}
    for domain, tables in DOMAIN_TABLES.items():
        names = dict.fromkeys(suppliers[table] for table in tables if table in suppliers)
        reasons = [drafts[name].source.partial[domain] for name in names if domain in drafts[name].source.partial]
        if reasons:
            partial[domain] = "; ".join(reasons)
    return partial


def _dated(draft: Draft, calendar: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """The grades of a source beside the calendar of another one, which may not know their terms.

    A grade without a date is known from the last day of its term in its own source's calendar, where there is one, if
    the other calendar reaches that day.
    """
    grades = draft.frames[GRADES]
    if "calendar_days" not in draft.frames:
        return grades
    schema = TABLES["calendar_days"]
    own, other = (check_rows("calendar_days", schema, days).rows for days in (draft.frames["calendar_days"], calendar))
    days = pl.col("graded_on") if "graded_on" in grades.columns else pl.lit(None)
    said = grades.with_columns(days.cast(pl.String).alias("graded_on")).get_column("graded_on")
    asked = grades.select(
        pl.col("school_id", "term").cast(pl.String),
        pl.col("school_year").cast(pl.Int16, strict=False),
        pl.lit(None, dtype=pl.Date).alias("graded_on"),
    )
    known_on = known_grades(asked, own).get_column("graded_on")
    is_open = (said.str.strip_chars().fill_null("") == "") & (known_on <= last_calendar_day(other))
    is_open = is_open.fill_null(value=False)
    day = pl.select(pl.when(is_open).then(known_on.dt.to_string(DATE_FORMAT)).otherwise(said)).to_series()
    count = int(is_open.sum())
    ledger.note(f"{GRADES}: {count:,} without a date are known from the end of their term in their own source", count)
    return grades.with_columns(day.alias("graded_on"))


def _notes_of(name: str, draft: Draft, suppliers: Mapping[str, str]) -> list[str]:
    """What a source notes, but for what it notes of tables that are taken from another one."""
    aside = tuple(f"{table}: " for table in TABLES if suppliers.get(table) != name)
    return [f"{name}: {note}" for note in draft.source.notes if not note.startswith(aside)]


def _config_files(path: Path, config: CombineConfig, limits: ReadLimits) -> list[SourceFile]:
    """The TOMLs with their hashes: what they say decides as much as the sources do."""
    found: list[SourceFile] = []
    for entry in _tomls(path, config):
        with open_entry(entry, limits) as opened:
            found.append(SourceFile(table="configuration", name=entry.name, sha256=opened.sha256(), rows=0))
    return found


def _tomls(path: Path, config: CombineConfig) -> list[Entry]:
    formats = dict.fromkeys(each.format for each in config.sources.values() if each.format.endswith(".toml"))
    named = [(path.name, path), *((name, path.parent / name) for name in formats)]
    return [Entry(f"{CONFIG}/{name}", place) for name, place in named]


def _crosswalks(path: Path, config: CombineConfig) -> list[Entry]:
    return [crosswalk_entry(path.parent, each) for source in config.sources.values() for each in source.ids.values()]


def files_of_combination(path: Path, limits: ReadLimits) -> dict[str, Entry]:
    """Every file that the combination at `path` may read, by the name that a run has it under; those that are there."""
    config, base = load_combine(path), path.parent
    aside = (*_tomls(path, config), *_crosswalks(path, config))
    found = {entry.name: entry for entry in aside if entry.path.is_file()}
    for name, source in config.sources.items():
        place = base / source.path
        if place.exists():
            found |= {f"{name}/{entry_name}": entry for entry_name, entry in files_below(place, limits).items()}
    return found


def files_below(place: Path, limits: ReadLimits) -> dict[str, Entry]:
    """The files of a folder or an archive by their names there."""
    return {entry.name: entry for entry in list_files(place, limits)}
