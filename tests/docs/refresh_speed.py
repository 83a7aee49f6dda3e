"""Write what the committed runs say of the speed into docs/speed.md: ``python -m tests.docs.refresh_speed``."""

import re
from pathlib import Path

from bench.compute.ladder import summarize_ladder
from bench.compute.race import summarize_race
from bench.compute.scaling import summarize_scale
from bench.implementations import FLOORS, IMPLEMENTATIONS
from bench.records import read_description, read_rows
from bench.run.race import TARGETS
from bench.run.scale import AXES, FETCH
from bench.show.drawing import Drawing, save
from bench.show.ladder import draw_ladder, ladder_sentences, ladder_table
from bench.show.race import draw_race, race_sentences, race_table
from bench.show.scaling import draw_scaling, scaling_sentences, scaling_table
from bench.show.table import to_markdown

ROOT = Path(__file__).parents[2]
PAGE, REFERENCE = ROOT / "docs" / "speed.md", ROOT / "results" / "reference"


RUNS = ("ladder", "ladder-threads", "ladder-per-case", "scale", "race")
"""Folders of the committed runs."""


def shown() -> dict[str, tuple[list[str], list[str], Drawing]]:
    """Return sentences, tables and figure of every committed run."""
    runs = {name: (read_description(REFERENCE / name), read_rows(REFERENCE / name)) for name in RUNS}
    sides = {name: known.side for name, known in {**IMPLEMENTATIONS, **FLOORS}.items()}
    ladders = {name: summarize_ladder(*runs[name], sides) for name in RUNS if name.startswith("ladder")}
    counted = {name: what for name, (what, _) in AXES.items()}
    scale = summarize_scale(*runs["scale"], counted, list(FLOORS), FETCH)
    found = {
        name: (ladder_sentences(ladder), [to_markdown(ladder_table(ladder))], draw_ladder(ladder))
        for name, ladder in ladders.items()
    }
    tables = [to_markdown(scaling_table(item)) for item in scale]
    race = summarize_race(*runs["race"], TARGETS)
    return {
        **found,
        "scale": (scaling_sentences(scale), tables, draw_scaling(scale)),
        "race": (race_sentences(race), [to_markdown(race_table(race))], draw_race(race)),
    }


def blocks() -> dict[str, str]:
    """Return what stands in each block of the page."""
    found = {}
    for name, (sentences, tables, _) in shown().items():
        text = "".join(f"* {sentence}\n" for sentence in sentences) + "\n" + "\n".join(tables) + "\n"
        found[name] = text.replace("\N{NO-BREAK SPACE}", " ")
    return found


def pattern(name: str) -> re.Pattern[str]:
    """Return what finds a block in the page."""
    return re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)


def refresh() -> None:
    """Put the blocks into the page and draw its figures."""
    text = PAGE.read_text(encoding="utf-8")
    for name, block in blocks().items():
        text = pattern(name).sub(lambda _, block=block: block, text)  # type: ignore[misc]
    PAGE.write_text(text, encoding="utf-8")
    for name, (_, _, drawing) in shown().items():
        save(drawing, REFERENCE / name / "figures")


if __name__ == "__main__":
    refresh()
