"""The demo as the Makefile has it, and the parts of what it prints that the README shows.

Make the README's blocks anew: python -m tests.lib.demo
"""

from __future__ import annotations

import contextlib
import re
import shlex
import tempfile
from pathlib import Path

from tests.lib.command import Done, command, training

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
FLAGS_SHOWN = 2


def recipe() -> list[list[str]]:
    """The words of each line of the target `demo` that runs a program of ours, up to where the service begins."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    as_of = re.search(r"^AS_OF := (\S+)$", text, flags=re.MULTILINE)
    assert as_of is not None
    target = text.split("\ndemo: ", 1)[1].split("\nifneq", 1)[0]
    lines = [line.removeprefix("\t$(BIN)/") for line in target.splitlines() if line.startswith("\t$(BIN)/")]
    return [shlex.split(line.replace("$(AS_OF)", as_of[1])) for line in lines]


def run_demo(folder: Path, *, students: int | None = None) -> dict[str, Done]:
    """Run the recipe in a folder: verb -> how it ended and what it wrote."""
    lines = [[str(students) if students and word == "2400" else word for word in line] for line in recipe()]
    (folder / "configs").symlink_to(ROOT / "configs")
    with contextlib.chdir(folder):
        return dict(_run(line) for line in lines)


def _run(line: list[str]) -> tuple[str, Done]:
    if line[0] == "cis-ews":
        return line[1], command(*line[1:])
    assert line[:3] == ["python", "-m", "training"]
    return "promote" if line[3] == "promote" else "train", training(*line[3:])


def readme_with(done: dict[str, Done]) -> str:
    """The README with the blocks that this demo has printed."""
    score, flags = done["score"].out, done["flags"].out
    trained = done["train"].out.strip().split("\n\n")
    paragraphs = {paragraph.splitlines()[0]: paragraph for paragraph in score.strip().split("\n\n")}
    printed = "\n\n".join(paragraphs[title].rstrip() for title in ("Cohort flow", "Tiers by school"))
    first = "\n\n".join(flags.split("\n\n")[: 1 + FLAGS_SHOWN]).rstrip()
    text = README.read_text(encoding="utf-8")
    table = next(paragraph for paragraph in trained if paragraph.startswith("off_track, measured on"))
    for name, block in {"training": table.rstrip(), "demo": printed, "flags": first}.items():
        body = f"<!-- {name} -->\n```text\n{block}\n```\n<!-- /{name} -->"
        text = re.sub(rf"<!-- {name} -->.*?<!-- /{name} -->", lambda _, body=body: body, text, flags=re.DOTALL)
    return text


def main() -> None:
    """Write the README's blocks."""
    with tempfile.TemporaryDirectory() as folder:
        README.write_text(readme_with(run_demo(Path(folder))), encoding="utf-8")


if __name__ == "__main__":
    main()
