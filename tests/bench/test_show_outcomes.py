"""What the report says of the mistakes of trained networks."""

import dataclasses
import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backprop_bench.bench.compare.figures import FURTHER, MAIN, left_out
from backprop_bench.bench.compare.report import Material, make_report
from backprop_bench.bench.core.network import LabelledExamples, Outcomes, TrainedNetwork
from backprop_bench.bench.core.summary import Summary
from backprop_bench.bench.predictions.view import prediction_sentences, prediction_tables
from backprop_bench.bench.report import style
from backprop_bench.bench.report.blocks import Report, Section, Shown
from backprop_bench.bench.report.drawing import Drawing, FigureFile, save
from backprop_bench.bench.report.markdown import to_markdown_page
from backprop_bench.bench.report.page import to_html_page
from backprop_bench.bench.report.panel import make_panel
from backprop_bench.bench.report.table import Table
from backprop_bench.data import RECIPES, Layer
from tests.bench.plain import summarize
from tests.bench.recorded import made_up_outcomes, recorded_run
from tests.bench.test_show_report import HTML_NAME, LONG_NAME

OWN = ("confusion", "disagreements", "most-confident-errors", "hidden-units")
HEADING = "What do they get wrong?"
PAIR = ("scratch-numpy", "torch-eager")


def summary_of(implementations: tuple[str, ...] = PAIR, n_classes: int = 10, **knobs: Any) -> Summary:
    description, rows = recorded_run(implementations, seeds=(0,), epochs=1)
    return summarize(description, rows, made_up_outcomes(description, n_classes, **knobs))


def drawn(summary: Summary) -> dict[str, Drawing]:
    """Draw the figures of outcomes that there are."""
    with style.look():
        return {kind.name: kind.draw(summary) for kind in FURTHER if kind.name in OWN and kind.missing(summary) is None}


def tables_of(summary: Summary) -> dict[str, Table]:
    return {table.title: table for table in prediction_tables(summary)}


KNOBS: dict[str, dict[str, Any]] = {
    "as it should be": {},
    "three classes": {"n_classes": 3},
    "names of classes": {"names": [f"{number} a rather long name" for number in range(10)]},
    "no mistakes": {"wrong": 0.0},
    "all wrong": {"wrong": 1.0},
    "one network": {"only": PAIR[:1]},
    "implementations that differ": {"implementations_differ": 3},
    "HTML in names": {"implementations": ("scratch-$x$|`", HTML_NAME)},
    "long names": {"implementations": (LONG_NAME, "torch-" + "y" * 200)},
    "control characters": {"implementations": ("scratch-\x1b[2J\x00\n", "torch-\u202e--x")},
    "as many classes as are drawn": {"n_classes": 20},
    "300 classes": {"n_classes": 300, "n_examples": 900},
    "no square images": {"side": 30**0.5},
}


@pytest.mark.slow
@pytest.mark.parametrize("knobs", KNOBS.values(), ids=KNOBS)
def test_whatever_the_networks_do_what_can_be_drawn_is_and_the_rest_has_a_reason(knobs: dict[str, Any]) -> None:
    summary = summary_of(**knobs)
    result = drawn(summary)
    assert result.keys() | (left_out(summary).keys() & set(OWN)) == set(OWN)
    for drawing in result.values():
        assert len(drawing.title) > 10
        assert len(drawing.alt) > 60
        assert drawing.title in drawing.alt
        assert all(ord(letter) >= 32 for letter in drawing.alt)
    assert len(prediction_sentences(summary)) == 2
    assert all(table.rows for table in prediction_tables(summary))


@pytest.mark.slow
def test_the_same_networks_give_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        for drawing in drawn(small(FIRST, SECOND, LABELS)).values():
            save(drawing, tmp_path / folder)
    one, other = (sorted((tmp_path / folder).iterdir()) for folder in ("one", "other"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]
    assert len(one) == 2 * len(OWN)


def small(first: list[int], second: list[int], labels: list[int], recipe: str = "shared") -> Summary:
    """Return a run of two networks of three classes with these predictions."""
    description, rows = recorded_run(PAIR, seeds=(0,), epochs=1)
    planned = description["plan"]["questions"][1:]
    planned[0]["entries"][1] |= {"recipe_name": recipe, "recipe": RECIPES[recipe].to_dict()}
    description = {**description, "plan": {**description["plan"], "questions": planned}}
    layers = tuple(Layer(np.full(shape, 0.5, np.float32), None) for shape in ((4, 2), (2, 3)))
    networks = tuple(
        TrainedNetwork("same-recipe", name, 0, 1, layers, np.array(predicted), shares, (0.0, 1.0), "sigmoid", "softmax")
        for name, predicted in zip(PAIR, (first, second), strict=True)
        for shares in [np.linspace(0.9, 0.5, len(predicted)).astype(np.float32)]
    )
    examples = LabelledExamples(
        np.zeros((len(labels), 4), np.uint8), (0.0, 255.0), np.array(labels), ("zero", "one", "two")
    )
    rows = [row for row in rows if row["question"] == "same-recipe"]
    return summarize(description, rows, Outcomes(networks, examples))


LABELS = [0, 0, 0, 0, 1, 1, 2, 2]
FIRST = [0, 0, 0, 1, 1, 1, 2, 0]
SECOND = [0, 0, 1, 1, 1, 1, 2, 2]


def test_the_sentence_and_the_table_of_disagreements_say_who_is_right() -> None:
    summary = small(FIRST, SECOND, LABELS, recipe="article-torch")
    (sentence,) = prediction_sentences(summary)
    sentence = sentence.replace("\N{NO-BREAK SPACE}", " ")
    assert "of 8 test examples, scratch-numpy predicts 2 and torch-eager predicts 2 wrong." in sentence
    assert "They disagree on 2 (25.00 %): scratch-numpy alone is right in 1, torch-eager alone" in sentence
    assert "McNemar's exact test: p = 1" in sentence
    (rows,) = (table.rows for title, table in tables_of(summary).items() if title.startswith("Disagreements"))
    assert rows == ((*PAIR, "2", "1", "1", "0", "1"),)


def test_recall_and_precision_stand_side_by_side_with_the_names_of_the_classes() -> None:
    summary = small(FIRST, SECOND, LABELS)
    (table,) = (table for title, table in tables_of(summary).items() if title.startswith("Recall and precision"))
    assert [row[:2] for row in table.rows] == [("zero", "4"), ("one", "2"), ("two", "2")]
    shares = [[cell.split(" ")[0] for cell in row[2:]] for row in table.rows]
    assert shares == [
        ["75.00", "50.00", "75.00", "100.00"],
        ["100.00", "100.00", "66.67", "50.00"],
        ["50.00", "100.00", "100.00", "100.00"],
    ]


def test_agreement_with_the_same_recipe_is_as_expected_and_has_no_figure() -> None:
    summary = small(FIRST, FIRST, LABELS)
    (sentence,) = prediction_sentences(summary)
    assert sentence.endswith("Their predictions agree on all of them, as expected with the same recipe.")
    assert "never disagree" in left_out(summary)["disagreements"]
    assert "make the same errors" in drawn(summary)["confusion"].title


def test_agreement_with_different_recipes_is_not_called_expected() -> None:
    (sentence,) = prediction_sentences(small(FIRST, FIRST, LABELS, recipe="article-torch"))
    assert sentence.endswith("Their predictions agree on all of them.")


def test_disagreements_with_the_same_recipe_are_no_finding_about_which_is_better() -> None:
    (sentence,) = prediction_sentences(small(FIRST, SECOND, LABELS))
    assert "McNemar" not in sentence
    assert sentence.endswith("only rounding can make predictions differ.")


def test_titles_name_the_most_frequent_confusion_and_the_most_confident_error() -> None:
    result = drawn(small(FIRST, SECOND, LABELS))
    confused = "Most frequent confusion: zero as one (scratch-numpy), zero as one (torch-eager)"
    assert result["confusion"].title == confused
    error = result["most-confident-errors"].title.replace("\N{NO-BREAK SPACE}", " ")
    assert error == "Most confident error: scratch-numpy 72.9 %, torch-eager 78.6 %"
    assert result["disagreements"].title.startswith("scratch-numpy and torch-eager disagree on 2 of 8 test examples")


def test_hidden_units_with_the_same_recipe_are_the_same_units_with_their_difference_in_the_title() -> None:
    summary = small(FIRST, FIRST, LABELS)
    assert summary.outcomes is not None
    first, second = summary.outcomes.networks
    moved = Layer(second.layers[0].weight + np.float32(0.25), None)
    second = dataclasses.replace(second, layers=(moved, second.layers[1]))
    summary = dataclasses.replace(summary, outcomes=dataclasses.replace(summary.outcomes, networks=(first, second)))
    assert drawn(summary)["hidden-units"].title.endswith("torch-eager differ by at most 0.25")


def test_too_many_classes_for_a_matrix_are_a_table_of_the_most_frequent_confusions() -> None:
    summary = summary_of(n_classes=300, n_examples=900)
    assert left_out(summary)["confusion"].startswith("300 classes are too many for a matrix")
    confusions = [table for title, table in tables_of(summary).items() if title.startswith("Most frequent confusions")]
    assert [len(table.rows) for table in confusions] == [20, 20]
    counted = [int(row[2]) + int(row[3]) for row in confusions[0].rows]
    assert counted == sorted(counted, reverse=True)
    assert not any(title.startswith("Most frequent") for title in tables_of(summary_of()))


def test_inputs_that_are_no_square_image_are_in_tables() -> None:
    summary = summary_of(side=30**0.5)
    assert {name: reason for name, reason in left_out(summary).items() if name in OWN} == dict.fromkeys(
        OWN[1:], "30 inputs are no square image"
    )
    titles = [title.partition(":")[0] for title in tables_of(summary)]
    assert titles.count("Examples with different predictions") == 1, "the same recipe agrees"
    assert titles.count("Most confident errors") == 2


NO_NETWORK = make_panel(())


def report_of(summary: Summary, folder: Path) -> Report:
    """Put a report together from figures of which nothing but the names is there."""
    kinds = [kind.name for kind in (*MAIN, *FURTHER) if kind.missing(summary) is None]
    paths = {name: folder / f"{name}.svg" for name in kinds}
    return make_report(
        Material(summary), {name: FigureFile(name, name, name, path, path) for name, path in paths.items()}
    )


def section_of(report: Report, heading: str = HEADING) -> Section:
    return next(part for part in (*report.sections, *report.appendix) if part.heading == heading)


def test_the_section_stands_in_the_appendix_between_times_and_causes_with_all_its_figures(tmp_path: Path) -> None:
    report = report_of(summary_of(), tmp_path)
    headings = [section.heading for section in report.appendix]
    assert headings[1:4] == ["Times and accuracies", HEADING, "Recipes and causes"]
    shown = [block.what for block in section_of(report).blocks if isinstance(block, Shown)]
    assert [what.name for what in shown if isinstance(what, FigureFile)] == list(OWN)


def test_the_words_of_the_page_are_there_before_any_script_has_run(tmp_path: Path) -> None:
    report = report_of(summary_of(side=28), tmp_path)
    sections, appendix = (section_of(report, "Draw a digit"),), (Section("Further", ("Text.",)),)  # without figures
    page = to_html_page({"en": dataclasses.replace(report, sections=sections, appendix=appendix)})
    written = dict(re.findall(r'data-text="(\w+)"[^>]*>([^<]*)<', page))
    words = json.loads(page.partition('id="words">')[2].partition("</script>")[0])["en"]
    assert len(written) > 15
    assert {key: html.unescape(text) for key, text in written.items()} == {key: words[key] for key in written}


def test_a_run_that_kept_no_networks_has_neither_the_section_nor_a_panel(tmp_path: Path) -> None:
    summary = summarize(*recorded_run(PAIR, seeds=(0,), epochs=1))
    report = report_of(summary, tmp_path)
    headings = {section.heading for section in (*report.sections, *report.appendix)}
    assert not headings & {HEADING, "Draw a digit"}
    assert all(section.blocks for section in (*report.sections, *report.appendix))
    assert not [*prediction_sentences(summary), *prediction_tables(summary)]


def test_without_test_examples_there_are_notes_and_hidden_units_alone(tmp_path: Path) -> None:
    summary = summary_of()
    assert summary.outcomes is not None
    lost = dataclasses.replace(summary.outcomes, examples=None, notes=("The examples are gone.",))
    summary = dataclasses.replace(summary, outcomes=lost)
    assert drawn(summary).keys() == {"hidden-units"}
    assert not [*prediction_sentences(summary), *prediction_tables(summary)]
    note, figure = section_of(report_of(summary, tmp_path)).blocks
    assert note == "The examples are gone."
    assert isinstance(figure, Shown)
    assert isinstance(figure.what, FigureFile)


def test_without_any_network_there_are_the_note_and_that_there_is_no_panel(tmp_path: Path) -> None:
    summary = summary_of()
    assert summary.outcomes is not None
    lost = dataclasses.replace(summary.outcomes, networks=(), notes=("It was cut <b>.",))
    report = report_of(dataclasses.replace(summary, outcomes=lost), tmp_path)
    assert section_of(report).blocks == ("It was cut <b>.",)
    assert section_of(report, "Draw a digit").blocks == (NO_NETWORK,)
    assert "It was cut \\<b\\>." in to_markdown_page(report)
