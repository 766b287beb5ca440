"""The page of labels, rendered from the catalog: `python -m tests.lib.label_page` writes docs/labels.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cis_ews.risk.labels import LABELS, Censored, Label

PAGE = Path(__file__).parents[2] / "docs" / "labels.md"
INTRODUCTION = """# Labels

Made from the catalog (`cis_ews.risk.label_catalog`) by `python -m tests.lib.label_page`; a test fails when the page is
stale.

`make_labels(school_data, as_of, label="off_track")` returns one row a student of the cohort of the as-of date (enrolled
that day, not in PreK), sorted by `student_id`: `label` (true, false, or null where it is not known) and `censored` (why
it is not known; null where it is). `horizon_end(school_data, as_of, label=...)` is the last day that a label looks at.

- **A label looks into the future, by design.** It is what a model learns to foresee, so it reads what happened after
  the as-of date. Nothing of it may enter a feature. It reads days, marks, disciplinary actions and enrollments, and
  never who a student is.
- **The rest of the year** begins on the day after the as-of date: what is already visible on that day does not answer
  the question. The variants `..._whole_year` look at the whole school year, what was visible on the as-of date
  included; they describe a year and flatter a model. A school year ends with the last school day of its calendar.
- **A student who went elsewhere is no negative.** Who left before the end by transfer, or in a way that the records do
  not say, and did not come back has no label, whatever was seen before. Moves between schools of the extract are
  followed. Who graduated has completed the horizon; who dropped out is judged on what was seen until then.
- **Whether a label is known never hangs on what it says.** Were a failed course a label and a passed one none, those
  who are judged would be those to whom it happened, and a model would learn who has a label.
- **Silence is no negative.** Absence, and off track where the extract has attendance, is judged where the schools have
  reported every day of the horizon. Where no school says through which day it has reported, the extract is taken to
  reach two weeks beyond its last record (`known_through(school_data)` is the last day of which it can speak).
- **A year that is over has no rest.** Where one school's year ends before the others', its students have no label of
  the rest of the year from that day on, unless they go on in another school.
- **Exact.** Rates are compared in whole numbers of parts of a day, as in the indicators; the labels of a school year
  are the indicators of its last day, computed as if nothing had happened up to the as-of date.
- **Refused** with a `DataError`, rather than answered with nulls: an extract that does not speak of the outcome, or
  ends before any student's horizon; an as-of date after which the school year has no school day left.
"""


def render_page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *_reasons(), *(line for label in LABELS.values() for line in _label(label))]) + "\n"


def _reasons() -> Iterator[str]:
    yield "## Why a label is not known\n"
    yield from (f"- {reason}" for reason in Censored)
    yield "\n## Every label"


def _label(label: Label) -> Iterator[str]:
    grades = "everybody in the cohort" if label.grades is None else f"grades {', '.join(label.grades)}"
    yield f"\n### `{label.name}`\n"
    yield f"{label.title}."
    yield f"\n- Looks at: {label.looks_at}, {label.horizon}."
    yield f"- Asked of: {grades}."
    yield f"- Definition: {label.definition}"
    yield f"- Not judged: {label.censoring}"
    yield f"- Source: {label.source}."


if __name__ == "__main__":
    PAGE.write_text(render_page(), encoding="utf-8")
