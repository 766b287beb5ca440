"""Whether the risks of a past night came true: its run beside an extract of later date (`EWS012`; docs/monitoring.md).

The outcome is the one that the run's model learned, judged as in a training: who has no label, and who was supported
before the outcome, is left out and counted. Nothing is stored, and nothing of it reaches a score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from cis_ews.errors import DataError, ModelError
from cis_ews.evaluation.drift import Finding, outcomes_beside_risks, told_apart
from cis_ews.evaluation.suppression import told_count, told_reasons, told_whole
from cis_ews.risk.cohort import build_cohort
from cis_ews.risk.labels import LABELS, make_outcomes, reached_end
from cis_ews.risk.supported import SUPPORTED_HOW, SUPPORTED_LATER, Supported, supported_students
from cis_ews.schema.school_data import SchoolData
from cis_ews.storage.runs import Run

NOT_IN_EXTRACT = "not in the later extract"
NOT_IN_COHORT = "not enrolled on the as-of date, as the later extract has it"
NOT_KNOWN = "the outcome is not known"
_KEY = "student_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomesTold:
    """A night beside what came of it; a number is None where it would tell of 1 to 9 students.

    `label`: the outcome that its model learned; `horizon_end`: the last day that it looks at. `risks`: the students
    with a risk; `judged` of them have an outcome, the others are `left_out`: why -> how many, small reasons together
    (`told_reasons`). `schools`: those judged by themselves; `is_together`: whether students are judged together, and
    not how many, since those judged less them may be a few at schools that are left out.
    """

    run: Run
    label: str
    horizon_end: date
    risks: int | None
    judged: int | None
    left_out: Mapping[str, int | None]
    schools: tuple[str, ...]
    is_together: bool
    findings: tuple[Finding, ...]


def is_by_model(run: Run) -> bool:
    """Whether a trained model scored the run; where rules alone decided, it has no risks."""
    return run.statement("model").get("kind") == "trained"


def learned_label(run: Run) -> str:
    """The name of the label that the model of a run learned.

    Raises ModelError where the rules alone decided, so that there is no risk, and where the run names no known label.
    """
    if not is_by_model(run):
        raise ModelError(
            f"run {run.run_id} of {run.as_of} was decided by rules alone: it has no risks to hold beside outcomes",
            hint="name a run that a trained model scored, with --run or --as-of",
        )
    label = _about(run).get("label")
    if label not in LABELS:
        raise ModelError(
            f"run {run.run_id} does not say which outcome its model learned",
            hint="name the run of a model that `python -m training` made",
        )
    return str(label)


def runs_of_extract(runs: Sequence[Run], school_data: SchoolData) -> list[Run]:
    """Those of the runs that are about students of an extract, at its schools. Raises DataError where there is none."""
    found = [run for run in runs if _shares_students(run, school_data)]
    if not found:
        raise DataError(
            f"the extract knows none of the students who were scored as of {runs[0].as_of}",
            hint="give a later extract of the same district, with the same ids of students and schools",
        )
    return found


def outcomes_of_run(run: Run, school_data: SchoolData) -> OutcomesTold:
    """Hold the risks of a run beside the outcomes that a later extract of the same district tells.

    Whoever the extract does not know is left out (`runs_of_extract` finds the runs of which it knows students). Raises
    ModelError as `learned_label` does; DataError where the extract ends before the horizon is over, or does not speak
    of the outcome.
    """
    label = learned_label(run)
    end = reached_end(school_data, run.as_of, label=label)
    risks = run.table("scores", columns=[_KEY, "school_id", "risk"]).drop_nulls("risk")
    rows = _explained(risks, run, school_data, label=label, end=end)
    known = rows.filter(pl.col("why").is_null())
    apart = told_apart(known)
    reasons = rows.drop_nulls("why").group_by("why").len()
    return OutcomesTold(
        run=run,
        label=label,
        horizon_end=end,
        risks=told_whole(known.height, rows.height - known.height),
        judged=told_count(known.height),
        left_out=told_reasons({str(why): int(count) for why, count in reasons.iter_rows()}),
        schools=apart.schools,
        is_together=not apart.together.is_empty(),
        findings=outcomes_beside_risks(risks, known.select(_KEY, "label")) if known.height else (),
    )


def _explained(risks: pl.DataFrame, run: Run, school_data: SchoolData, *, label: str, end: date) -> pl.DataFrame:
    """The rows with a risk, with `label` and `why` it is not judged (null where it is)."""
    cohort = build_cohort(school_data, run.as_of)
    labels, days = make_outcomes(school_data, run.as_of, label=label, cohort=cohort)
    supported = _supported(run, school_data, end=end, days=days)
    in_extract, in_supported = (pl.col(_KEY).is_in(ids.implode()) for ids in (school_data.students[_KEY], supported))
    rows = risks.join(labels.with_columns(is_asked=True), on=_KEY, how="left", maintain_order="left")
    return rows.with_columns(
        pl.col("label").cast(pl.Int8),
        why=pl.coalesce(
            pl.when(~in_extract).then(pl.lit(NOT_IN_EXTRACT)),
            pl.when(pl.col("is_asked").is_null()).then(pl.lit(NOT_IN_COHORT)),
            pl.when(pl.col("label").is_null()).then(pl.col("censored").fill_null(NOT_KNOWN)),
            pl.when(in_supported).then(pl.lit(SUPPORTED_LATER)),
        ),
    )


def _supported(run: Run, school_data: SchoolData, *, end: date, days: pl.DataFrame) -> pl.Series:
    """Whose outcome is not what the model foretells: it learned what comes of those who are not supported."""
    if _about(run).get(SUPPORTED_HOW) == Supported.AS_RECORDED:
        return pl.Series(_KEY, [], pl.String)
    return supported_students(school_data.supports, as_of=run.as_of, horizon_end=end, happened_on=days)


def _shares_students(run: Run, school_data: SchoolData) -> bool:
    scored = run.table("scores", columns=[_KEY, "school_id"])
    here = scored.join(school_data.schools, on="school_id", how="semi")
    return not here.join(school_data.students, on=_KEY, how="semi").is_empty()


def _about(run: Run) -> Mapping[str, Any]:
    return run.statement("model").get("about", {})
