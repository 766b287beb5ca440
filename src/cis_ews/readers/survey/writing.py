"""A survey as a mapping TOML: what differs from the defaults, with its reasons and questions in comments beside it."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from glob import escape
from itertools import takewhile

from cis_ews.readers.codes import Plain
from cis_ews.readers.survey.findings import LIKELY, SURE, Codes, Reading, Survey, TableReading, in_words
from cis_ews.readers.survey.values import columns_of
from cis_ews.wording import counted

WIDTH = 116
QUESTION = "QUESTION: "
ANSWER = '"?"'
_BARE = re.compile(r"[A-Za-z0-9_-]+")
MANY_FILES = 3
UNUSED = 40


def toml_of(survey: Survey, *, command: str) -> str:
    """The mapping as TOML. `command`: what to run after it was read and edited."""
    lines = [
        *_comment(f"A first mapping of {survey.name}, made from a sample of its files. Nobody has looked at it yet."),
        *_comment(
            f"Read it through, answer what begins with {QUESTION.strip()} and what is {ANSWER}, then run the command "
            "below. Every key is explained in docs/formats.md, the words behind each line in docs/mapping.md: "
            f"sure is {SURE:.2f} or more, likely {LIKELY:.2f}, a guess less."
        ),
        f"#     {_plain(command)}",
        "config_version = 1",
        f"name = {_value(survey.name)}",
        *_missing(survey),
    ]
    for table in survey.tables:
        lines += ["", *_table(table)]
    return "\n".join([*lines, *_left(survey), ""])


def _missing(survey: Survey) -> Iterator[str]:
    if survey.known_as:
        yield ""
        yield from _comment(f"{QUESTION}this looks like {survey.known_as}. That needs no mapping: is it one?")
    if survey.derived:
        yield ""
        yield from _comment("Its files have no such tables; as presence is on record, they are derived from it.")
        yield "[derive]"
        yield f"tables = {_value(survey.derived)}"
        if "schools" in survey.derived:
            yield f"# district_id = {ANSWER}  # the district's own code or the state's"
    for table, needed in survey.missing.items():
        yield ""
        yield from _comment(f"{QUESTION}nothing looks like {table}. Needed is {needed}.")
        yield f"# [tables.{table}]"
        yield f"# files = [{ANSWER}]"
    for table, needed in survey.untold.items():
        yield ""
        yield from _comment(f"Nothing looks like {table}, so nothing is known of it. It would be {needed}.")
        yield f"# [tables.{table}]"
        yield f"# files = [{ANSWER}]"


def _table(table: TableReading) -> Iterator[str]:
    lines = [*_head(table), *_columns(table), *_constants(table)]
    for column, codes in table.codes.items():
        lines += _codes(table, column, codes)
    lines += [*_defaults(table), *_factors(table)]
    if table.is_held_back:
        lacks = ", ".join(table.open)
        yield from _comment(f"Held back, as nothing was found for {lacks}: answer that and take each line's # away.")
        lines = [*(f"# {line}".rstrip() for line in lines), ""]
    yield from lines
    yield from _unused(table)


def _head(table: TableReading) -> Iterator[str]:
    sampled = f"{counted(table.rows, 'row')}" + ("" if table.is_whole else " in the sample")
    yield f"[tables.{table.table}]"
    yield from _question(table.questions.get("files"))
    yield from _line(f"files = {_value(_patterns(table.files))}", [_how(table.score), sampled, *table.reasons])
    for key, (value, why) in table.settings.items():
        yield from _question(table.questions.get(key))
        yield from _line(f"{key} = {_value(value)}", [why])


def _columns(table: TableReading) -> Iterator[str]:
    yield ""
    yield f"[tables.{table.table}.columns]"
    readings = {reading.column: reading for reading in table.columns}
    for column in columns_of(table.table):
        if column in readings:
            yield from _column(readings[column])
        elif column in table.open and column != "district_id":
            yield f"# {column} = {ANSWER}  # {table.open[column]}"
        elif column not in table.constants:
            yield from _question(table.questions.get(column))


def _column(reading: Reading) -> Iterator[str]:
    yield from _question(reading.question)
    yield from _line(f"{reading.column} = {_value(reading.heading)}", [_how(reading.score), *reading.reasons])


def _constants(table: TableReading) -> Iterator[str]:
    is_asked = "district_id" in table.open
    if table.constants or is_asked:
        yield ""
        yield f"[tables.{table.table}.constants]"
    for column, (value, why) in table.constants.items():
        yield from _question(table.questions.get(column))
        yield from _line(f"{column} = {_value(value)}", [why])
    if is_asked:
        yield f"# district_id = {ANSWER}  # {table.open['district_id']}"


def _defaults(table: TableReading) -> Iterator[str]:
    if table.defaults:
        yield ""
        yield f"[tables.{table.table}.defaults]"
    for column, (value, why) in table.defaults.items():
        yield from _line(f"{column} = {_value(value)}", [why])


def _factors(table: TableReading) -> Iterator[str]:
    if table.factors:
        yield ""
        yield f"[tables.{table.table}.factors]"
    for column, (factor, question) in table.factors.items():
        yield f"# {column} = {factor}  # {QUESTION}{question}"


def _codes(table: TableReading, column: str, codes: Codes) -> Iterator[str]:
    yield ""
    yield f"[tables.{table.table}.codes.{column}]"
    dtype = columns_of(table.table)[column].dtype
    words = ", ".join(str(each) for each in getattr(dtype, "categories", ())) or "a value of the contract"
    for code, value in codes.known.items():
        question = codes.questions.get(code)
        yield f"{_key(code)} = {_value(value)}" + (f"  # {QUESTION}{question}" if question else "")
    for code, rows in codes.open.items():
        yield f"# {_key(code)} = {ANSWER}  # {QUESTION}{counted(rows, 'row')} in the sample; one of {words}"
    if codes.hidden:
        yield from _comment(
            f"{QUESTION}{counted(codes.hidden, 'further value')} that may be personal and are not shown: "
            "add those that are codes"
        )


def _unused(table: TableReading) -> Iterator[str]:
    count = len(table.unused) + len(table.hidden)
    if not count:
        return
    named = ", ".join(table.unused[:UNUSED]) + (", ..." if len(table.unused) > UNUSED else "")
    places = ", ".join(map(str, table.hidden[:UNUSED]))
    parts = [
        f"Not used: {counted(count, 'column')} of these files" + (f": {named}" if named else ""),
        f"headings that are no words known here are not shown: number {places}" if places else "",
    ]
    yield from _comment("; ".join(part for part in parts if part))


def _left(survey: Survey) -> Iterator[str]:
    count = len(survey.unmatched) + survey.unnamed
    if count or survey.passed:
        yield ""
    if count:
        named = ", ".join(survey.unmatched[:UNUSED])
        yield from _comment(
            f"{counted(count, 'file')} taken for no table"
            + (f": {named}" if named else "")
            + (f"; {survey.unnamed:,} of them not named here" if survey.unnamed else "")
        )
    for why, passed in survey.passed.items():
        yield from _comment(f"{counted(passed, 'file')} not looked into: {why}")


def _how(score: float) -> str:
    return f"{in_words(score)} {score:.2f}"


def _question(text: str | None) -> Iterator[str]:
    if text:
        yield from _comment(f"{QUESTION}{text}")


def _line(code: str, remarks: Sequence[str]) -> Iterator[str]:
    """A line with its remark behind it, or before it where both are too long for one."""
    remark = _plain("; ".join(each for each in remarks if each))
    if len(code) + len(remark) + 4 <= WIDTH:
        yield f"{code}  # {remark}"
    else:
        yield from _comment(remark)
        yield code


def _comment(text: str) -> list[str]:
    return textwrap.wrap(
        _plain(text),
        WIDTH,
        initial_indent="# ",
        subsequent_indent="#   ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _patterns(files: Sequence[str]) -> tuple[str, ...]:
    """The files by name; many by what all names begin and end with, so that the next of their kind is read as well."""
    begin, end = _shared(files), _shared([each[::-1] for each in files])[::-1]
    if len(files) > MANY_FILES and begin and "." in end and all(len(each) > len(begin + end) for each in files):
        return (f"{escape(begin)}*{escape(end)}",)
    return tuple(escape(each) for each in files)


def _shared(names: Sequence[str]) -> str:
    """What all of these begin with."""
    together = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    return "".join(letters[0] for letters in together)


def _key(code: str) -> str:
    return code if _BARE.fullmatch(code) else _value(code)


def _value(value: Plain | Sequence[str]) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Sequence):
        return f"[{', '.join(_value(each) for each in value)}]"
    return json.dumps(value)


def as_dict(survey: Survey) -> dict[str, object]:
    """The survey for programs: by table its files, columns with confidence and reasons, what is open and asked."""
    return {
        "source": survey.name,
        "tables": {table.table: _table_dict(table) for table in survey.tables},
        "missing": dict(survey.missing),
        "untold": dict(survey.untold),
        "unmatched_files": len(survey.unmatched) + survey.unnamed,
        "passed_over": dict(survey.passed),
        "questions": survey.asked,
    }


def _table_dict(table: TableReading) -> Mapping[str, object]:
    return {
        "files": list(table.files),
        "rows_sampled": table.rows,
        "is_whole": table.is_whole,
        "confidence": table.score,
        "columns": {
            each.column: {"heading": each.heading, "confidence": each.score, "reasons": list(each.reasons)}
            for each in table.columns
        },
        "open": dict(table.open),
        "questions": table.asked,
        "held_back": table.is_held_back,
        "unused_columns": len(table.unused) + len(table.hidden),
    }
