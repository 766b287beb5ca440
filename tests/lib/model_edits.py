"""Edits of a saved model, sealed anew, as somebody could make them who wants to lead a service astray.

    python -m tests.lib.model_edits whole.json changed.json 300 5

makes so many, from this seed, and asks each model that can still be read. It writes how many were refused.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import polars as pl

from cis_ews.errors import ModelError
from cis_ews.risk.model import RiskModel
from cis_ews.risk.model_file import sealed
from tests.lib.model_frames import learnable

NUMBERS = ["", "nan", "-1", "9" * 30, "1e999", "1e308", "0", "3", "x", "1_0", "0x1", "\u0663", "=", "\n"]
VALUES = [None, True, -1, 0, 0.5, 1, 3, 1e308, -1e308, "", "x", "level", [], [1], {}, ["day"], [["day"], ["day"]]]
HEADER_LINES = 11


def main() -> int:
    """Edit, load, ask; end with an error where a model answers with nonsense."""
    whole, changed, edits, seed = sys.argv[1:]
    draw, refused = random.Random(int(seed)), 0
    for number in range(int(edits)):
        said = json.loads(Path(whole).read_bytes())
        if number % 3:
            _edit_line(said["trees"]["text"], draw)
        else:
            _edit_value(said, draw)
        write_sealed(Path(changed), said)
        refused += not _answers(Path(changed))
    sys.stdout.write(f"{refused}\n")
    return 0


def write_sealed(path: Path, said: dict[str, Any]) -> None:
    """Write a model file whose seal fits what it says."""
    path.write_bytes(sealed({key: value for key, value in said.items() if key != "seal"}))


def fit_sizes(lines: list[str]) -> None:
    """Say in the header how long each tree is now."""
    sizes = [str(len(block) + len("\nTree=")) for block in "\n".join(lines).split("\nTree=")[1:]]
    # The last one ends before the line that says so.
    sizes[-1:] = [str(int(size) - len("\nend of trees")) for size in sizes[-1:] if lines[-1] == "end of trees"]
    lines[:] = ["tree_sizes=" + " ".join(sizes) if line.startswith("tree_sizes=") else line for line in lines]


def _edit_line(lines: list[str], draw: random.Random) -> None:
    at = draw.randrange(HEADER_LINES) if draw.random() < 0.2 else draw.randrange(len(lines))
    match draw.randrange(6):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, draw.choice([lines[at], "average_output", "x=1"]))
        case _:
            key, equals, numbers = lines[at].partition("=")
            parts = numbers.split(" ")
            place = draw.randrange(len(parts))
            parts[place] = draw.choice([*NUMBERS, f"{parts[place]} {parts[place]}", parts[-1]])
            lines[at] = key + equals + " ".join(parts)
    if draw.random() < 0.9:
        fit_sizes(lines)


def _edit_value(said: dict[str, Any], draw: random.Random) -> None:
    owner: Any = said
    key: Any = draw.choice([key for key in said if key not in ("about", "summary")])
    while isinstance(owner[key], dict | list) and owner[key] and draw.random() < 0.8:
        owner = owner[key]
        key = draw.choice(list(owner)) if isinstance(owner, dict) else draw.randrange(len(owner))
    owner[key] = draw.choice(VALUES)


def _answers(path: Path) -> bool:
    """Whether the model is one. Raises AssertionError where its answers make no sense."""
    frame, _ = learnable(20)
    try:
        model = RiskModel.load(path)
        told, risk = model.contributions(frame), model.predict(frame)
    except ModelError:
        return False
    parts, margin = told.drop("margin"), told["margin"]
    # A sum is as exact as its largest part allows, and an edit may make it very large.
    largest = parts.select(pl.max_horizontal(pl.all().abs(), 1.0)).to_series()
    assert ((risk >= 0.0) & (risk <= 1.0)).all()
    assert ((parts.sum_horizontal() - margin).abs() <= 1e-9 * largest).all()
    return True


if __name__ == "__main__":
    sys.exit(main())
