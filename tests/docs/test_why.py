"""What docs/why.md says of the causes is what the committed run says."""

import numpy as np
import pytest
from matplotlib.text import Text

from backprop_bench.bench.core.records.reader import read_description
from backprop_bench.bench.explain.view import draw_epochs, draw_explanation
from tests.docs.generated import REFERENCE
from tests.docs.generated.why import OTHERS, reference_chain, reference_curves, reference_explanation
from tests.docs.pages import ROOT, read


@pytest.mark.parametrize("folder", ["explain", *OTHERS.values(), "curves"])
def test_the_committed_runs_are_of_committed_code(folder: str) -> None:
    assert read_description(REFERENCE / folder).environment["checkout"]["dirty"] is False


@pytest.mark.parametrize("folder", ["explain", *OTHERS.values()])
def test_the_committed_contributions_add_up_to_the_gaps(folder: str) -> None:
    explanation = reference_explanation(REFERENCE / folder)
    for attribution in (explanation.accuracy, explanation.runtime):
        total = sum(item.interval.estimate for item in attribution.contributions)
        assert total == pytest.approx(attribution.gap.estimate, abs=1e-9)


def test_the_steps_and_the_parts_of_the_committed_chain_add_up_to_its_gap() -> None:
    chain = reference_chain()
    for parts in ([step.change for step in chain.steps], [part.difference for part in (*chain.parts, chain.rest)]):
        assert sum(part.estimate for part in parts) == pytest.approx(chain.gap.estimate, abs=1e-9)


def test_the_figure_names_every_factor_in_full_and_in_the_order_of_size() -> None:
    explanation = reference_explanation()
    of_accuracy, of_time = draw_explanation(explanation).figure.axes
    for axes, attribution in ((of_accuracy, explanation.accuracy), (of_time, explanation.runtime)):
        first, *factors, last = [label.get_text() for label in axes.get_yticklabels()]
        by_size = sorted(attribution.contributions, key=lambda item: -abs(item.interval.estimate))
        assert [factor for factor in factors if factor != "data loading"] == [item.factor for item in by_size]
        assert (first, last) == ("from scratch", "PyTorch")


def test_the_figure_over_the_epochs_has_the_gap_and_each_factor_under_its_name() -> None:
    explanation = reference_explanation()
    drawing = draw_epochs(explanation)
    (axes,) = drawing.figure.axes
    lines = [(str(line.get_label()), np.asarray(line.get_ydata()).tolist()) for line in axes.get_lines()]
    drawn = {label: values for label, values in lines if len(values) == explanation.epochs}
    epochs = explanation.by_epoch.values()
    assert drawn["gap"] == pytest.approx([100 * one.gap.estimate for one in epochs])
    for number, item in enumerate(explanation.accuracy.contributions):
        estimates = [100 * one.contributions[number].interval.estimate for one in epochs]
        assert drawn[item.factor] == pytest.approx(estimates)
    assert not any("−0.0\N{NO-BREAK SPACE}" in text.get_text() for text in drawing.figure.findobj(Text))


def test_the_page_names_the_command_that_left_the_curves() -> None:
    seeds = {comparison.seeds for comparison in reference_curves()}
    assert f"from `backprop-bench curves --seeds {seeds.pop()}`." in read(ROOT / "docs" / "why.md")
    assert not seeds, "as many of every comparison"


def test_what_the_page_says_of_learning_is_what_the_committed_curves_show() -> None:
    networks, losses, batches = reference_curves()
    reached = [
        [point for line in comparison.lines if (point := line.reaches(comparison.target or 1)) is not None]
        for comparison in (networks, losses, batches)
    ]
    (hand_written, pytorch), (cross_entropy, squared_error), of_batches = reached
    assert hand_written.examples < pytorch.examples, "by examples, the hand-written network is ahead at first"
    assert pytorch.updates < hand_written.updates, "by updates, PyTorch's is ahead"
    assert cross_entropy.updates < squared_error.updates
    assert losses.lines[1].points[0].error_share < 0.05, "the first updates drive all outputs towards 0"
    assert {point.error_share for point in losses.lines[0].points} == {1.0}
    examples, updates = ([getattr(point, what) for point in of_batches] for what in ("examples", "updates"))
    assert max(examples) / min(examples) > 10 * max(updates) / min(updates), "what counts is the number of updates"
