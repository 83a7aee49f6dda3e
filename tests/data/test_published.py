import numpy as np
import pytest

from backprop_bench.data import PATTERNS, RELATIONS, InputError, Patterns, Recipe, load_family_trees, load_patterns

SHAPES = {
    "xor": (4, 2, 1),
    "parity-4": (16, 4, 1),
    "symmetry": (64, 6, 1),
    "encoder-8-3-8": (8, 8, 8),
    "family-trees": (104, 36, 24),
}


def recipe_for(patterns: Patterns, **fields: object) -> Recipe:
    sizes = [patterns.n_inputs, 3, patterns.n_outputs]
    fields = {"layer_sizes": sizes, "output_activation": "sigmoid", "loss": "squared_error", **fields}
    return Recipe.from_dict(fields)


def answers(patterns: Patterns) -> dict[str, int]:
    """Return the target of every example, by its name; for a single output."""
    return dict(zip(patterns.example_names, patterns.targets[:, 0].tolist(), strict=True))


def test_every_name_is_tested_below() -> None:
    assert tuple(SHAPES) == PATTERNS


@pytest.mark.parametrize(("name", "shape"), SHAPES.items())
def test_patterns_are_distinct_bits_and_all_of_them_have_names(name: str, shape: tuple[int, int, int]) -> None:
    patterns = load_patterns(name)
    n_examples, n_inputs, n_outputs = shape
    assert patterns.name == name
    assert patterns.inputs.shape == (n_examples, n_inputs) == (n_examples, patterns.n_inputs)
    assert patterns.targets.shape == (n_examples, n_outputs) == (n_examples, patterns.n_outputs)
    for bits in (patterns.inputs, patterns.targets):
        assert bits.dtype == np.uint8
        assert bits.max() == 1
    assert len(np.unique(patterns.inputs, axis=0)) == n_examples
    assert len(patterns.example_names) == len(set(patterns.example_names)) == n_examples
    assert len(patterns.input_names) == len(set(patterns.input_names)) == n_inputs
    assert len(patterns.output_names) == len(set(patterns.output_names)) == n_outputs


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_are_made_anew_each_time(name: str) -> None:
    first, second = load_patterns(name), load_patterns(name)
    assert np.array_equal(first.inputs, second.inputs)
    assert np.array_equal(first.targets, second.targets)
    for array in (second.inputs, second.targets, first.targets):
        assert not np.shares_memory(first.inputs, array)


def test_xor_is_on_where_one_input_is_but_not_both() -> None:
    assert answers(load_patterns("xor")) == {"00": 0, "01": 1, "10": 1, "11": 0}


def test_parity_changes_with_every_single_input() -> None:
    by_pattern = answers(load_patterns("parity-4"))
    assert by_pattern["0000"] == 0
    for pattern, answer in by_pattern.items():
        for place, bit in enumerate(pattern):
            other = pattern[:place] + ("1" if bit == "0" else "0") + pattern[place + 1 :]
            assert by_pattern[other] == 1 - answer


def test_the_eight_patterns_that_read_the_same_from_both_ends_are_symmetric() -> None:
    on = {pattern for pattern, answer in answers(load_patterns("symmetry")).items() if answer}
    assert on == {"000000", "001100", "010010", "011110", "100001", "101101", "110011", "111111"}


def test_the_encoder_is_to_return_its_input() -> None:
    patterns = load_patterns("encoder-8-3-8")
    assert np.array_equal(patterns.inputs, np.eye(8))
    assert np.array_equal(patterns.targets, np.eye(8))


def test_a_question_about_a_family_is_one_person_and_one_relation() -> None:
    patterns = load_patterns("family-trees")
    assert patterns.input_names == patterns.output_names + RELATIONS
    assert (patterns.inputs[:, :24].sum(axis=1) == 1).all()
    assert (patterns.inputs[:, 24:].sum(axis=1) == 1).all()
    assert patterns.targets.sum() == 112
    assert np.bincount(patterns.targets.sum(axis=1)).tolist() == [0, 96, 8]


def test_answers_about_a_family_are_the_relatives() -> None:
    patterns = load_patterns("family-trees")
    for number, example_name in enumerate(patterns.example_names):
        asked = [name for name, bit in zip(patterns.input_names, patterns.inputs[number], strict=True) if bit]
        right = [name for name, bit in zip(patterns.output_names, patterns.targets[number], strict=True) if bit]
        person, relation = asked
        assert example_name == f"{person}, {relation}"
        tree = next(tree for tree in load_family_trees() if person in tree.people)
        assert tuple(right) == tree.relatives(person, relation)
    assert "Colin, aunt" in patterns.example_names


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PATTERNS)
def test_examples_come_in_the_ranges_and_the_dtype_of_the_recipe(name: str, dtype: str) -> None:
    patterns = load_patterns(name)
    recipe = recipe_for(patterns, dtype=dtype, input_range=(-1, 0.3), target_range=(0.1, 0.9))
    examples = patterns.examples(recipe)
    for values, bits, ends in ((examples.x, patterns.inputs, (-1, 0.3)), (examples.t, patterns.targets, (0.1, 0.9))):
        low, high = np.array(ends, dtype)
        assert values.dtype == np.dtype(dtype)
        assert values.flags.c_contiguous
        assert np.array_equal(values, np.where(bits == 1, high, low))


def test_a_label_is_the_target_of_a_single_output_and_else_the_first_right_output() -> None:
    for name in PATTERNS:
        patterns = load_patterns(name)
        labels = patterns.examples(recipe_for(patterns)).y
        assert labels.dtype == np.int64
        if patterns.n_outputs == 1:
            assert np.array_equal(labels, patterns.targets[:, 0])
        else:
            assert labels.tolist() == [row.index(1) for row in patterns.targets.tolist()]


@pytest.mark.parametrize(
    ("layer_sizes", "message"),
    [
        ([3, 1], "recipe: the first entry of layer_sizes is 3, expected 2, the number of inputs of xor$"),
        ([2, 2, 2], "recipe: the last entry of layer_sizes is 2, expected 1, the number of outputs of xor$"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused(layer_sizes: list[int], message: str) -> None:
    patterns = load_patterns("xor")
    with pytest.raises(InputError, match=message):
        patterns.examples(recipe_for(patterns, layer_sizes=layer_sizes))


@pytest.mark.parametrize("name", ["", "XOR", "parity", "mnist"])
def test_an_unknown_name_is_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(InputError, match=f"no patterns are named {name!r}; expected one of xor, .*, family-trees$"):
        load_patterns(name)
