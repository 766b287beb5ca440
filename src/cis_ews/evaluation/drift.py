"""Whether a night is like the nights before it: each school beside itself a week ago, and beside its usual changes.

A night is measured against the newest night at least a week older, of the same school year. How large a change is usual
is not guessed: the same is measured between the earlier nights of the store. A finding is a change that lies far beyond
those (`FACTOR`) and is large enough to matter (`Check.least`). The checks: `cis_ews.evaluation.drift_checks`; the page:
docs/monitoring.md.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import chain
from pathlib import Path
from statistics import NormalDist

import polars as pl

from cis_ews.errors import ModelError, RunCompactedError, StorageError
from cis_ews.evaluation.drift_checks import BY_CODE, Check
from cis_ews.evaluation.drift_measures import FEWEST_STUDENTS, NightFacts, measured
from cis_ews.evaluation.suppression import told_whole
from cis_ews.evaluation.surprise import deviations
from cis_ews.storage.runs import Run, run_date, verify_run
from cis_ews.storage.store import RunStore

LAG = timedelta(days=7)
OLDEST = timedelta(days=35)
"""A night older than this (after a summer, say) is not compared with."""
LONG_WEEKEND = timedelta(days=3)
EARLIER = 20
"""So many earlier comparisons at most say what is usual."""
FEWEST_EARLIER = 4
FACTOR = 3.0
"""A finding is this many times what nine in ten earlier changes stayed below (docs/monitoring.md says how chosen)."""
_USUAL = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A change that is unusual and matters.

    `school_id`: None where it is about the whole extract. `value`: the measure of the check, `usual` what nine in ten
    earlier changes stayed below. `then`, `now`: the figure then and tonight. `distance`: the Jensen-Shannon distance,
    of values.
    """

    check: Check
    school_id: str | None
    feature: str
    value: float
    usual: float
    then: float | None
    now: float | None
    distance: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """What came of it.

    `compared_with`: the as-of date; None where no night is old enough. `earlier`: how many comparisons say what is
    usual; with fewer than 4 nothing is judged but what needs no usual (`EWS011`). `schools`: those of the night.
    `compacted`: earlier runs of them that were passed over because their indicators are not kept; `damaged`: the
    folders of runs, whosever, that were passed over because they do not match their manifests.
    """

    as_of: date
    compared_with: date | None
    earlier: int
    findings: tuple[Finding, ...]
    schools: tuple[str, ...] = ()
    compacted: tuple[Run, ...] = ()
    damaged: tuple[Path, ...] = ()


def monitor(now: NightFacts, earlier: Sequence[NightFacts]) -> Monitoring:
    """Compare a night with earlier ones, in any order; those of another school year are passed over."""
    nights = sorted((each for each in earlier if each.as_of < now.as_of), key=lambda each: each.as_of)
    by_day = {each.as_of: each for each in nights if each.school_year == now.school_year}
    days = list(by_day)
    olds = {day: by_day.get(old) for day in (*days, now.as_of) if (old := _a_week_before(day, days)) is not None}
    before = olds.pop(now.as_of, None)
    pairs = [(then, by_day[day]) for day, then in olds.items() if then is not None][-EARLIER:]
    found = list(_old_extract(now, list(by_day.values())))
    if before is not None and len(pairs) >= FEWEST_EARLIER:
        this_year = list(by_day.values())
        history = [measured(*pair, since=[each for each in this_year if each.as_of < pair[1].as_of]) for pair in pairs]
        found += unusual(measured(before, now, since=this_year), pl.concat(history))
    return Monitoring(
        as_of=now.as_of,
        compared_with=None if before is None else before.as_of,
        earlier=len(pairs),
        findings=tuple(sorted(found, key=lambda each: (each.check.code, each.school_id or "", each.feature))),
    )


def monitor_store(store: RunStore, as_of: date | None = None) -> tuple[Monitoring, ...]:
    """The newest night of a store, or that of a date, beside its earlier ones.

    Runs are compared that are about the same schools. So where several districts have their nights in one store, each
    is judged beside its own, in the order of their schools; of runs of one day that share a school the one made last.
    Compacted and damaged earlier runs are passed over, and named.

    Raises RunNotFoundError where there is no night, RunDamagedError where a hash of its files differs, and
    RunCompactedError where its indicators are not kept.
    """
    tonight = nights_of_day(store, as_of)
    opened = store.opened()
    day = tonight[0].as_of
    earlier = [each for each in opened.runs if each.as_of < day]
    refused = [folder for folder in opened.refused if run_date(folder) < day]
    return tuple(
        _judged(run, earlier, damaged=refused)
        for run in sorted(tonight, key=lambda run: min(_schools_of(run), default=""))
    )


def nights_of_day(store: RunStore, as_of: date | None = None) -> list[Run]:
    """The runs of a date, or of the newest one; of those that share a school the one made last.

    Raises RunNotFoundError where there is none, and RunDamagedError where a hash of its files differs.
    """
    tonight = list[Run]()
    for run in sorted(map(verify_run, store.of_day(as_of)), key=_made, reverse=True):
        if all(_schools_of(run).isdisjoint(_schools_of(each)) for each in tonight):
            tonight.append(run)
    return tonight


def _made(run: Run) -> tuple[str, str]:
    try:
        return run.created_at, run.run_id
    except StorageError:  # its timings, which no hash covers and no score hangs on
        return "", run.run_id


def _schools_of(run: Run) -> frozenset[str]:
    return frozenset(run.table("scores", columns=["school_id"])["school_id"].unique())


def _judged(now: Run, earlier: Sequence[Run], *, damaged: Sequence[Path]) -> Monitoring:
    """One district's night. An earlier run that turns out to be damaged is left out, and another one is looked for."""
    if not now.has("indicators"):
        raise RunCompactedError(
            f"the night of {now.as_of} cannot be held beside others: its run {now.run_id} is compacted",
            hint=f"bring its indicators back with cis-ews replay {shlex.quote(str(now.path))} --restore",
        )
    schools, damaged = _schools_of(now), list(damaged)
    newest_first = sorted(earlier, key=lambda run: (run.as_of, *_made(run)), reverse=True)
    candidates = list(_about(schools, newest_first, damaged=damaged))
    compacted = tuple(run for run in reversed(candidates) if not run.has("indicators"))
    facts = dict[Path, NightFacts]()
    while True:
        whole = {run.as_of: run for run in reversed(candidates) if run.has("indicators") and run.path not in damaged}
        days = list(whole)
        judged = [now.as_of, *days[-EARLIER:]]
        needed = {*judged, *(_a_week_before(day, days) for day in judged)} - {now.as_of, None}
        wanted = [run for day, run in whole.items() if day in needed]
        torn = [run.path for run in wanted if not _known(run, facts)]
        if not torn:
            break
        damaged += torn
    return replace(
        monitor(NightFacts.of(now), [facts[run.path] for run in wanted]),
        schools=tuple(sorted(schools)),
        compacted=compacted,
        damaged=tuple(sorted(damaged)),
    )


def _about(schools: frozenset[str], runs: Sequence[Run], *, damaged: list[Path]) -> Iterator[Run]:
    """Those of the runs, newest first, that are about these schools: as many days as can be needed."""
    days = list[date]()
    for run in runs:
        if len(days) > EARLIER and run.as_of < days[EARLIER] - OLDEST:
            return
        try:
            others = schools.isdisjoint(_schools_of(run))
        except StorageError:
            damaged.append(run.path)
            continue
        if not others:
            yield run
            if run.has("indicators") and run.as_of not in days:
                days.append(run.as_of)


def _known(run: Run, facts: dict[Path, NightFacts]) -> bool:
    """Read the facts of a run, unless they are known; False where it does not match its manifest."""
    try:
        if run.path not in facts:
            facts[run.path] = NightFacts.of(verify_run(run))
    except StorageError:
        return False
    return True


def _a_week_before(day: date, days: Sequence[date]) -> date | None:
    """The newest of some days, in order, that is old enough to compare with, and not too old."""
    return next((each for each in reversed(days) if LAG <= day - each <= OLDEST), None)


def unusual(tonight: pl.DataFrame, history: pl.DataFrame) -> list[Finding]:
    """The measures of tonight that are far beyond the earlier ones, and large enough to matter."""
    usual = history.group_by("code", "feature").agg(usual=pl.col("value").quantile(_USUAL))
    joined = tonight.join(usual, on=["code", "feature"], how="left").with_columns(pl.col("usual").fill_null(0.0))
    return [
        Finding(
            check=check,
            school_id=row["school_id"] or None,
            **{name: row[name] for name in ("feature", "value", "usual", "then", "now", "distance")},
        )
        for row in joined.filter("matters").iter_rows(named=True)
        if row["value"] >= max((check := BY_CODE[row["code"]]).least, FACTOR * row["usual"])
    ]


def _old_extract(now: NightFacts, nights: Sequence[NightFacts]) -> Iterator[Finding]:
    # A weekend of three days brings no new records.
    same = [each.as_of for each in nights if each.inputs == now.inputs and now.as_of - each.as_of > LONG_WEEKEND]
    same = same if now.inputs else []
    if same:
        check = BY_CODE["EWS011"]
        days = float((now.as_of - same[-1]).days)
        yield Finding(
            check=check, school_id=None, feature="files", value=1.0, usual=0.0, then=None, now=days, distance=None
        )


def outcomes_beside_risks(scores: pl.DataFrame, outcomes: pl.DataFrame) -> tuple[Finding, ...]:
    """Whether the risks of a past night meant what they said, now that outcomes are known (`EWS012`).

    `scores`: `student_id`, `school_id`, `risk`; students without a risk are left out. `outcomes`: `student_id`, `label`
    (0 or 1; null where it is not known). Each school of `told_apart` and all together are judged; at most one night in
    twenty errs (Bonferroni). Where fewer than ten had the outcome or were spared, `now` is None and `value` the least
    of the check; so of all together, where they did so at the schools of which no number is told. Raises ModelError
    where no student has both.
    """
    known = scores.join(outcomes, on="student_id").drop_nulls(["risk", "label"])
    if known.is_empty():
        raise ModelError("no student has a risk and an outcome", hint="give the outcomes of the students of that night")
    apart = told_apart(known)
    judged = {school: known.filter(pl.col("school_id") == school) for school in apart.schools}
    check = BY_CODE["EWS012"]
    least = max(check.least, NormalDist().inv_cdf(1.0 - 0.05 / (2 * (len(judged) + 1))))
    found = (_calibration(check, school, rows, least=least) for school, rows in judged.items())
    of_schools = list(chain.from_iterable(found))
    told = [each.school_id for each in of_schools if each.now is not None]
    rest = apart.together.filter(~pl.col("school_id").is_in(told))
    return (*_calibration(check, None, apart.together, least=least, beside=rest), *of_schools)


@dataclass(frozen=True, slots=True)
class Apart:
    """The schools that are judged by themselves, in order, and the rows that are judged together."""

    schools: tuple[str, ...]
    together: pl.DataFrame


def told_apart(known: pl.DataFrame) -> Apart:
    """Of whom risks and outcomes may be held beside each other: `known` has `school_id` and `risk`.

    By themselves schools with ten students. Together everybody; but where the students of all other schools are fewer
    than ten, they are left out, since subtraction would tell of them. Nobody where all are fewer than ten.
    """
    by_school = known.group_by("school_id").len()
    schools = by_school.filter(pl.col("len") >= FEWEST_STUDENTS)["school_id"].sort()
    rest = known.filter(~pl.col("school_id").is_in(schools.implode()))
    together = known.filter(pl.col("school_id").is_in(schools.implode())) if rest.height < FEWEST_STUDENTS else known
    return Apart(tuple(schools), together if together.height >= FEWEST_STUDENTS else together.clear())


def _calibration(
    check: Check, school: str | None, rows: pl.DataFrame, *, least: float, beside: pl.DataFrame | None = None
) -> Iterator[Finding]:
    """The finding of these rows, if there is one. `beside`: those of them that their number would tell of as well."""
    label, risk = (rows[name].cast(pl.Float64).to_numpy() for name in ("label", "risk"))
    value = deviations(risk, label)
    if value < least:
        return
    is_told = _is_told(rows) and (beside is None or _is_told(beside))
    yield Finding(
        check=check,
        school_id=school,
        feature="risk",
        value=value if is_told else check.least,
        usual=1.0,
        then=float(risk.mean()),
        now=float(label.mean()) if is_told else None,
        distance=None,
    )


def _is_told(rows: pl.DataFrame) -> bool:
    met = int(rows["label"].sum())
    return told_whole(met, rows.height - met) is not None
