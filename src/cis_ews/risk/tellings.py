"""What can be told of a student: each sentence of the catalog, when it fits, and in which words.

One table for everything that is done with a sentence. The columns of a frame of `rows` are indicators by their names,
and for each feature its value, what its comparison compares, and the median of that among the student's peers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from operator import ge, le

import polars as pl

from cis_ews.enums import Direction
from cis_ews.risk.feature_catalog import Feature
from cis_ews.risk.feature_catalog.feature import Column, Term, Told
from cis_ews.risk.features import evaluated
from cis_ews.risk.templates import template_fields

DIRECTIONS = tuple(Direction)
MEDIAN = "__median_"
OWN = "__own_"
VALUE = "__value_"


@dataclass(frozen=True, slots=True)
class Telling:
    """A sentence that a feature may lend to its topic, in one direction; `place` is that of the feature."""

    feature: Feature
    place: int
    direction: Direction
    told: Told

    @property
    def number(self) -> Term:
        """The number beside the sentence."""
        return self.feature.number or Column(self.feature.indicator)

    @property
    def speaks_of(self) -> tuple[str, ...]:
        """The indicators whose numbers stand in the sentence or beside it."""
        return (*template_fields(self.told.sentence), *self.number.reads)

    @property
    def templates(self) -> tuple[str, ...]:
        """The sentence, alone and with each thing that may be said of the peers, in the order of `tail`."""
        sentence, comparison = self.told.sentence, self.feature.comparison
        if comparison is None or self.direction == Direction.UNKNOWN:
            return (sentence,)
        of_peers = (comparison.none, comparison.fewer, comparison.more)
        median = "{" + MEDIAN + self.feature.name
        return (sentence, *(f"{sentence}; {text.replace('{median', median)}" for text in of_peers))


def tellings_of(explained: Sequence[Feature]) -> list[Telling]:
    """Every telling of these features, by direction; those of one feature in the order in which they are tried."""
    return [
        Telling(feature, place, direction, told)
        for direction in DIRECTIONS
        for place, feature in enumerate(explained)
        for told in _sentences(feature, direction)
    ]


def _sentences(feature: Feature, direction: Direction) -> tuple[Told, ...]:
    if direction == Direction.UNKNOWN:
        return () if feature.unknown is None else (Told(sentence=feature.unknown),)
    return feature.risk if direction == Direction.RISK else feature.strength


@cache
def fits(telling: Telling) -> pl.Expr:
    """Whether a sentence can be told: the numbers are known, and lie on its side of the reference and of the peers."""
    feature, told = telling.feature, telling.told
    value = pl.col(VALUE + feature.name)
    if telling.direction == Direction.UNKNOWN:
        return value.is_null()
    conditions = [value.is_not_null(), *(pl.col(name).is_not_null() for name in sorted(set(telling.speaks_of)))]
    # The limits as Float32, like the features: 0.1 is then 0.1 on both sides.
    if told.at_least is not None:
        conditions += [value >= pl.lit(told.at_least, dtype=pl.Float32), *_beside_peers(feature, beyond=ge)]
    if told.at_most is not None:
        conditions += [value <= pl.lit(told.at_most, dtype=pl.Float32), *_beside_peers(feature, beyond=le)]
    return pl.all_horizontal(conditions).fill_null(value=False)


def _beside_peers(feature: Feature, *, beyond: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> Iterator[pl.Expr]:
    if feature.comparison is not None:
        own, median = pl.col(OWN + feature.name), pl.col(MEDIAN + feature.name)
        yield beyond(own, median).fill_null(value=True)


@cache
def value_of(telling: Telling) -> pl.Expr:
    """The number beside the sentence; null where the sentence speaks of what is missing."""
    if telling.direction == Direction.UNKNOWN:
        return pl.repeat(None, pl.len(), dtype=pl.Float64)
    return evaluated(telling.number)


@cache
def tail(telling: Telling) -> pl.Expr:
    """Which of the telling's templates is told: with what half of the peers have, where it is known and differs from
    what the student has."""
    if len(telling.templates) == 1:
        return pl.repeat(0, pl.len(), dtype=pl.UInt8)
    own, median = pl.col(OWN + telling.feature.name), pl.col(MEDIAN + telling.feature.name)
    number = (
        pl.when((median < own) & (median == 0))
        .then(1)
        .when(median < own)
        .then(2)
        .when(median > own)
        .then(3)
        .otherwise(0)
    )
    return number.cast(pl.UInt8)
