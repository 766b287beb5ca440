"""Who becomes the champion, in a real registry: gates, reasons that are kept for good, comparisons gone stale."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cis_ews.errors import ConfigError, ModelError, PromotionRefusedError, RegistryError
from cis_ews.risk.registry import PROMOTIONS, Registered, Registry, TrainingRecord
from tests.lib.command import training
from tests.lib.gates import CLEAN, Steady, passed, register, validation
from tests.lib.models import catalog_model
from training.champion import Beside
from training.gates import NAMES, RECORD
from training.promotion import LONGEST, promote

REASON = "a pilot in two schools that wants <b>this</b> *label* | until summer"
NOW = datetime(2026, 8, 1, 6, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with MLflow's tables, which take longest to make, and a version of another name."""
    folder = tmp_path_factory.mktemp("made") / "models"
    Registry(folder).register(catalog_model(), TrainingRecord(), name="another")
    return folder


@pytest.fixture
def registry(tmp_path: Path, made: Path) -> Registry:
    shutil.copytree(made, tmp_path / "models")
    return Registry(tmp_path / "models")


def _lines(folder: Path) -> list[dict[str, Any]]:
    path = folder / "models" / PROMOTIONS
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def _tags(folder: Path, number: int) -> tuple[dict[str, str], dict[str, str]]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'models' / 'mlflow.db'}")
    return dict(client.get_model_version("cis-ews", str(number)).tags), dict(
        client.get_registered_model("cis-ews").tags
    )


def test_a_version_whose_gates_pass_becomes_the_champion_and_the_promotion_is_noted(
    registry: Registry, tmp_path: Path
) -> None:
    register(registry, catalog_model())
    done = promote(registry, name="cis-ews", now=NOW)
    assert (done.version.number, done.refused, done.override) == (1, (), None)
    champion = registry.champion()
    assert champion is not None
    assert (champion.number, champion.is_champion) == (1, True)
    assert [line["event"] for line in _lines(tmp_path)] == ["decided", "promoted"]
    assert [line["at"] for line in _lines(tmp_path)] == ["2026-08-01T06:30:00.000000+00:00"] * 2
    of_version, of_name = _tags(tmp_path, 1)
    assert "override" not in of_version
    assert of_version["promotion.20260801T063000.000000Z"] == of_name["promotion.20260801T063000.000000Z"]
    again = promote(registry, name="cis-ews")
    assert again.gates == ()
    assert len(_lines(tmp_path)) == 2


def test_who_is_the_champion_already_is_not_made_it_again(registry: Registry) -> None:
    """On a server another one may have been promoted since the champion was looked up."""
    for seed in (1, 2):
        register(registry, catalog_model(seed=seed))
    registry.promote(number=1)
    looked_up: list[int] = []

    def judge(_: Registered, champion: Registered | None) -> None:
        registry._client.set_registered_model_alias("cis-ews", "champion", "2")
        looked_up.append(0 if champion is None else champion.number)

    registry.promote(number=1, judge=judge)
    champion = registry.champion()
    assert looked_up == [1]
    assert champion is not None
    assert champion.number == 2


def test_a_version_that_is_refused_leaves_the_champion_and_nothing_else(registry: Registry, tmp_path: Path) -> None:
    first = register(registry, catalog_model(seed=1))
    promote(registry, name="cis-ews")
    before = _lines(tmp_path), _tags(tmp_path, 1)
    champion = registry.champion()
    register(registry, catalog_model(seed=2), passed(validation(slope=0.5), p_value=0.4), beside=champion)
    with pytest.raises(PromotionRefusedError) as caught:
        promote(registry, name="cis-ews")
    assert caught.value.details["gates"] == ["calibration_slope", "null_control"]
    assert caught.value.details["missed_by"] == pytest.approx({"calibration_slope": 0.3, "null_control": 0.35})
    assert "Version 2 of cis-ews was not promoted: 2 gates do not pass: (1) calibration_slope: " in str(caught.value)
    assert '--override "..."' in (caught.value.hint or "")
    assert registry.champion() == champion
    assert champion is not None
    assert champion.number == first.number
    assert (_lines(tmp_path), _tags(tmp_path, 1)) == before


def test_a_written_reason_goes_on_and_is_kept_for_good(registry: Registry, tmp_path: Path) -> None:
    register(registry, catalog_model(), passed(validation(slope=0.5)))
    done = promote(registry, name="cis-ews", override=REASON, now=NOW)
    assert [gate.name for gate in done.refused] == ["calibration_slope"]
    assert done.override == REASON
    of_version, of_name = _tags(tmp_path, 1)
    assert (of_version["override"], of_version["override_of"]) == (REASON, "calibration_slope")
    for kept in (json.loads(of_name["promotion.20260801T063000.000000Z"]), _lines(tmp_path)[0]):
        assert kept["override"] == REASON
        assert kept["refused"] == [done.refused[0].refusal()]
        assert (kept["number"], kept["instead_of"]) == (1, None)
    markdown, page = (registry.text(done.version, f"model_card.{ending}") or "" for ending in ("md", "html"))
    assert "## Used in spite of its gates, 2026-08-01 06:30 UTC" in markdown
    assert r"wants &lt;b&gt;this&lt;/b&gt; \*label\* \| until" in markdown
    assert "wants &lt;b&gt;this&lt;/b&gt; *label* | until" in page
    assert "missed by 0.3" in page
    assert markdown.index("in spite of") < markdown.index("What it is for")


def test_the_longest_reason_fits_into_a_tag_in_any_script(registry: Registry, tmp_path: Path) -> None:
    """A database of MLflow that is no SQLite keeps 5,000 characters in a tag of a name, and refuses more."""
    worst = passed(
        validation(slope=0.5, has_rules=False),
        Beside(number=3, why_not="champion 3 cannot be asked: " + 250 * "x"),
        p_value=0.4,
        leakage=replace(CLEAN, trusted=("a", "b")),
        stability=Steady(top3_overlap_across_seeds=None, identical_when_unchanged=False, additive=False),
    )
    register(registry, catalog_model(), worst)
    reason = "\u8a18" * LONGEST
    promote(registry, name="cis-ews", override=reason, now=NOW)
    _, of_name = _tags(tmp_path, 1)
    assert reason in of_name["promotion.20260801T063000.000000Z"]
    assert len(of_name["promotion.20260801T063000.000000Z"]) < 5_000
    assert _lines(tmp_path)[0]["override"] == reason


def test_a_reason_that_is_not_needed_is_not_kept(registry: Registry, tmp_path: Path) -> None:
    register(registry, catalog_model())
    assert promote(registry, name="cis-ews", override=REASON).override is None
    assert "override" not in _tags(tmp_path, 1)[0]


@pytest.mark.parametrize("reason", ["", "ok", "  \n ", "x" * 1_001])
def test_a_reason_has_to_be_one(registry: Registry, reason: str) -> None:
    register(registry, catalog_model(), passed(p_value=0.9))
    with pytest.raises(ConfigError, match="The reason of --override has"):
        promote(registry, name="cis-ews", override=reason)
    assert registry.champion() is None


def _two_and_a_stale_third(registry: Registry) -> Registered:
    register(registry, catalog_model(seed=1))
    first = promote(registry, name="cis-ews").version
    register(registry, catalog_model(seed=2), beside=first)
    third = register(registry, catalog_model(seed=3), beside=first)
    promote(registry, name="cis-ews", number=2)
    return third


def test_a_comparison_with_a_champion_that_is_gone_is_stale(registry: Registry) -> None:
    third = _two_and_a_stale_third(registry)
    with pytest.raises(PromotionRefusedError, match="current_champion: it was compared with champion 1") as caught:
        promote(registry, name="cis-ews", number=third.number)
    assert "the champion of now is 2" in caught.value.message
    assert "train again on the same extract" in (caught.value.hint or "")
    done = promote(registry, name="cis-ews", number=third.number, override=REASON)
    assert [gate.name for gate in done.refused] == ["current_champion"]


def test_a_version_that_was_compared_with_nobody_is_stale_once_there_is_a_champion(registry: Registry) -> None:
    register(registry, catalog_model(seed=1))
    register(registry, catalog_model(seed=2))
    promote(registry, name="cis-ews", number=1)
    with pytest.raises(PromotionRefusedError, match="it was compared with no champion, the champion of now is 1"):
        promote(registry, name="cis-ews")


def test_a_version_without_gates_does_not_pass_one(registry: Registry) -> None:
    registry.register(catalog_model(), TrainingRecord())
    with pytest.raises(PromotionRefusedError, match="the version was registered without gates") as caught:
        promote(registry, name="cis-ews")
    assert caught.value.details["gates"] == list(NAMES)


def test_a_gate_that_is_not_in_the_record_was_not_measured(registry: Registry) -> None:
    kept = passed()
    del kept["leakage"]
    register(registry, catalog_model(), kept)
    with pytest.raises(PromotionRefusedError, match="leakage: not measured, it is not in the version's record"):
        promote(registry, name="cis-ews")


def test_a_record_that_was_changed_is_noticed(registry: Registry, tmp_path: Path) -> None:
    register(registry, catalog_model(), passed(p_value=0.9))
    (record,) = (tmp_path / "models").rglob(RECORD)
    record.write_text(record.read_text(encoding="utf-8").replace('"value": 0.9', '"value": 0.01'), encoding="utf-8")
    with pytest.raises(ModelError, match="not the one that was registered"):
        promote(registry, name="cis-ews", override=REASON)
    assert registry.champion() is None


def test_a_record_of_another_model_counts_for_nothing(registry: Registry, tmp_path: Path) -> None:
    other = register(registry, catalog_model(seed=1))
    register(registry, catalog_model(seed=2))
    text = registry.text(other, RECORD)
    assert text is not None
    from mlflow import MlflowClient

    from training.gates import RECORD_HASH, hash_of

    MlflowClient(f"sqlite:///{tmp_path / 'models' / 'mlflow.db'}").set_model_version_tag(
        "cis-ews", "2", RECORD_HASH, hash_of(text)
    )
    path = registry.path_of(Registered(name="cis-ews", number=2, model_version=""), RECORD)
    assert path is not None
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PromotionRefusedError, match="the record is of another model"):
        promote(registry, name="cis-ews", number=2)


def test_a_registry_that_cannot_be_written_promotes_nothing(registry: Registry, tmp_path: Path) -> None:
    register(registry, catalog_model(), passed(p_value=0.9))
    read_only = Registry(f"sqlite:///file:{tmp_path / 'models' / 'mlflow.db'}?mode=ro&uri=true")
    with pytest.raises(RegistryError, match="it is read-only") as caught:
        promote(read_only, name="cis-ews", override=REASON)
    assert "nothing was registered or promoted" in (caught.value.hint or "")
    assert registry.champion() is None
    assert "override" not in _tags(tmp_path, 1)[0]


def test_a_list_of_promotions_that_cannot_be_written_keeps_anybody_from_the_place(
    registry: Registry, tmp_path: Path
) -> None:
    register(registry, catalog_model())
    (tmp_path / "models" / PROMOTIONS).mkdir()
    with pytest.raises(RegistryError, match="Cannot write to the registry"):
        promote(registry, name="cis-ews")
    assert registry.champion() is None


def test_a_registry_that_is_not_there_stays_so(tmp_path: Path) -> None:
    done = training("promote", "--store", tmp_path / "store")
    assert done.code == 4
    assert "has no model" in done.err
    assert not (tmp_path / "store").exists()


def test_the_command_says_which_gate_and_by_how_much(registry: Registry, tmp_path: Path) -> None:
    register(registry, catalog_model(), passed(validation(slope=0.5)))
    refused = training("promote", "--store", tmp_path)
    assert refused.code == 4
    assert "calibration_slope: the slope of calibration is 0.50; asked is 0.8 to 1.2, missed by 0.3" in refused.err
    assert training("promote", "--store", tmp_path, "--json").error["details"]["gates"] == ["calibration_slope"]
    assert training("promote", "--store", tmp_path, "--override", "ok").code == 2
    done = training("promote", "--store", tmp_path, "--override", REASON)
    assert done.code == 0
    assert "9 of 10 gates pass" in done.out
    assert f"overridden, and kept for good: {REASON[:20]}" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
