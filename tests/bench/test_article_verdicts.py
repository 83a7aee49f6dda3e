"""The answer in four sentences and the verdicts on the article's claims turn round when the numbers do."""

import dataclasses
import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backprop_bench.bench.compare import answer
from backprop_bench.bench.compare.figures import FURTHER, MAIN
from backprop_bench.bench.compare.report import Material, make_report
from backprop_bench.bench.compare.verdicts import lead, verdicts
from backprop_bench.bench.core.records.kinds import Failure, TimedWork, Verification
from backprop_bench.bench.core.records.recorded_run import comparable
from backprop_bench.bench.core.summary import Summary, summarize
from backprop_bench.bench.report import style
from backprop_bench.bench.report.blocks import Judged
from backprop_bench.bench.report.drawing import FigureFile
from tests.bench.plain import summarize as summarize_plain
from tests.bench.recorded import recorded_run
from tests.bench.whole import EXAMPLE_S, whole_run, whole_summary

CLAIMS = {
    "hand": "The hand-written network takes a little over a minute",
    "torch": "PyTorch takes under ten seconds",
    "faster": "Mini-batches make training faster",
    "parallel": "Mini-batches are faster because they run in parallel",
    "framework": "It is faster because the framework is optimised",
    "accurate": "Their accuracies differ somewhat",
    "loss": "Cross-entropy makes it more accurate",
    "batches": "Mini-batches make it more accurate",
    "steady": "Mini-batches make the weight updates steadier",
    "at once": "When hand-written, all data update the weights directly",
}
SAME, PUBLISHED = EXAMPLE_S["same-recipe"], EXAMPLE_S["as-published"]
MINE = "path/to/mine.py:Mine"


@functools.cache
def whole() -> Summary:
    return whole_summary()


def spaced(text: str) -> str:
    return " ".join(text.split())


def judged(summary: Summary) -> dict[str, tuple[str, str]]:
    """Return the verdict on every claim and what was measured, by a short name of the claim."""
    found = {verdict.claim: (verdict.holds, spaced(verdict.measured)) for verdict in verdicts(summary)}
    names = {claim: name for name, claim in CLAIMS.items()}
    return {names[claim]: both for claim, both in found.items()}


def told(summary: Summary) -> list[str]:
    return list(map(spaced, lead(summary)))


def without_rank(text: str) -> str:
    """Return a sentence without what the PyTorch version is among its kind."""
    return re.sub(r" \((the faster of the two PyTorch versions compared here|hand-written \w+)(\)|(?=;))", "", text)


def holds(summary: Summary) -> dict[str, str]:
    return {name: verdict for name, (verdict, _) in judged(summary).items()}


# The verdicts


def test_every_claim_of_the_article_has_a_verdict_in_the_order_of_the_article() -> None:
    assert list(judged(whole())) == list(CLAIMS)
    assert holds(whole()) == {
        "hand": "Yes",
        "torch": "Yes",
        "faster": "Yes",
        "parallel": "Not needed",
        "framework": "Not here",
        "accurate": "Yes",
        "loss": "Yes",
        "batches": "No",
        "steady": "Not tested",
        "at once": "Ambiguous",
    }


def test_what_was_measured_stands_beside_each_verdict() -> None:
    measured = {name: text for name, (_, text) in judged(whole()).items()}
    assert measured["hand"] == ("90.0 s for 5 epochs of 60,000 examples here; the article does not say how many epochs")
    assert measured["torch"] == "6.00 s for 5 epochs of 60,000 examples here"
    assert measured["faster"].startswith("20.0× faster per epoch (95 % CI 20.0")
    assert measured["parallel"] == "already 20.0× faster per epoch with one thread"
    assert "scratch-numpy is 1.67× faster per epoch than torch-eager" in measured["framework"]
    assert "(the faster of the two PyTorch versions compared here; 95 % CI " in measured["framework"]
    assert measured["accurate"].startswith("PyTorch minus hand-written after epoch 1: +0.31 points, 95 % CI ")
    assert measured["accurate"].endswith("; PyTorch more accurate after epochs 1–5")
    points = r"([+−]\d\.\d+) points, 95 % CI [−\d.]+(?: to |–)[−\d.]+"
    loss = re.fullmatch(f"with one example at a time: {points}; with mini-batches: {points}", measured["loss"])
    batches = re.fullmatch(f"with squared error: {points}; with cross-entropy: {points}", measured["batches"])
    assert loss is not None
    assert batches is not None
    written = [float(text.replace("−", "-")) for text in (*loss.groups(), *batches.groups())]
    assert written == pytest.approx([0.2, 3.0, -3.0, -0.2], abs=0.06)
    assert measured["steady"] == "no run records the size of the updates"
    assert (
        measured["at once"]
        == "here: one example at a time; as one batch of everything, 5 epochs are 5 updates and reach 19.0 %"
    )


@pytest.mark.parametrize(
    ("example_s", "expected"),
    [(199e-6, "No"), (201e-6, "Yes"), (399e-6, "Yes"), (401e-6, "Roughly"), (799e-6, "Roughly"), (801e-6, "No")],
)
def test_the_hand_written_network_takes_a_little_over_a_minute_only_where_all_epochs_do(
    example_s: float, expected: str
) -> None:
    summary = whole_summary(example_s={"as-published": {"scratch-numpy": example_s}})
    assert holds(summary)["hand"] == expected


@pytest.mark.parametrize(("example_s", "expected"), [(33e-6, "Yes"), (34e-6, "No")])
def test_pytorch_takes_under_ten_seconds_only_where_all_epochs_do(example_s: float, expected: str) -> None:
    summary = whole_summary(example_s={"as-published": {"torch-loader": example_s}})
    assert holds(summary)["torch"] == expected


@pytest.mark.parametrize(
    ("example_s", "expected", "factor"),
    [(150e-6, "Yes", "2.00× faster"), (600e-6, "No", "2.00× slower"), (300e-6, "Not significantly", "1.00× faster")],
)
def test_mini_batches_are_faster_only_where_their_interval_says_so(
    example_s: float, expected: str, factor: str
) -> None:
    verdict, measured = judged(whole_summary(example_s={"as-published": {"mini-batches": example_s}}))["faster"]
    assert verdict == expected
    assert measured.startswith(f"{factor} per epoch (95 % CI")


def test_with_several_threads_or_without_a_difference_nothing_is_said_of_parallelism() -> None:
    two = dataclasses.replace(whole(), description=msgspec.structs.replace(whole().description, threads=2))
    slower = whole_summary(example_s={"as-published": {"mini-batches": 300e-6}})
    assert "parallel" in judged(whole())
    assert "parallel" not in {**judged(two), **judged(slower)}


@pytest.mark.parametrize(("example_s", "expected"), [(3e-6, "Yes"), (12e-6, "Not here"), (6e-6, "Not significantly")])
def test_the_framework_is_faster_only_where_it_is_with_the_same_recipe(example_s: float, expected: str) -> None:
    summary = whole_summary(example_s={"same-recipe": {"torch-eager": example_s}})
    verdict, measured = judged(summary)["framework"]
    assert verdict == expected
    comparison = without_rank(measured)
    said = {
        "Yes": "torch-eager is 2.00× faster per epoch than scratch-numpy",
        "Not here": "scratch-numpy is 2.00× faster per epoch than torch-eager",
        "Not significantly": "no significant difference in time per epoch between scratch-numpy and torch-eager",
    }
    assert comparison.startswith(f"With the same recipe, {said[expected]}")


def test_without_pytorch_on_the_same_recipe_nothing_is_said_of_the_framework() -> None:
    assert "framework" not in judged(whole_summary(without=["torch-eager", "torch-loader"]))


@pytest.mark.parametrize(
    ("torch", "expected"),
    [(0.98, "Yes"), (0.972, "Yes, by little"), (0.971, "Not significantly"), (0.96, "Yes"), (0.97, "Yes, by little")],
)
def test_the_accuracies_differ_only_where_the_interval_says_so(torch: float, expected: str) -> None:
    verdict, measured = judged(whole_summary(accuracy={"torch-loader": torch}))["accurate"]
    assert verdict == expected
    assert ("PyTorch less accurate after epochs" in measured) is (torch < 0.971)
    assert ("PyTorch more accurate after epochs" in measured) is (torch > 0.971)


@pytest.mark.parametrize(
    ("accuracy", "loss", "batches"),
    [
        ({"cross-entropy": 0.95}, "Only with mini-batches", "Only with cross-entropy"),
        ({"cross-entropy": 0.971, "cross-entropy, mini-batches": 0.941}, "Not significantly", "No"),
        ({"mini-batches, float32": 0.971}, "Only with one example at a time", "Not significantly"),
        (
            {"cross-entropy": 0.98, "mini-batches, float32": 0.99, "cross-entropy, mini-batches": 0.97},
            "Only with one example at a time",
            "Only with squared error",
        ),
        ({"cross-entropy": 0.96, "mini-batches, float32": 0.98, "cross-entropy, mini-batches": 0.97}, "No", "Yes"),
        ({"cross-entropy": 0.96, "mini-batches, float32": 0.96, "cross-entropy, mini-batches": 0.95}, "No", "No"),
    ],
)
def test_a_cause_holds_where_it_does_with_and_without_the_other(
    accuracy: Mapping[str, float], loss: str, batches: str
) -> None:
    found = holds(whole_summary(accuracy=accuracy))
    assert (found["loss"], found["batches"]) == (loss, batches)


def test_the_other_reading_is_judged_by_what_it_reaches_and_only_where_it_was_trained() -> None:
    reached = judged(whole_summary(accuracy={"all at once": 0.5}))["at once"]
    assert reached == (
        "Ambiguous",
        "here: one example at a time; as one batch of everything, 5 epochs are 5 updates and reach 50.0 %",
    )
    assert "at once" not in judged(whole_summary(without=["all at once"]))


# The answer in four sentences


def test_the_lead_has_four_sentences_that_answer_the_question_of_the_title() -> None:
    right, fast, time, accuracy = told(whole())
    n_checks = sum(len(question.verifications) + len(question.works) for question in whole().questions)
    assert right == (
        "Right: gradients, weights and timed work agree with PyTorch's within rounding error. "
        f"All {n_checks} checks passed; the largest error is 0.10 % of its tolerance."
    )
    assert fast == (
        "With the same recipe (784-128-10) on one CPU thread, scratch-numpy (hand-written NumPy) is 1.67× faster per "
        "epoch than torch-eager (the faster of the two PyTorch versions compared here; 95 % CI 1.67–1.67). "
        "scratch-compiled (hand-written Numba) is 5.00× faster (95 % CI 5.00–5.00)."
    )
    assert time == (
        "As published (784-200-10, each with its own recipe), PyTorch is 15.0× faster (95 % CI 15.0–15.0; 90.0 s vs "
        "6.00 s for 5 epochs). Not because of PyTorch: it is faster through mini-batches of 64 examples (20.0×), "
        "float32 (1.50×) and loss, biases and inputs (1.00×), and slower through PyTorch with its DataLoader (2.00×)."
    )
    assert accuracy.startswith(
        "PyTorch's network is more accurate after 5 epochs: PyTorch 97.41 %, hand-written 97.11 % (difference 0.31"
    )
    assert accuracy.endswith(
        "Cross-entropy alone changes it by +0.2 points, mini-batches alone by −3.0, both together by 0.0, all else by "
        "+0.3."
    )


def test_several_threads_are_in_the_lead() -> None:
    two = dataclasses.replace(whole(), description=msgspec.structs.replace(whole().description, threads=2))
    assert told(two)[1].startswith("With the same recipe (784-128-10) on 2 CPU threads, scratch-numpy")


def test_the_lead_says_the_opposite_of_opposite_numbers() -> None:
    times = {"scratch-numpy": 1e-6, "mini-batches": 2e-6, "mini-batches, float32": 4e-6, "PyTorch's recipe": 4e-6}
    summary = whole_summary(
        accuracy={"torch-loader": 0.95, "cross-entropy": 0.96, "cross-entropy, mini-batches": 0.95},
        example_s={
            "as-published": {**times, "torch-eager": 2e-6, "torch-loader": 2e-6},
            "same-recipe": {"torch-eager": 3e-6, "scratch-compiled": 9e-6},
        },
    )
    _, fast, time, accuracy = told(summary)
    assert "torch-eager is 2.00× faster per epoch than scratch-numpy" in without_rank(fast)
    assert "scratch-compiled" not in fast
    assert time == (
        "As published (784-200-10, each with its own recipe), PyTorch is 2.00× slower (95 % CI 2.00–2.00; 300 ms vs "
        "600 ms for 5 epochs). It is faster through loss, biases and inputs (1.00×) and PyTorch with its DataLoader "
        "(2.00×), and slower through mini-batches of 64 examples (2.00×) and float32 (2.00×)."
    )
    assert accuracy.startswith("The hand-written network is more accurate after 5 epochs: PyTorch 95.0")
    same = told(whole_summary(accuracy={"torch-loader": 0.971}))[3]
    assert same.startswith("Accuracy shows no significant difference after 5 epochs: PyTorch 97.1")


def numbers_in(text: str) -> set[str]:
    """Return the factors, percentages, points and times in a text."""
    return set(re.findall(r"[+−]?[\d.,]+(?:×| %| s\b| ms\b| points)", spaced(text)))


OTHERS: list[dict[str, Any]] = [
    {},
    {"accuracy": {"torch-loader": 0.96, "cross-entropy": 0.95}},
    {"example_s": {"as-published": {"torch-loader": 1e-3}, "same-recipe": {"torch-eager": 1e-6}}},
]


@pytest.mark.parametrize("changes", OTHERS, ids=["as it is", "less accurate", "slower"])
def test_the_numbers_of_the_lead_are_those_of_the_titles_of_the_figures(changes: dict[str, Any]) -> None:
    summary = whole_summary(**changes)
    with style.look():
        titles = {figure.name: spaced(figure.draw(summary, style.PAGE_INCHES).title) for figure in MAIN}
    right, fast, time, accuracy = told(summary)
    assert numbers_in(titles["accuracy-over-time"]) <= numbers_in(f"{time} {accuracy}")
    assert numbers_in(titles["epoch-times"]) <= numbers_in(fast)
    causes = re.findall(r"[+−]?\d+\.\d+", titles["accuracy-causes"])
    assert len(causes) == 3
    assert causes == re.findall(r"[+−]?\d+\.\d+", accuracy.partition("Cross-entropy")[2])[:3]
    assert f"{titles['checks']}." in right
    if titles["time-causes"].startswith("Mini-batches"):
        assert numbers_in(titles["time-causes"]) <= numbers_in(time)
    by_name = dict(re.findall(r"(torch-eager|scratch-numpy) is ([\d.]+×)", without_rank(fast)))
    assert (
        by_name.items() >= dict(re.findall(r"(torch-eager|scratch-numpy) is ([\d.]+×)", titles["epoch-times"])).items()
    )


def test_the_verdicts_and_the_lead_are_in_the_report_as_they_are() -> None:
    nowhere = Path("nowhere")
    drawn = {each.name: FigureFile(each.name, each.name, each.name, nowhere, nowhere) for each in (*MAIN, *FURTHER)}
    report = make_report(Material(whole()), drawn)
    assert list(report.lead) == lead(whole())
    (items,) = (block.items for section in report.sections for block in section.blocks if isinstance(block, Judged))
    assert items == tuple((verdict.claim, verdict.holds, verdict.measured) for verdict in verdicts(whole()))


# What is missing


def test_one_seed_cannot_say_which_is_more_accurate_nor_why() -> None:
    summary = whole_summary(seeds=1)
    one = "One seed cannot say which network is more accurate after 5 epochs: PyTorch 97."
    assert told(summary)[3].startswith(one)
    found = holds(summary)
    assert (found["accurate"], found["loss"], found["batches"]) == ("Unknown", "Unknown", "Unknown")
    assert found["hand"] == "Yes", "times have nothing to do with seeds"


def test_one_process_replicate_cannot_say_what_is_faster() -> None:
    run = whole_run()
    rows = [row for row in run.rows if getattr(row, "replicate", 0) == 0 and getattr(row, "number", 0) in (0, None)]
    found = judged(summarize(run.description, rows))
    assert found["faster"] == ("Unknown", "20.0× faster per epoch (one process replicate, no interval)")
    assert found["framework"][0] == "Unknown"


def test_without_the_articles_experiment_the_lead_says_why_it_is_missing() -> None:
    alone = dataclasses.replace(whole(), questions=whole().questions[1:])
    sentences = told(alone)
    assert sentences[1] == told(whole())[1]
    assert sentences[2:] == [
        "The article's experiment is not part of this run, because implementations or a recipe were named."
    ]
    assert verdicts(alone) == []


def test_a_failed_verification_is_the_first_thing_that_is_said() -> None:
    run = whole_run()
    failed = next(row for row in run.rows if isinstance(row, Verification))
    rows = [msgspec.structs.replace(row, passed=False, difference=1.0) if row is failed else row for row in run.rows]
    right = told(summarize(run.description, rows))[0]
    n_checks = sum(isinstance(row, Verification) for row in rows)
    assert right == f"Not verified: 1 of {n_checks} checks failed ({failed.implementation})."


def test_without_any_check_the_lead_says_so() -> None:
    run = whole_run()
    rows = [row for row in run.rows if not isinstance(row, Verification | TimedWork)]
    assert told(summarize(run.description, rows))[0] == "Not verified: no check was recorded."


def test_where_no_timed_work_was_compared_the_lead_does_not_say_that_it_agrees() -> None:
    run = whole_run()
    rows = [row for row in run.rows if not isinstance(row, TimedWork)]
    n_checks = sum(isinstance(row, Verification) for row in rows)
    right = told(summarize(run.description, rows))[0]
    first, second = "gradients and weights agree with PyTorch's within rounding error", f"All {n_checks} checks passed"
    assert right.startswith(f"Right: {first}. {second}; ")


def unequal(*labels: str) -> Summary:
    """Return the run in which the timed work of these, as published, is not that of the reference."""
    run = whole_run()
    rows = [
        msgspec.structs.replace(row, passed=False, difference=1.0)
        if isinstance(row, TimedWork) and row.implementation in labels and row.question == "as-published"
        else row
        for row in run.rows
    ]
    return summarize(run.description, comparable(run.description.plan, rows))


def test_who_does_something_else_when_timed_is_named_and_nothing_is_said_of_its_times() -> None:
    summary = unequal("torch-loader")
    right, _, time, accuracy = told(summary)
    assert right == "torch-loader does not compute the same when timed, and is left out."
    assert time == "The article's two networks were not both timed, so their times are not compared."
    assert accuracy == "No accuracy of the article's two networks was measured."
    assert not holds(summary).keys() & {"hand", "torch", "faster", "accurate", "loss", "batches"}
    two = told(unequal("torch-loader", "scratch-numpy"))[0]
    assert re.fullmatch(r".+ and .+ do not compute the same when timed, and are left out\.", two)


@pytest.mark.parametrize("label", ["scratch-numpy", "torch-loader"])
def test_another_network_never_stands_in_for_one_of_the_articles_two(label: str) -> None:
    summary = whole_summary(without=[label])
    assert "each with its own recipe" not in " ".join(told(summary))
    assert not holds(summary).keys() & {"hand", "torch", "faster", "accurate"}
    with style.look():
        alt = MAIN[0].draw(summary, style.PAGE_INCHES).alt
    assert "As published" not in alt
    assert MAIN[1].missing(summary) == "the article's two networks were not both trained and timed"


def test_the_lead_on_a_users_file_compares_it_with_pytorch_by_its_name() -> None:
    description, rows = recorded_run((MINE, "torch-eager"), epoch_s={MINE: 4.0, "torch-eager": 1.0})
    question = description["plan"]["questions"][1] | {"pair": [MINE, "torch-eager"]}
    description["plan"]["questions"] = [question]
    summary = summarize_plain(description, [row for row in rows if row["question"] == "same-recipe"])
    right, fast, missing = told(summary)
    assert right.startswith("Right: ")
    assert re.match(
        rf"With the same recipe \(\S+\) on one CPU thread, torch-eager \(PyTorch\) is (4|3\.9)\S*× faster per epoch "
        rf"than {re.escape(MINE)} \(",
        fast,
    )
    assert missing.startswith("The article's experiment is not part of this run")


def test_a_failure_is_in_the_warnings_with_its_reason() -> None:
    run = whole_run(without=["torch-loader"])
    failure = Failure(
        session=0,
        question="as-published",
        implementation="torch-loader",
        phase="timed work",
        number=2,
        message="it left processes behind",
    )
    summary = summarize(run.description, [*run.rows, failure])
    assert told(summary)[0] == "torch-loader does not compute the same when timed, and is left out."
    assert any("torch-loader failed (timed work, process replicate 2)" in line for line in answer.warnings(summary))


# Who trained


def test_the_report_says_on_what_machine_and_how_often_it_was_measured() -> None:
    assert spaced(answer.measured_sentence(whole())) == (
        "Measured on made up with 1 thread: times from 8 process replicates, accuracies from 4 seeds."
    )
    nameless = msgspec.structs.replace(whole().description, environment={}, threads=2)
    sentence = spaced(answer.measured_sentence(dataclasses.replace(whole(), description=nameless)))
    assert sentence.startswith("Measured on an unknown processor with 2 threads: ")


def test_the_report_says_who_trained_for_the_accuracy_and_how_many_seeds_were_compared() -> None:
    sentence = spaced(str(answer.trained_sentence(whole())))
    assert sentence.startswith("Accuracies are of networks trained by scratch-compiled, the fastest verified")
    assert "the first batches of every seed" in sentence
    run = whole_run()
    fewer = [
        row
        for row in run.rows
        if not (isinstance(row, TimedWork) and row.implementation == "torch-loader" and row.number > 1)
    ]
    assert "of at least 2 of 4 seeds" in spaced(str(answer.trained_sentence(summarize(run.description, fewer))))
    alone = [row for row in run.rows if not isinstance(row, TimedWork)]
    assert "first batches" not in str(answer.trained_sentence(summarize(run.description, alone)))
    untrained = [row for row in run.rows if row.kind != "epoch"]
    assert answer.trained_sentence(summarize(run.description, untrained)) is None


# An experiment that is cut short


@pytest.mark.parametrize(("examples", "epochs"), [(5_000, 5), (60_000, 2), (5_000, 2)])
def test_an_experiment_that_is_cut_short_says_so_and_judges_no_total_time(examples: int, epochs: int) -> None:
    summary = whole()
    question = dataclasses.replace(summary.questions[0], examples=examples, epochs=epochs)
    short = dataclasses.replace(summary, questions=(question, *summary.questions[1:]))
    instead = f"{examples:,} training examples and {epochs} epochs in place of 60,000 and 5."
    assert told(short)[-1] == f"This is not the whole experiment: {instead}"
    assert list(holds(short).values())[:2] == ["Unknown", "Unknown"]
    assert "not the whole" not in " ".join(told(summary))
