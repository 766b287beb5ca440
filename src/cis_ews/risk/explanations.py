"""Reasons in plain words from a model's contributions: what raises concern, what is a strength, what is not known.

A reason is told only of a number that the student has, in words that are true of it by themselves, and never of what is
missing. Loops run over features and sentences; only a compiled one, over numbers, runs over students. Students are
worked on in slices, so that memory is bounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import dataframely as dy
import numpy as np
import polars as pl

from cis_ews.enums import Direction
from cis_ews.errors import ModelError
from cis_ews.risk.alike import Columns
from cis_ews.risk.exact_shap import exact_shap_values
from cis_ews.risk.feature_catalog import FEATURES, SAME_EARLY, Feature
from cis_ews.risk.feature_catalog.feature import DAYS_ENROLLED, Comparison
from cis_ews.risk.features import evaluated, features_named
from cis_ews.risk.rule_reasons import KIND, STUDENT, WORDS
from cis_ews.risk.sentences import SAME_DAYS_UNTIL
from cis_ews.risk.tellings import DIRECTIONS, MEDIAN, OWN, VALUE, Telling, fits, tail, tellings_of, value_of
from cis_ews.risk.templates import template_fields
from cis_ews.risk.writing import Asked, write
from cis_ews.schema.coded import CodedTable, rows_among
from cis_ews.schema.scores import Reasons
from cis_ews.wording import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cis_ews.risk.reason_choice import Choices, Students

__all__ = ["exact_shap_values", "explain", "peer_inputs", "peer_values", "peer_values_of"]

NOTICEABLE = 0.02
"""Log-odds: what moves the odds by less than about two in a hundred is no reason."""
FEWEST_PEERS = 10
REASONS_SHOWN = 5
SLICE = 100_000
"""Students that are worked on at once."""
PLACE = ["school_id", "grade_level"]
TAILS = 4
"""Templates of a telling, at most."""
NUMBER = "__number_"
_KINDS = {column: Reasons.create_empty().schema[column] for column in ("direction", "domain", "indicator")}
_WORDS = {column: Reasons.create_empty().schema[column] for column in ("value", "sentence")}
NO_FEATURES = ("student_id", "base_value", "margin")
COMPARED: Mapping[str, Comparison] = {
    feature.name: feature.comparison for feature in FEATURES if feature.comparison is not None
}


def peer_values(indicators: pl.DataFrame) -> pl.DataFrame:
    """What reasons compare with: one row a school and grade, sorted by both, of the students enrolled there.

    `school_id`, `grade_level`, `students`, and one column a compared feature: the median of what is compared, Float64,
    always a number that a student has, so that half have it or less and half have it or more. Null where it is known of
    fewer than 10 students. A median cannot be added up from parts of a school: give all of its students, or the
    `peer_inputs` of all parts to `peer_values_of`.
    """
    return peer_values_of(peer_inputs(indicators))


def peer_inputs(indicators: pl.DataFrame) -> pl.DataFrame:
    """What `peer_values` are made of: `school_id`, `grade_level` and what is compared, of each student enrolled."""
    enrolled = indicators.lazy().filter(pl.col("is_enrolled"), pl.col("grade_level").is_not_null())
    return enrolled.select(*PLACE, *(evaluated(each.value).alias(name) for name, each in COMPARED.items())).collect()


def peer_values_of(inputs: pl.DataFrame) -> pl.DataFrame:
    """The `peer_values` of all students whose `peer_inputs` are given, in any order."""
    medians = [
        pl.when(pl.col(name).count() >= FEWEST_PEERS)
        .then(pl.col(name).quantile(0.5, interpolation="lower"))
        .alias(name)
        for name in COMPARED
    ]
    return inputs.lazy().group_by(PLACE).agg(pl.len().alias("students"), *medians).sort(PLACE).collect()


def explain(
    features: pl.DataFrame,
    contributions: pl.DataFrame,
    indicators: pl.DataFrame,
    *,
    peers: pl.DataFrame | None = None,
    limit: int = REASONS_SHOWN,
) -> dy.DataFrame[Reasons]:
    """Reasons of the students of `contributions`, at most `limit` in each direction, as `schema.scores.Reasons`.

    `contributions`: `student_id` and one column a feature of the catalog, in log-odds, above zero where it raises the
    risk (`base_value` and `margin` are not read). `features`, `indicators`: of these students, and of others too.
    `peers`: the `peer_values` of all students, where `indicators` holds a part of them.

    Contributions of one topic are summed, what is missing apart from what is known. A topic that raises the risk is
    told by its strongest feature with a number that is itself a concern, one that lowers it by a number that is itself
    a strength, beside half of the same grade at the school. Where what is missing raises the risk, the direction is
    `unknown`, and the sentence says what we do not know. Raises ModelError for columns that are no features, and for
    students without features or indicators.
    """
    return Reasons.cast(explained(features, contributions, indicators, peers=peers, limit=limit).decoded())


def explained(
    features: pl.DataFrame,
    contributions: pl.DataFrame,
    indicators: pl.DataFrame,
    *,
    peers: pl.DataFrame | None = None,
    limit: int = REASONS_SHOWN,
) -> CodedTable:
    """What `explain` gives, coded as the reasons by rules are (`rule_reasons.SAID`)."""
    named = features_named(name for name in contributions.columns if name not in NO_FEATURES)
    table = _Table.of(sorted(named, key=FEATURES.index))
    compared = peer_values(indicators) if peers is None else peers
    asked = contributions.sort("student_id")
    ids = asked.get_column("student_id")
    values = _those(features, ids, table.names, name="features")
    read = _those(indicators, ids, ["student_id", *table.reads], name="indicators")
    words = [pl.DataFrame(schema=_WORDS)]
    rows = [pl.DataFrame(schema={STUDENT: pl.UInt32, "rank": pl.Int16, KIND: pl.Int16, WORDS: pl.UInt32})]
    for first in range(0, asked.height, SLICE):
        of_some = _rows(values.slice(first, SLICE), read.slice(first, SLICE), compared)
        told, said = table.told_of(of_some, asked.select(table.names).slice(first, SLICE), limit=limit)
        rows.append(told.with_columns(pl.col(STUDENT) + first, pl.col(WORDS) + sum(map(len, words))))
        words.append(said)
    said = {STUDENT: ids.to_frame(), KIND: table.kinds, WORDS: pl.concat(words, rechunk=True)}
    return CodedTable(pl.concat(rows, rechunk=True), said)


def _those(frame: pl.DataFrame, ids: pl.Series, columns: Sequence[str], *, name: str) -> pl.DataFrame:
    """The rows of these students of a frame that has to have these columns."""
    lacking = [column for column in columns if column not in frame.columns]
    if lacking:
        raise ModelError(
            f"the {name} lack {counted(len(lacking), 'column')} that reasons speak of: {', '.join(lacking)}",
            hint="explain with the features and indicators from which the contributions were made",
        )
    if ids.equals(frame.get_column("student_id")):
        return frame.select(columns)
    places = rows_among(ids, frame.get_column("student_id"))
    unknown = int((places < 0).sum())
    if unknown:
        raise ModelError(
            f"the {name} lack {counted(unknown, 'student')} of those with contributions",
            hint="explain with the features and indicators from which the contributions were made",
        )
    return frame.select(columns)[places]


def _rows(values: pl.DataFrame, indicators: pl.DataFrame, peers: pl.DataFrame) -> pl.DataFrame:
    """What tellings read: the indicators, the values of features, and what is compared beside that of the peers."""
    medians = peers.select(*PLACE, pl.col(*COMPARED).name.prefix(MEDIAN))
    return (
        indicators.join(medians, on=PLACE, how="left", maintain_order="left")
        .with_columns(evaluated(COMPARED[name].value).alias(OWN + name) for name in values.columns if name in COMPARED)
        .hstack(values.rename(lambda name: VALUE + name))
    )


@dataclass(frozen=True, slots=True)
class _Table:
    """Everything that can be told from these features, in the order of the catalog."""

    explained: Sequence[Feature]
    tellings: Sequence[Telling]
    choices: Choices

    @classmethod
    def of(cls, explained: Sequence[Feature]) -> _Table:
        """The table for features of the catalog."""
        tellings = tellings_of(explained)
        return cls(explained, tellings, _choices(explained, tellings))

    @property
    def names(self) -> list[str]:
        """The features."""
        return [feature.name for feature in self.explained]

    @property
    def reads(self) -> list[str]:
        """The indicators that are spoken of or compared."""
        spoken = [name for telling in self.tellings for name in telling.speaks_of]
        compared = [name for feature in self.explained if feature.comparison for name in feature.comparison.value.reads]
        return sorted({*PLACE, DAYS_ENROLLED, *spoken, *compared})

    def told_of(self, rows: pl.DataFrame, weights: pl.DataFrame, *, limit: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Ranked reasons of students, in their order: coded, and what the codes of words stand for."""
        from cis_ews.risk.reason_choice import NOTHING, choose

        chosen = choose(self.choices, self._students(rows, weights), limit=limit)
        who, directions, ranks = np.nonzero(chosen != NOTHING)
        told = chosen[who, directions, ranks]
        words, said = self._words(rows, who, told)
        coded = {STUDENT: who.astype(np.uint32), "rank": (ranks + 1).astype(np.int16), KIND: told, WORDS: words}
        return pl.DataFrame(coded), said

    @property
    def kinds(self) -> pl.DataFrame:
        """What is the same for all students of each telling."""
        kinds = [(each.direction.value, each.feature.domain.value, each.feature.indicator) for each in self.tellings]
        return pl.DataFrame(kinds, schema=_KINDS, orient="row")

    def _students(self, rows: pl.DataFrame, weights: pl.DataFrame) -> Students:
        from cis_ews.risk.reason_choice import Students

        return Students(
            contributions=weights.select(pl.all().cast(pl.Float64).fill_null(0)).to_numpy().T,
            known=rows.select(pl.col(VALUE + name).is_not_null() for name in self.names).to_numpy().T,
            fits=rows.select(fits(each).alias(str(at)) for at, each in enumerate(self.tellings)).to_numpy().T,
            early=rows.select(pl.col(DAYS_ENROLLED).fill_null(0) < SAME_DAYS_UNTIL).to_series().to_numpy(),
        )

    def _words(
        self, rows: pl.DataFrame, who: NDArray[np.intp], told: NDArray[np.int16]
    ) -> tuple[NDArray[np.uint32], pl.DataFrame]:
        """What is said by the tellings of these rows, as numbers, and the `value` and `sentence` of each number."""
        used = np.flatnonzero(np.bincount(told, minlength=len(self.tellings)))
        tellings = [self.tellings[number] for number in used.tolist()]
        tails = rows.select(tail(each).alias(str(at)) for at, each in enumerate(tellings)).to_numpy()
        place = np.zeros(len(self.tellings), dtype=np.int64)
        place[used] = np.arange(used.size)
        templates = [template for each in tellings for template in _padded(each.templates)]
        template = place[told] * TAILS + (tails[who, place[told]] if used.size else 0)
        values = {f"{NUMBER}{at}": value_of(each) for at, each in enumerate(tellings)}
        fields = [template_fields(each) for each in templates]
        numbers = rows.select(**values)
        columns = Columns(rows.hstack(numbers), [*numbers.columns, *chain.from_iterable(fields)])
        order = np.argsort(template.astype(np.int16), kind="stable")
        bounds = np.searchsorted(template[order], np.arange(len(templates) + 1))
        words, count = np.empty(told.size, dtype=np.uint32), 0
        asked, beside = list[Asked](), [pl.Series("value", [], dtype=pl.Float64)]
        for number, sentence in enumerate(templates):
            places = order[bounds[number] : bounds[number + 1]]
            if places.size:
                value = f"{NUMBER}{number // TAILS}"
                codes, firsts = columns.kinds([value, *dict.fromkeys(fields[number])], who[places])
                asked.append(Asked(sentence, firsts))
                beside.append(numbers.get_column(value)[firsts].alias("value"))
                words[places] = codes + np.uint32(count)
                count += firsts.size
        return words, pl.DataFrame([pl.concat(beside, rechunk=True), write(columns, asked)])


def _padded(templates: Sequence[str]) -> Sequence[str]:
    return [*templates, *[""] * (TAILS - len(templates))]


def _choices(explained: Sequence[Feature], tellings: Sequence[Telling]) -> Choices:
    from cis_ews.risk.reason_choice import Choices

    missing = _numbers([feature.unknown or "" for feature in explained])
    late = [feature.topic for feature in explained]
    early = [SAME_EARLY.get(topic, topic) for topic in late]
    return Choices(
        starts=np.searchsorted([DIRECTIONS.index(each.direction) for each in tellings], np.arange(len(DIRECTIONS) + 1)),
        features=np.array([each.place for each in tellings], dtype=np.int64),
        topics=np.array([[missing, _numbers(late)], [missing, _numbers(early)]], dtype=np.int64),
        known=np.array([each != Direction.UNKNOWN for each in DIRECTIONS], dtype=np.int64),
        signs=np.array([-1.0 if each == Direction.STRENGTH else 1.0 for each in DIRECTIONS]),
        least=NOTICEABLE,
    )


def _numbers(topics: Sequence[str]) -> list[int]:
    """The topics as numbers, in the order in which they come."""
    numbers = {topic: number for number, topic in enumerate(dict.fromkeys(topics))}
    return [numbers[topic] for topic in topics]
