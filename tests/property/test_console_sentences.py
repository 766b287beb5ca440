"""What rules and features say of any student is found again from its words, and keeps its numbers in Spanish."""

from __future__ import annotations

import random
import re
from collections import Counter
from datetime import date

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from cis_ews.enums import GradeLevel
from cis_ews.risk.explanations import explain
from cis_ews.risk.feature_catalog import FEATURES
from cis_ews.risk.features import build_features
from cis_ews.risk.rules import RulesModel
from cis_ews.risk.sentences import FACTS_PLACE
from cis_ews.risk.templates import render, template_fields
from serving.console.catalogs import translations
from serving.console.sentences import pieces, translated
from tests.lib.random_schools import schools

FALL, JUNE = date(2025, 10, 20), date(2026, 6, 10)
NUMBER = re.compile(r"\d+(?:\.\d+)?")
RULES = RulesModel()
TEMPLATES = [piece for piece in pieces() if FACTS_PLACE not in piece]
FIELDS = sorted({name for piece in TEMPLATES for name in template_fields(piece)} - {"grade_level"})
NUMBERS = st.sampled_from([0, 1, 2, 20, 45]) | st.integers(-5_000, 100_000) | st.decimals(-99, 999, places=2)


@given(
    rows=st.lists(st.tuples(st.sampled_from(GradeLevel), *[NUMBERS] * len(FIELDS)), min_size=1, max_size=4),
    share=st.floats(0, 1),
)
def test_each_template_is_found_again_and_keeps_its_numbers(rows: list[tuple[GradeLevel, float]], share: float) -> None:
    """The same as the Spanish template, rendered as the night renders the English one."""
    columns = zip(*rows, strict=True)
    grades = pl.Series("grade_level", [str(grade) for grade in next(columns)])
    numbers = [
        pl.Series(name, map(float, column), dtype=pl.Float64) for name, column in zip(FIELDS, columns, strict=True)
    ]
    frame = pl.DataFrame([grades, *numbers]).with_columns(pl.col("^absence_rate_.*$") * share / 1_000)
    catalog = translations("es")
    english = frame.select(render(piece).alias(str(at)) for at, piece in enumerate(TEMPLATES))
    spanish = frame.select(render(catalog.gettext(piece)).alias(str(at)) for at, piece in enumerate(TEMPLATES))
    for stored, expected in zip(english.rows(), spanish.rows(), strict=True):
        assert [translated(sentence, "es") for sentence in stored] == list(expected)


@given(indicators=schools(), seed=st.integers(0, 999), as_of=st.sampled_from([FALL, JUNE]))
def test_whatever_a_night_says_of_students_is_said_in_spanish(indicators: pl.DataFrame, seed: int, as_of: date) -> None:
    """Facts that are joined, what peers have, what is not known: no sentence is left over, and no number changes."""
    results = RULES.evaluate(indicators, as_of=as_of)
    order, features = random.Random(seed), build_features(indicators)
    weights = {each.name: [order.choice([-1.0, 0.1, 1.0]) for _ in range(features.height)] for each in FEATURES}
    reasons = explain(features, features.select("student_id").hstack(pl.DataFrame(weights)), indicators)
    by_rules = RULES.reasons(indicators, results, as_of=as_of)
    said = pl.concat([each.get_column("sentence") for each in (results, reasons, by_rules)]).drop_nulls().unique()
    for sentence in said:
        spanish = translated(sentence, "es")
        assert spanish is not None, re.sub(r"\d", "0", sentence)
        assert Counter(NUMBER.findall(spanish)) == Counter(NUMBER.findall(sentence))
        assert spanish[0].isupper()
