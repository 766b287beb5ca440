"""The page of `check`, made from its findings and rules: `python -m tests.lib.check_page` writes docs/checking.md."""

from __future__ import annotations

from pathlib import Path

from cis_ews.checking.catalog import KINDS, RULE_HINTS
from cis_ews.checking.counting import CODE_COLUMNS, FEWEST_STUDENTS, MOST_CODES
from cis_ews.checking.kept import CHECKS, MOST_KEPT

PAGE = Path(__file__).parents[2] / "docs" / "checking.md"


KEYS = {
    "`source`, `format`, `as_of`": "the name of the folder or file; how it was read; the day of freshness",
    "`errors`, `warnings`": "how many findings",
    "`findings`": "the worst first; each `finding` (the code), `severity`, `title`, `table`, `column`, `code`, "
    "`school_id`, `school`, `says`, `count`, `first` (`file`, `row`), `what_to_do`; null where it is not about one",
    "`compared_with`": "`what` in words, `extract` (its hash); null where there was nothing",
    "`tables`": "each `table`, rows `read`, `rejected`, `reduced` (they say nothing of their own), "
    "`kept`, `read_before`",
    "`rejections`": "each `table`, `rule`, `column`, `rows`, `first` (`file`, `row`), "
    "`schools` (id -> rows), `what_to_do`",
    "`schools`": "each `school_id`, `district_id`, `name`, `students` enrolled on the day, `reported_through`, "
    "`school_days_behind`, `rejected` rows, `tables` (table -> `read`, `rejected`, `kept`)",
    "`coverage`": "`attendance`, `behavior`, `coursework`, as in `coverage.json` of a run; `reporting_known`",
    "`rows_after_as_of`": "table -> rows dated after the day: a night as of that day ignores them",
    "`notes`": "what was derived, left out, skipped or assumed",
    "`kept`": "where the summary lies; null where it was not kept",
}


def render_page() -> str:
    """The page."""
    kinds = [
        f"| {kind.code} | {kind.title}{' *' if kind.is_unlike else ''} | {kind.severity} | {kind.measure} | "
        f"{kind.what_to_do} |"
        for kind in KINDS
    ]
    rules = [f"| `{rule}` | {hint} |" for rule, hint in sorted(RULE_HINTS.items())]
    keys = [f"| {key} | {what} |" for key, what in KEYS.items()]
    columns = ", ".join(f"`{table}.{column}`" for table, columns in CODE_COLUMNS.items() for column in columns)
    return f"""# Checking: from an export to a clean check

Made from the findings in `cis_ews.checking.catalog` by `python -m tests.lib.check_page`; a test fails when the page is
stale.

A wrong extract makes wrong lists, and they look like any others. `cis-ews check` looks at an extract before a night
does, and says what is wrong, where, and what to do. It scores nothing and shows nothing of a student: no id, no name,
no value of a cell.

## The way

1. **Export** from the school system: the plain folder ([formats.md](formats.md)), OneRoster
   ([oneroster.md](oneroster.md)), CEDARS ([cedars.md](cedars.md)), Ed-Fi ([edfi.md](edfi.md)), several of these
   ([combine.md](combine.md)), or your own layout with a mapping, of which
   `cis-ews map` writes a first one ([mapping.md](mapping.md)).
2. **Check it** by its format, and name the store of the nights, so that the next extract is held against this one:

       cis-ews check extract --store night
       cis-ews check package.zip --format oneroster --store night

3. **See to the findings**, from the top. An error says that lists would be wrong; a warning, that somebody should look.
   Each says where it is (table, column, school) and what to do. Below them stand the rejected rows by rule with their
   first places, as a spreadsheet counts rows (the header is row 1); `--rejections FILE` writes all of them as CSV.
4. **Pass it on.** `--html FILE` writes the whole of it as one page, to send to a school or to print: it fetches
   nothing and runs no script.
5. **Check again**, until only those findings are left that you know of. Then let the machine do it, before the night:

       cis-ews check extract --store night --strict && cis-ews score extract --as-of yesterday --out night

Where the extract cannot be used at all (a required table is missing, or too many of its rows break a rule), the check
refuses it as a night would, with exit code 3, file and row; `--html` and `--json` tell the rejections by rule then too.

## The extract before

A store keeps a summary of each checked extract in `{CHECKS}/`, some kilobytes of JSON: rows by table and school, filled
cells by column, the codes of columns that hold codes, the last reported day. Nothing of a student. The same extract
makes the same bytes. A folder for them is made only where a store is, or is named with `--store`.

- **What is compared.** The extract with the one of the same source that was kept last: read by the same format, with a
  school in common. So several districts may share a store. `--against PATH` names another one: a file of
  `{CHECKS}/`, a run, or a store. A store that has no kept extract of this source is asked
  for the newest night of its schools; a run knows the schools and, of the plain format, rows by table.
- **An extract that lacks much** (a star in the table below) does not take the place of the one before, so that the
  mended one is held against the last good one. Where it is right, as at the beginning of a school year, `--accept`
  keeps it, and `--strict` passes over the errors that tell of changes (EWS111 and on).
- **The same extract again** is compared with itself: nothing has changed.
- Why it is kept like this: [ADR 26](adr/0026-a-summary-of-each-checked-extract.md).
- Of a source the last {MOST_KEPT} are kept. A summary that is damaged is passed over and named.
- **Codes** are those of {columns}. In a column of text a code is kept and shown only where {FEWEST_STUDENTS} students
  share it and the column has at most {MOST_CODES} different texts: anything else may be a name in the wrong column.
  Of the others the summary keeps how many there are. A code of the extract before is gone only where no row has it, be
  it shown or not.
- A row that names no school (a student, an action, a support) counts at the school of its student's latest enrollment.
  Rejections by school are those whose school can be told.

## Findings

A code is never given to another finding; those below EWS100 are of [monitoring.md](monitoring.md).

| code | what | severity | when | what to do |
|---|---|---|---|---|
{chr(10).join(kinds)}

A school is *in use* where students are enrolled in it on the day: that of `--as-of`, else the last day that any school
reported. `--strict` ends with exit code 3 where a finding is an error; without it findings leave the exit code at 0.

## Rules

| rule | what to do about the rows |
|---|---|
{chr(10).join(rules)}

What each rule asks: [formats.md](formats.md#rows-that-are-rejected).

## For programs

`--json` writes one line `{{"event": "checked", ...}}` (beside lines of its steps), also where the extract is refused:

| key | |
|---|---|
{chr(10).join(keys)}
"""


if __name__ == "__main__":
    PAGE.write_text(render_page(), encoding="utf-8")
