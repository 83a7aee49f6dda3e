"""The answer in four sentences, and a verdict on every claim of the article, in words made from the numbers."""

import dataclasses
import math
from collections.abc import Sequence

from backprop_bench.bench.compare import answer
from backprop_bench.bench.compare.causes import (
    AccuracyCauses,
    TimeStep,
    accuracy_causes,
    gaps_by_epoch,
    shared_seeds,
    time_steps,
)
from backprop_bench.bench.compare.own import own_sentences
from backprop_bench.bench.compare.steps import (
    ALL_AT_ONCE,
    AS_PUBLISHED,
    FLOAT32,
    MINI_BATCHES,
    PYTORCH_RECIPE,
    SAME_RECIPE,
)
from backprop_bench.bench.core.implementations import family
from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.core.summary import Performance, QuestionSummary, Summary
from backprop_bench.bench.report.language import _
from backprop_bench.bench.report.numbers import (
    at_least_one,
    confidence,
    count,
    has_bounds,
    in_turn,
    listing,
    percent,
    plain,
    points,
    scaled_points,
    seconds,
    signed_points,
    spans,
    without_gaps,
)

OVER_S, UNDER_S = 60.0, 10.0
"""What the article says of its two networks: hand-written a little over a minute, PyTorch under ten seconds."""
SMALL = 0.002
"""A difference of accuracies below this, 0.2 percentage points, is called small."""
WHOLE_EXAMPLES, WHOLE_EPOCHS = 60_000, 5
"""What makes the article's experiment whole. It prints neither; these are those of the book that it follows."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the article says, whether that holds, and what was measured."""

    claim: str
    holds: str
    measured: str


def question_named(summary: Summary, name: str) -> QuestionSummary | None:
    """Return a question of a run; ``None`` where it has no such one."""
    return next((question for question in summary.questions if question.name == name), None)


def lead(summary: Summary) -> list[str]:
    """Return the answer: is it right, how fast is it, why does the framework's version differ in time and accuracy."""
    sentences = [answer.right(summary)]
    same, published = (question_named(summary, name) for name in (SAME_RECIPE, AS_PUBLISHED))
    if same is not None:
        sentences.append(_fast(same, answer.layers(summary, same), summary.description.threads))
        sentences += own_sentences(same)
    if published is None:
        missing = _("The article's experiment is not part of this run, because implementations or a recipe were named")
        return [_("{sentence}.").format(sentence=sentence) for sentence in (*sentences, missing)]
    sentences += [_why_time(published, answer.layers(summary, published)), _why_accuracy(published)]
    if not is_whole(published):
        text = _("This is not the whole experiment: {examples} and {epochs} in place of {whole} and {most}")
        sentences.append(
            text.format(
                examples=count(published.examples, "training example"),
                epochs=epochs_of(published),
                whole=f"{WHOLE_EXAMPLES:,}",
                most=WHOLE_EPOCHS,
            )
        )
    return [_("{sentence}.").format(sentence=sentence) for sentence in sentences]


def is_whole(question: QuestionSummary) -> bool:
    """Say whether the article's experiment was done on as much as it needs to be judged."""
    return question.examples >= WHOLE_EXAMPLES and question.epochs >= WHOLE_EPOCHS


def article_pair(question: QuestionSummary) -> tuple[Performance, Performance] | None:
    """Return the article's two networks, the hand-written first; ``None`` where one of them was not timed."""
    pair = answer.compared_pair(question)
    if pair is None or question.pair not in (None, tuple(item.implementation for item in pair)):
        return None
    return pair


def _fast(question: QuestionSummary, layers: str, threads: int) -> str:
    """Return how the times compare on the same recipe."""
    pair = answer.compared_pair(question)
    if pair is None:
        return answer.headline(question)
    text = (
        _("With the same recipe ({layers}) on one CPU thread, {comparison}")
        if threads == 1
        else _("With the same recipe ({layers}) on {threads} CPU threads, {comparison}")
    )
    comparison = answer.time_sentence(question, *pair, introduced=True)
    first = text.format(layers=layers, threads=threads, comparison=comparison)
    others = [item for item in answer.timed(question) if item not in pair]
    best = next((item for item in others if item.wall_s.estimate < min(one.wall_s.estimate for one in pair)), None)
    ratio = None if best is None else answer.time_ratio(question, best.implementation, pair[1].implementation)
    if best is None or ratio is None:
        return first
    name = answer.with_notes(question, best, introduced=True)
    by, interval = at_least_one(ratio), confidence(at_least_one(ratio), answer.DIGITS)
    text = _("{name} is {factor}× faster ({interval})") if interval else _("{name} is {factor}× faster")
    second = text.format(name=name, factor=plain(by.estimate), interval=interval)
    return _("{first}. {second}").format(first=first, second=without_gaps(second))


def total_s(question: QuestionSummary, performance: Performance) -> float:
    """Return the seconds of all epochs at the time per epoch that was measured in blocks."""
    return question.epochs * performance.wall_s.estimate


def _why_time(question: QuestionSummary, layers: str) -> str:
    """Return how the article's two networks compare in time, and what makes that."""
    pair = article_pair(question)
    if pair is None:
        return _("The article's two networks were not both timed, so their times are not compared")
    from_scratch, torch = pair
    ratio = answer.time_ratio(question, from_scratch.implementation, torch.implementation)
    if ratio is None:
        return answer.time_sentence(question, *pair)
    by = at_least_one(ratio)
    text = (
        _("As published ({layers}, each with its own recipe), PyTorch is {factor}× faster ({notes})")
        if ratio.estimate >= 1
        else _("As published ({layers}, each with its own recipe), PyTorch is {factor}× slower ({notes})")
    )
    totals = _("{first} vs {second} for {epochs}").format(
        epochs=epochs_of(question),
        first=seconds(total_s(question, from_scratch)),
        second=seconds(total_s(question, torch)),
    )
    notes = in_turn(filter(None, (confidence(by, answer.DIGITS), totals)))
    comparison = text.format(layers=layers, factor=plain(by.estimate), notes=notes)
    steps = time_steps(question)
    return comparison if steps is None else _("{first}. {second}").format(first=comparison, second=_of_steps(steps))


def epochs_of(question: QuestionSummary) -> str:
    """Return the number of epochs in words."""
    return count(question.epochs, "epoch")


def framework(steps: Sequence[TimeStep]) -> float:
    """Return how many times faster PyTorch is than NumPy on its own recipe, with its DataLoader; below 1 if slower."""
    return steps[-2].speed_up.estimate * steps[-1].speed_up.estimate


def _of_steps(steps: Sequence[TimeStep]) -> str:
    """Return what makes the article's PyTorch network faster, and what slower."""
    by_label = {step.label: step.speed_up.estimate for step in steps}
    own, total = framework(steps), math.prod(step.speed_up.estimate for step in steps)
    factors = {
        _("mini-batches of 64 examples"): by_label[MINI_BATCHES],
        _("float32"): by_label[FLOAT32],
        _("loss, biases and inputs"): by_label[PYTORCH_RECIPE],
        _("PyTorch with its DataLoader"): own,
    }
    each = _("{name} ({factor}×)")
    faster = listing(each.format(factor=plain(by), name=name) for name, by in factors.items() if by >= 1)
    slower = listing(each.format(factor=plain(1 / by), name=name) for name, by in factors.items() if by < 1)
    if not slower:
        text = _("It is faster through {faster}")
    elif not faster:
        text = _("It is slower through {slower}")
    elif own < 1 <= total:
        text = _("Not because of PyTorch: it is faster through {faster}, and slower through {slower}")
    else:
        text = _("It is faster through {faster}, and slower through {slower}")
    return without_gaps(text.format(faster=faster, slower=slower))


def _why_accuracy(question: QuestionSummary) -> str:
    """Return whether PyTorch is more accurate, and what makes that."""
    comparison, causes = compared_accuracy(question), accuracy_causes(question)
    if comparison is None:
        return _("No accuracy of the article's two networks was measured")
    if causes is None:
        return comparison
    second = _(
        "Cross-entropy alone changes it by {loss} points, mini-batches alone by {batches}, both together by {both}, "
        "all else by {rest}"
    ).format(
        loss=scaled_points(causes.loss_alone),
        batches=scaled_points(causes.batches_alone),
        both=scaled_points(causes.both),
        rest=scaled_points(causes.rest),
    )
    return _("{first}. {second}").format(first=comparison, second=second)


def compared_accuracy(question: QuestionSummary) -> str | None:
    """Return how the accuracies of the article's two networks compare; ``None`` where they were not measured."""
    gaps, pair = gaps_by_epoch(question), article_pair(question)
    if pair is None or question.epochs not in gaps:
        return None
    gap = gaps[question.epochs]
    from_scratch, torch = (percent(item.accuracy.estimate, 2) for item in pair)
    text = _("{verdict} after {epochs}: PyTorch {torch}, hand-written {from_scratch} (difference {gap})")
    return text.format(
        verdict=_accurate(gap), torch=torch, from_scratch=from_scratch, epochs=epochs_of(question), gap=points(gap)
    )


def _accurate(gap: Interval) -> str:
    if not has_bounds(gap):
        return _("One seed cannot say which network is more accurate")
    if gap.low <= 0 <= gap.high:
        return _("Accuracy shows no significant difference")
    return _("PyTorch's network is more accurate") if gap.low > 0 else _("The hand-written network is more accurate")


def verdicts(summary: Summary) -> list[Verdict]:
    """Return a verdict on every claim of the article; one that this run cannot judge is not tested, or left out."""
    question, same = question_named(summary, AS_PUBLISHED), question_named(summary, SAME_RECIPE)
    if question is None:
        return []
    found = [
        *_on_time(question),
        _on_parallelism(question, summary.description.threads),
        _on_framework(same),
        *_on_accuracy(question),
        Verdict(
            _("Mini-batches make the weight updates steadier"),
            _("Not tested"),
            _("no run records the size of the updates"),
        ),
        _on_all_at_once(question),
    ]
    return [verdict for verdict in found if verdict is not None]


def _on_time(question: QuestionSummary) -> list[Verdict]:
    pair = article_pair(question)
    if pair is None:
        return []
    from_scratch, torch = (total_s(question, item) for item in pair)
    of = _("{time} for {epochs} of {examples} here")
    examples = count(question.examples, "example")
    written = [
        of.format(time=seconds(time), epochs=epochs_of(question), examples=examples) for time in (from_scratch, torch)
    ]
    untold = _("the article does not say how many epochs")
    slow, quick = _about_a_minute(from_scratch), _yes(torch < UNDER_S)
    if not is_whole(question):
        slow = quick = _("Unknown")
    found = [
        Verdict(
            _("The hand-written network takes a little over a minute"),
            slow,
            in_turn((written[0], untold)),
        ),
        Verdict(_("PyTorch takes under ten seconds"), quick, written[1]),
    ]
    steps = time_steps(question)
    if steps is not None:
        batches = steps[0].speed_up
        measured = _("{direction} per epoch ({interval})").format(
            direction=_direction(batches.estimate),
            interval=confidence(at_least_one(batches), answer.DIGITS) or _("one process replicate, no interval"),
        )
        found.append(Verdict(_("Mini-batches make training faster"), _faster(batches), measured))
    return found


def _about_a_minute(time_s: float) -> str:
    """Return whether so many seconds are a little over a minute: from two to four minutes they roughly are."""
    return _("Roughly") if 2 * OVER_S <= time_s < 4 * OVER_S else _yes(OVER_S < time_s < 2 * OVER_S)


def _on_parallelism(question: QuestionSummary, threads: int) -> Verdict | None:
    """Judge that mini-batches are faster because they allow parallelism; with several threads that stays open."""
    steps = time_steps(question)
    if steps is None or threads > 1 or not has_bounds(steps[0].speed_up) or steps[0].speed_up.low <= 1:
        return None
    measured = _("already {direction} per epoch with one thread")
    measured = measured.format(direction=_direction(steps[0].speed_up.estimate))
    return Verdict(_("Mini-batches are faster because they run in parallel"), _("Not needed"), measured)


def _direction(speed_up: float) -> str:
    text = _("{factor}× faster") if speed_up >= 1 else _("{factor}× slower")
    return text.format(factor=plain(max(speed_up, 1 / speed_up)))


def _yes(holds: bool) -> str:
    return _("Yes") if holds else _("No")


def _faster(ratio: Interval) -> str:
    """Return whether a factor is above 1; one without an interval cannot say."""
    if not has_bounds(ratio):
        return _("Unknown")
    return _("Not significantly") if ratio.contains(1) else _yes(ratio.low > 1)


def _on_framework(question: QuestionSummary | None) -> Verdict | None:
    """Judge that the framework is faster because it is optimised; other versions in PyTorch may be."""
    pair = None if question is None else answer.compared_pair(question)
    if question is None or pair is None or family(pair[1].implementation) != "PyTorch":
        return None
    own, torch = pair
    ratio = answer.time_ratio(question, own.implementation, torch.implementation)
    if ratio is None:
        return None
    measured = _("With the same recipe, {comparison}").format(comparison=answer.time_sentence(question, own, torch))
    slower = has_bounds(ratio) and ratio.high < 1
    holds = _("Not here") if slower else _faster(ratio)
    return Verdict(_("It is faster because the framework is optimised"), holds, measured)


def _on_accuracy(question: QuestionSummary) -> list[Verdict]:
    gaps = gaps_by_epoch(question)
    if question.epochs not in gaps:
        return []
    last = gaps[question.epochs]
    found = [Verdict(_("Their accuracies differ somewhat"), _gap_holds(last), _gaps_in_words(gaps))]
    causes = accuracy_causes(question)
    if causes is not None:
        found += [_on_loss(causes), _on_batches(causes)]
    return found


def _gap_holds(gap: Interval) -> str:
    if not has_bounds(gap):
        return _("Unknown")
    if gap.low <= 0 <= gap.high:
        return _("Not significantly")
    return _("Yes, by little") if abs(gap.estimate) < SMALL else _("Yes")


def _gaps_in_words(gaps: dict[int, Interval]) -> str:
    """Return the gap after the first epoch, after which epochs it is significant, and after the last."""
    first, last = min(gaps), max(gaps)
    ahead = [epoch for epoch, gap in gaps.items() if has_bounds(gap) and gap.low > 0]
    behind = [epoch for epoch, gap in gaps.items() if has_bounds(gap) and gap.high < 0]
    each = _("PyTorch minus hand-written after epoch {epoch}: {gap}"), _("after epoch {epoch}: {gap}")
    parts = [
        text.format(gap=signed_points(gaps[epoch]), epoch=epoch)
        for text, epoch in zip(each, dict.fromkeys((first, last)), strict=False)
    ]
    if ahead:
        parts.append(_("PyTorch more accurate after {epochs}").format(epochs=_epochs(ahead)))
    if behind:
        parts.append(_("PyTorch less accurate after {epochs}").format(epochs=_epochs(behind)))
    return in_turn(parts)


def _epochs(numbers: Sequence[int]) -> str:
    text = _("epoch {numbers}") if len(numbers) == 1 else _("epochs {numbers}")
    return text.format(numbers=spans(numbers))


def _on_loss(causes: AccuracyCauses) -> Verdict:
    measured = _("with one example at a time: {alone}; with mini-batches: {batches}").format(
        alone=signed_points(causes.loss_alone), batches=signed_points(causes.loss_in_batches)
    )
    holds = _raises(
        causes.loss_alone, causes.loss_in_batches, _("Only with one example at a time"), _("Only with mini-batches")
    )
    return Verdict(_("Cross-entropy makes it more accurate"), holds, measured)


def _on_batches(causes: AccuracyCauses) -> Verdict:
    measured = _("with squared error: {alone}; with cross-entropy: {loss}").format(
        alone=signed_points(causes.batches_alone), loss=signed_points(causes.batches_with_loss)
    )
    holds = _raises(
        causes.batches_alone, causes.batches_with_loss, _("Only with squared error"), _("Only with cross-entropy")
    )
    return Verdict(_("Mini-batches make it more accurate"), holds, measured)


def _raises(first: Interval, second: Interval, only_first: str, only_second: str) -> str:
    """Return whether a cause raises the accuracy in both of two settings, by their intervals alone."""
    if not (has_bounds(first) and has_bounds(second)):
        return _("Unknown")
    if first.low > 0 or second.low > 0:
        return _("Yes") if min(first.low, second.low) > 0 else only_first if first.low > 0 else only_second
    return _("No") if max(first.high, second.high) < 0 else _("Not significantly")


def _on_all_at_once(question: QuestionSummary) -> Verdict | None:
    """Judge the other reading, in which every update is made from all examples."""
    seeds = shared_seeds(question, [ALL_AT_ONCE], question.epochs)
    if not seeds:
        return None
    reached = sum(question.accuracies[ALL_AT_ONCE][seed][question.epochs] for seed in seeds) / len(seeds)
    measured = _(
        "here: one example at a time; as one batch of everything, {epochs} are {n} updates and reach {accuracy}"
    ).format(epochs=epochs_of(question), n=question.epochs, accuracy=percent(reached))
    return Verdict(_("When hand-written, all data update the weights directly"), _("Ambiguous"), measured)
