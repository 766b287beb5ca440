"""What is unlike the extract before: tables, schools, columns and codes that came, went or halved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cis_ews.checking.catalog import BY_CODE, DOUBLE, FEWEST, FILLED_LESS, HALF, REJECTED_MORE
from cis_ews.checking.counting import FEWEST_STUDENTS, ColumnCodes
from cis_ews.checking.findings import Finding
from cis_ews.checking.kept import Beside
from cis_ews.checking.summary import Summary
from cis_ews.checking.words import harmless
from cis_ews.schema.school_data import TABLES
from cis_ews.wording import counted

ENROLLMENTS = "enrollments"
RARE = f"fewer than {FEWEST_STUDENTS} students had it then, if any"


def changed(beside: Beside, now: Summary, codes: Mapping[str, ColumnCodes]) -> list[Finding]:
    """What is unlike; nothing where there is nothing to compare with. `codes`: all of this extract."""
    then = beside.summary
    if then is None:
        return []
    if then.extract == now.extract:
        return []
    found = [*_older(beside, then, now), *_tables(then, now), *_schools(then, now)]
    return found if then.is_of_run else [*found, *_school_rows(then, now), *_columns(then, now), *_codes(then, codes)]


def _older(beside: Beside, then: Summary, now: Summary) -> Iterator[Finding]:
    if beside.is_old:
        says = "This extract was checked before, and a newer one since"
    elif then.through and now.through and now.through < then.through:
        says = f"Reported through {now.through}, and through {then.through} then"
    else:
        return
    yield Finding(kind=BY_CODE["EWS122"], says=says, count=1)


def _tables(then: Summary, now: Summary) -> Iterator[Finding]:
    for table in TABLES:
        rows_then, rows = (each.tables.get(table, {}).get("read", 0) for each in (then, now))
        code = _code(rows_then, rows, gone="EWS111", halved="EWS112", doubled="EWS113")
        if code:
            says = f"{counted(rows_then, 'row')} then, {rows:,} now"
            yield Finding(kind=BY_CODE[code], says=says, count=abs(rows - rows_then), table=table)
        elif rows and rows_then:
            yield from _rejections(table, then, now)


def _code(then: int, now: int, *, gone: str, halved: str, doubled: str | None = None) -> str | None:
    if then and not now:
        return gone
    if _is_half(then, now):
        return halved
    if then and now >= DOUBLE * then and now - then >= FEWEST:
        return doubled
    return None


def _rejections(table: str, then: Summary, now: Summary) -> Iterator[Finding]:
    share_then, share = (each.tables[table]["rejected"] / each.tables[table]["read"] for each in (then, now))
    if share - share_then >= REJECTED_MORE:
        says = f"{share_then:.1%} of the rows were rejected then, {share:.1%} now"
        yield Finding(kind=BY_CODE["EWS121"], says=says, count=now.tables[table]["rejected"], table=table)


def _schools(then: Summary, now: Summary) -> Iterator[Finding]:
    for school, name in then.names.items():
        enrolled = then.schools.get(school, {}).get(ENROLLMENTS, 0)
        if school not in now.names:
            says = f"It had {counted(enrolled, 'enrollment')}" if not then.is_of_run else "It is not among the schools"
        elif enrolled and not now.schools.get(school, {}).get(ENROLLMENTS, 0):
            says = f"It had {counted(enrolled, 'enrollment')} and has none"
        else:
            continue
        yield Finding(kind=BY_CODE["EWS114"], says=says, count=enrolled, school_id=school, school=name)
    for school, name in now.names.items():
        if school not in then.names:
            enrolled = now.schools.get(school, {}).get(ENROLLMENTS, 0)
            says = f"It has {counted(enrolled, 'enrollment')}"
            yield Finding(kind=BY_CODE["EWS115"], says=says, count=enrolled, school_id=school, school=name)


def _school_rows(then: Summary, now: Summary) -> Iterator[Finding]:
    """Schools whose rows of a table halved, where the table as a whole did not."""
    for school, rows_then in then.schools.items():
        rows_now = now.schools.get(school, {})
        if school not in now.names or not rows_now.get(ENROLLMENTS):
            continue
        told: dict[str, Any] = {"school_id": school, "school": now.names[school]}
        halved = [table for table, before in rows_then.items() if _is_half(before, rows_now.get(table, 0))]
        # Where its students are gone, so are their rows: it is said once.
        for table in [ENROLLMENTS] if ENROLLMENTS in halved else halved:
            before, rows = rows_then[table], rows_now.get(table, 0)
            if _has_halved(table, then, now):
                continue
            says = f"{counted(before, 'row')} then, {rows:,} now"
            yield Finding(kind=BY_CODE["EWS116"], says=says, count=before - rows, table=table, **told)


def _is_half(then: int, now: int) -> bool:
    return now <= HALF * then and then - now >= FEWEST


def _has_halved(table: str, then: Summary, now: Summary) -> bool:
    rows_then, rows = (each.tables.get(table, {}).get("read", 0) for each in (then, now))
    return _code(rows_then, rows, gone="gone", halved="halved") is not None


def _columns(then: Summary, now: Summary) -> Iterator[Finding]:
    for table, columns in then.filled.items():
        rows_then, rows = then.kept.get(table, 0), now.kept.get(table, 0)
        if not rows_then or not rows:
            continue
        for column, before in columns.items():
            cells = now.filled.get(table, {}).get(column, 0)
            told: dict[str, Any] = {"table": table, "column": column, "count": before - cells}
            shares = f"{before / rows_then:.0%} of the rows had it then, {cells / rows:.0%} now"
            if not cells and before >= FEWEST:
                yield Finding(kind=BY_CODE["EWS117"], says=f"{counted(before, 'cell')} then, none now", **told)
            elif cells / rows <= HALF * before / rows_then and before / rows_then - cells / rows >= FILLED_LESS:
                yield Finding(kind=BY_CODE["EWS118"], says=shares, **told)


def _codes(then: Summary, now: Mapping[str, ColumnCodes]) -> Iterator[Finding]:
    for place in sorted({*then.codes} & {*now}):
        table, _, column = place.partition(".")
        told: dict[str, Any] = {"table": table, "column": column}
        before, codes = then.codes[place], now[place]
        if not before or not codes.present:  # the column came, went, or held no codes
            continue
        # Of a column in which codes were left out, nobody knows which: it may have been this one.
        was_hidden = "" if then.hidden.get(place) == 0 else f"; {RARE}"
        for code in sorted(codes.shown.keys() - before.keys()):
            says = f"{harmless(code)}: {counted(codes.shown[code], 'row')}{was_hidden}"
            yield Finding(kind=BY_CODE["EWS119"], says=says, count=codes.shown[code], code=code, **told)
        for code in sorted(before.keys() - codes.present):
            if before[code] >= FEWEST:
                says = f"{harmless(code)}: {counted(before[code], 'row')} then"
                yield Finding(kind=BY_CODE["EWS120"], says=says, count=before[code], code=code, **told)
