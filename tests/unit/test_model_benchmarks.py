"""The benchmarks of the model run and say what they found; no times are judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks import accuracy, model, shap
from cis_ews.evaluation.accuracy import Accuracy

NEEDS_DATA = pytest.mark.skipif(
    not (accuracy.DATA / "cases.json").is_file(), reason="the public data sets are not beside the repository"
)
ROOT = Path(__file__).parents[2]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.accuracy", *arguments], cwd=ROOT, check=False, capture_output=True, text=True
    )


def test_without_data_the_reason_is_said(tmp_path: Path) -> None:
    done = _run("--data", str(tmp_path))
    assert done.returncode == 0
    assert "nothing was measured: there is no cases.json" in done.stdout


@NEEDS_DATA
def test_one_case_is_measured_and_reaches_the_floor() -> None:
    done = _run("--case", "faketucky")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "faketucky: 5,000 rows, 18.7% positive, 5 features" in done.stdout
    assert "the floor is reached" in done.stdout
    assert "\nAUROC wanted 0.835 (best entry and .003): 0.8" in done.stdout
    assert "\nBrier wanted 0.1080 at most (best entry and 0.001): 0.1" in done.stdout
    assert "\nfaketucky: AUROC wanted 0.835 (best entry and .003): 0.8" in done.stdout.split("case by case")[1]
    assert max(map(len, done.stdout.splitlines())) <= 100


def _folds(**values: float) -> list[Accuracy]:
    """Five folds at the floor of Faketucky, or at these values, with a standard deviation of .01 in every measure."""
    floor = accuracy.FLOORS["faketucky"]
    reached = {name: values.get(name, getattr(floor, name)) for name in accuracy.MEASURES}
    nothing = {"rows": 1_000, "positives": 187, "base_rate": 0.187, "recall_at_5": 0.0, "recall_at_10": 0.0}
    apart = np.array([-0.01, -0.01, 0.0, 0.01, 0.01]) / np.sqrt(0.8)
    return [Accuracy(**nothing, **{name: value + step for name, value in reached.items()}) for step in apart]  # pyright: ignore


@pytest.mark.parametrize("measure", accuracy.MEASURES)
def test_each_measure_has_to_reach_its_floor(measure: str, capsys: pytest.CaptureFixture[str]) -> None:
    floor = accuracy.FLOORS["faketucky"]
    spread = floor.fold_sd if measure == "auroc" else 0.01
    worse = spread if measure == "brier" else -spread
    case = accuracy.Case("faketucky", pl.DataFrame({"gpa": [1.0, 2.0]}), np.array([0.0, 1.0]))
    for times, code in ((0.95, 0), (1.05, 1), (-3.0, 0)):
        folds = _folds(**{measure: getattr(floor, measure) + times * worse})
        assert accuracy.report(case, {"RiskModel": folds}) == code
        last = capsys.readouterr().out.splitlines()[-1]
        assert last == (f"BELOW THE FLOOR by more than one fold SD: {measure}" if code else accuracy.REACHED)


def test_goals_are_those_that_were_set() -> None:
    wanted = {name: accuracy.goal_of(name) for name in accuracy.FLOORS}
    assert {name: (goal.auroc, goal.brier) for name, goal in wanted.items()} == {
        "hsls09_paper": (0.800, 0.108),
        "hsls09_gpa": (0.832, 0.099),
        "faketucky": (0.835, 0.108),
        "uci320_maths": (0.901, 0.108),
        "uci697_semester1": (0.880, 0.122),
    }


@pytest.mark.parametrize(("name", "step", "missed"), [("auroc", -0.002, 0), ("brier", 0.0005, 1)])
def test_a_goal_is_reached_or_said_to_be_missed_and_by_how_much(name: str, step: float, missed: int) -> None:
    goal = accuracy.goal_of("faketucky")
    at_goal = {"auroc": goal.auroc + 1e-9, "brier": goal.brier - 1e-9}
    assert [line.endswith(", reached") for line in accuracy.goal_lines(goal, _folds(**at_goal))] == [True, True]
    lines = accuracy.goal_lines(goal, _folds(**(at_goal | {name: at_goal[name] + step})))
    assert lines[missed].endswith(f", NOT REACHED, {abs(step):.4f} short")
    assert lines[1 - missed].endswith(", reached")


@NEEDS_DATA
@pytest.mark.parametrize("name", accuracy.FLOORS)
def test_cases_are_read_as_they_are_described(name: str) -> None:
    rows = {"hsls09_paper": 13_865, "hsls09_gpa": 13_865, "faketucky": 5_000, "uci320_maths": 395}.get(name, 4_424)
    shares = {"hsls09_paper": 0.157, "hsls09_gpa": 0.157, "faketucky": 0.187, "uci320_maths": 0.329}
    case = accuracy.load_case(accuracy.DATA, name)
    assert case.features.height == case.label.size == rows
    assert case.label.mean() == pytest.approx(shares.get(name, 0.321), abs=0.001)
    held = np.concatenate([held for _, held in case.folds()])
    assert sorted(held.tolist()) == list(range(rows))


def test_speed_is_measured_beside_the_same_trees() -> None:
    fit, predict = model.measure(rows=2_000, features=8)
    assert (fit.work, fit.rows, predict.work, predict.rows) == ("fit", 2_000, "predict", 2_000)
    assert min(fit.seconds, fit.baseline, predict.seconds, predict.baseline) > 0


def test_explaining_is_measured_beside_the_oracles_and_agrees_with_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert shap.main(["--rows", "1500", "--trees", "4", "--threads", "1", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [each["model"] for each in said["measured"]] == list(shap.MODELS)
    for each in said["measured"]:
        assert min(each["pred_contrib"], each["tree_explainer"], each["ours"], each["table_mb"]) > 0
        assert max(each["difference"], each["additivity"]) < 1e-9


def test_the_table_of_explanations_has_a_line_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert shap.main(["--rows", "600", "--trees", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:20].strip() for line in lines[3:]] == list(shap.MODELS)
    assert max(map(len, lines)) <= 120
