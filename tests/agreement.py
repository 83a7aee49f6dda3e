"""That two implementations compute the same, by the comparisons of the verification."""

from hypothesis import currently_in_test_context, reject

from backprop_bench.bench.verify.checks import compare_gradients, compare_outputs, compare_training
from backprop_bench.data import Examples, Recipe, Trainer


def assert_same(recipe: Recipe, actual: type[Trainer], expected: type[Trainer], examples: Examples, steps: int) -> None:
    """Assert that outputs, gradients, and weights after so many steps agree.

    Nothing can be compared where a recipe diverges: an example of Hypothesis is then rejected.
    """
    for agreement in (
        compare_outputs(recipe, actual, expected, examples),
        compare_gradients(recipe, actual, expected, examples),
        compare_training(recipe, actual, expected, examples, steps),
    ):
        if "diverges" in agreement.where and currently_in_test_context():
            reject()
        assert agreement.passed, agreement
