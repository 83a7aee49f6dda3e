"""Bars of a run for a terminal."""

from backprop_bench.bench.core.summary import Summary
from backprop_bench.bench.report.chart import Chart, own_bar
from backprop_bench.bench.report.numbers import seconds, seconds_interval


def epoch_charts(summary: Summary) -> list[Chart]:
    """Return the times of every question, for a terminal."""
    return [
        Chart(
            f"Wall time per epoch: {question.title}",
            tuple(
                own_bar(item.implementation, item.wall_s.estimate, seconds_interval(item.wall_s))
                for item in question.performances
                if item.wall_s.n
            ),
            seconds,
        )
        for question in summary.questions
    ]
