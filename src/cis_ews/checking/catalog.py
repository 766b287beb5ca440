"""Every finding of a check: its code, how grave it is, what to do; and what to do about each rule that rows break.

The codes go on where those of `cis_ews.evaluation.drift_checks` end: one family, and none is ever given twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cis_ews.calendars import BEHIND, BEHIND_GUESSED
from cis_ews.checking.counting import FEWEST_STUDENTS
from cis_ews.evaluation.drift_checks import Severity

__all__ = ["BY_CODE", "KINDS", "RULE_HINTS", "Kind", "Severity", "hint_of_rule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of finding. `code`: stable. `measure`: when there is one.

    `is_unlike`: an extract with such a finding does not take the place of the one before, which the next is held
    against, unless somebody says so.
    """

    code: str
    title: str
    severity: Severity
    measure: str
    what_to_do: str
    is_unlike: bool = False

    @property
    def is_change(self) -> bool:
        """Whether it is about what is unlike the extract before, and not about the extract by itself."""
        return self.code >= FIRST_CHANGE


FIRST_CHANGE = "EWS111"
STOPPED = 10
FEWEST = 20
HALF = 0.5
DOUBLE = 2.0
FILLED_LESS = 0.10
REJECTED_MORE = 0.01

KINDS = (
    Kind(
        code="EWS100",
        title="The extract cannot be used",
        severity=Severity.ERROR,
        measure="the source cannot be read, lacks a table or column, or loses too many rows of a required table",
        what_to_do="correct the export and check again",
        is_unlike=True,
    ),
    Kind(
        code="EWS101",
        title="A table was left out",
        severity=Severity.ERROR,
        measure="an optional table lost more rows than its tolerance allows: nothing of it is used",
        what_to_do="correct what its rejections name (below), or allow more under `tolerance`",
        is_unlike=True,
    ),
    Kind(
        code="EWS102",
        title="Rows were rejected",
        severity=Severity.WARNING,
        measure="rows of a table break a rule; the others are used",
        what_to_do="see the rejections by rule: each says what to do, and the first rows",
    ),
    Kind(
        code="EWS103",
        title="A school is behind",
        severity=Severity.WARNING,
        measure=f"school days that a school in use has not reported: {BEHIND} to {STOPPED - 1}, or where the source "
        f"does not say and the last recorded day stands for it, {BEHIND_GUESSED} or more",
        what_to_do="ask the school to enter its attendance; its lists are as old as that",
    ),
    Kind(
        code="EWS104",
        title="A school has stopped reporting",
        severity=Severity.ERROR,
        measure=f"a school in use says that it has not reported {STOPPED} school days or more",
        what_to_do="ask the school, and whether its records still reach the export; its lists are as old as that",
    ),
    Kind(
        code="EWS105",
        title="A school reports no attendance",
        severity=Severity.WARNING,
        measure="a school in use has no last reported day, and others have",
        what_to_do="ask whether its attendance is in the export; until then nobody there can be told from who is there",
    ),
    Kind(
        code="EWS106",
        title="A school has no school days",
        severity=Severity.ERROR,
        measure="a school in use has no instructional day this school year up to the day",
        what_to_do="add its days to calendar_days: without them no student there can be scored on attendance",
    ),
    Kind(
        code="EWS107",
        title="The calendar has ended",
        severity=Severity.WARNING,
        measure="the day of the check lies after the last calendar day",
        what_to_do="export calendar_days to the end of the school year, or name an earlier --as-of",
    ),
    Kind(
        code="EWS108",
        title="Nothing can be judged",
        severity=Severity.ERROR,
        measure="the source speaks neither of attendance nor of behavior nor of coursework",
        what_to_do="correct what was left out, or add a source that speaks of it (docs/combine.md): a night would find "
        "not enough data on every student",
    ),
    Kind(
        code="EWS109",
        title="A domain is not told of",
        severity=Severity.WARNING,
        measure="the source speaks of no attendance, no behavior or no coursework, and of some of the others",
        what_to_do="if schools keep such records, export them too, or add a source that speaks of them "
        "(docs/combine.md); lists rest on the other domains alone",
    ),
    Kind(
        code="EWS111",
        title="A table is missing",
        severity=Severity.ERROR,
        measure="a table that had rows has none, or is not there",
        what_to_do="see whether its file is in the export, under its usual name",
        is_unlike=True,
    ),
    Kind(
        code="EWS112",
        title="A table has halved",
        severity=Severity.ERROR,
        measure=f"half of its rows or fewer, and {FEWEST} fewer at least",
        what_to_do="see whether the export ended early, or has a filter (a date, a school, a grade)",
        is_unlike=True,
    ),
    Kind(
        code="EWS113",
        title="A table has doubled",
        severity=Severity.WARNING,
        measure=f"twice its rows or more, and {FEWEST} more at least",
        what_to_do="look for rows delivered twice under new ids, and for a second school year in the export",
    ),
    Kind(
        code="EWS114",
        title="A school has vanished",
        severity=Severity.ERROR,
        measure="a school of the earlier extract is not there, or has no enrollments any more",
        what_to_do="see whether the export has a filter, or the school another id; its students are not scored",
        is_unlike=True,
    ),
    Kind(
        code="EWS115",
        title="A school is new",
        severity=Severity.WARNING,
        measure="a school that the earlier extract does not have",
        what_to_do="see whether it is a new school, or a known one under another id; then give it a coordinator",
    ),
    Kind(
        code="EWS116",
        title="A school's rows have halved",
        severity=Severity.ERROR,
        measure=f"half of a school's rows of a table or fewer, and {FEWEST} fewer at least, where the table stayed",
        what_to_do="ask the school whether these records moved or are entered elsewhere now",
        is_unlike=True,
    ),
    Kind(
        code="EWS117",
        title="A column is missing",
        severity=Severity.ERROR,
        measure=f"no cell of a column is filled, {FEWEST} were at least",
        what_to_do="see whether the column is in the export, under its usual name",
        is_unlike=True,
    ),
    Kind(
        code="EWS118",
        title="A column is filled less",
        severity=Severity.WARNING,
        measure=f"the share of filled cells fell by {FILLED_LESS:.0%} of the rows or more, and to half or less",
        what_to_do="ask which schools or records lack it, and since when",
    ),
    Kind(
        code="EWS119",
        title="A code is new",
        severity=Severity.WARNING,
        measure="a code that was not told then, in a column that had codes; where others of it were left out, being of "
        f"fewer than {FEWEST_STUDENTS} students, the finding says that this may have been one of them",
        what_to_do="ask what it means, and whether it replaces another one",
    ),
    Kind(
        code="EWS120",
        title="A code is gone",
        severity=Severity.WARNING,
        measure=f"a code of {FEWEST} rows or more that no row has",
        what_to_do="ask whether it is still used: rules that count it would find nothing",
    ),
    Kind(
        code="EWS121",
        title="More rows are rejected",
        severity=Severity.WARNING,
        measure=f"the rejected share of a table grew by {REJECTED_MORE:.0%} of its rows or more",
        what_to_do="see the rejections by rule: which ones are new, and where",
    ),
    Kind(
        code="EWS122",
        title="The extract is an older one",
        severity=Severity.ERROR,
        measure="its last reported day lies before that of the extract before, or it was checked before a newer one",
        what_to_do="see whether last night's export ran, and whether the right folder was named",
        is_unlike=True,
    ),
)
BY_CODE: Mapping[str, Kind] = {kind.code: kind for kind in KINDS}

_IDS = "compare how both tables write the id (leading zeros, spaces), or add what is missing to the export"
RULE_HINTS: Mapping[str, str] = {
    "ragged_row": "see these lines in a text editor: a separator or a quotation mark is missing or too many",
    "unreadable_date": "write dates as 2026-02-27, or say in a mapping how they are written (`date_formats`)",
    "unreadable_number": "write plain numbers with a point: no words, no signs",
    "unreadable_boolean": "write true or false",
    "unknown_code": "use the words of the column (docs/formats.md), or give its codes in a mapping (`codes`)",
    "missing": "fill the cell in the source: the contract needs it",
    "too_long": "shorten the text to 500 characters; a quotation mark may be missing before it",
    "null_character": "take the character U+0000 out of the text",
    "out_of_range": "see the unit and the bounds of the column (docs/formats.md)",
    "duplicate_row": "nothing is lost, the first one counts; let the export write each row once",
    "primary_key": "rows share a key and differ, and nothing says which is true: keep the right one",
    "student_known": f"the row names a student who is not there: {_IDS}",
    "school_known": f"the row names a school that is not there: {_IDS}",
    "incident_known": f"the row names an incident that is not there: {_IDS}",
    "class_known": f"the row names a class that is not there: {_IDS}",
    "session_known": f"the row names a session that is not there: {_IDS}",
    "line_item_known": f"the row names a line item that is not there: {_IDS}",
    "enrolled_somewhere": "add the student's enrollment, or leave the student out of the export",
    "no_overlap": "close the earlier enrollment in the same school before the later one begins",
    "after_last_calendar_day": "correct the date, or export the calendar to the end of the school year",
    "inside_enrollment": "compare the day with the student's entry and exit in that school",
    "instructional_day": "correct the day, or the school's calendar: it says that nobody was expected",
    "exit_not_before_entry": "correct the entry or the exit date",
    "present_misses_nothing": "a student who is present misses nothing: make the fraction 0, or correct the status",
    "absent_misses_something": "an absence misses a part of the day: raise the fraction, or make the status present",
    "missing_or_late_no_more_than_all": "give the number of all assignments: no more are missing or late",
    "earns_no_more_than_attempted": "correct the credits: more were earned than attempted",
    "absent_no_more_than_enrolled": "correct the days: more were missed than enrolled",
}


def hint_of_rule(rule: str) -> str:
    """What to do about rows that break a rule."""
    return RULE_HINTS.get(rule, "correct these rows in the source (docs/formats.md says what is asked)")
