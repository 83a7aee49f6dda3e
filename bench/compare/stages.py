"""About how long each stage of a comparison takes, for those who wait for it."""

from backprop_bench.bench.cli.progress import Stage
from backprop_bench.bench.core.records.plan import Plan, Question
from backprop_bench.bench.core.stats.flops import epoch_work
from backprop_bench.bench.report.language import _, reader_language, speaking

VERIFICATION_S, REFERENCE_S, ASIDE_S, DRAWING_S = 0.7, 0.15, 6.0, 10.0
"""Of an entry, of a reference of one, of what a timing does beside its budget, and of all figures.

Measured on two cores of an EPYC.
"""
SINGLE_FLOPS, BATCH_FLOPS = 55e9, 170e9
"""Operations per second of a training on two cores, with one example at a time and with batches."""


def expected_stages(plan: Plan) -> list[Stage]:
    """Return the stages in their order, with about so many seconds each, shown in the language of the reader."""
    entries = sum(len(question.originals) for question in plan.questions)
    with speaking(reader_language()):
        checks = [
            Stage("verification", VERIFICATION_S * entries, _("verification")),
            Stage("verify references", REFERENCE_S * entries, _("verify references")),
        ]
        each_pass = [*_trainings(plan), *_timings(plan)]
        return [*checks, *(each_pass * plan.passes), Stage("figures", DRAWING_S, _("figures"))]


def _trainings(plan: Plan) -> list[Stage]:
    return [
        Stage(f"train {each.name}", training_s(each) / plan.passes, _("train {question}").format(question=each.name))
        for each in plan.questions
        if each.trained
    ]


def _timings(plan: Plan) -> list[Stage]:
    return [
        Stage(
            f"time {each.name}",
            each.timing.budget_s / plan.passes + ASIDE_S,
            _("time {question}").format(question=each.name),
        )
        for each in plan.questions
    ]


def training_s(question: Question) -> float:
    """Return about how long the trainings for accuracy take, of each recipe once."""
    recipes = {entry.recipe for entry in question.trained}
    return sum(
        len(question.seeds)
        * question.epochs
        * epoch_work(recipe, question.examples).flops
        / (SINGLE_FLOPS if recipe.batch_size == 1 else BATCH_FLOPS)
        for recipe in recipes
    )
