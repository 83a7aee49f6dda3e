"""The published experiments: what each trains, how often, and which settings are published and which a guess."""

import dataclasses
import itertools
from collections.abc import Mapping

from backprop_bench.data import ARTICLE_SCRATCH, RASHID, ExtendedRecipe, Recipe


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A published experiment, or a variation of it.

    Attributes
    ----------
    name
        What the records call it.
    published_as
        Name of the publication's experiment that it belongs to, as `reproduce` takes it.
    title
        What it is, in words.
    patterns
        The task, as :func:`data.load_patterns` takes it; ``None`` for MNIST.
    variants
        Recipes, by what the records call them. A trial ends after their epochs.
    seeds
        From which every variant is trained.
    compared_seeds
        The first so many of them, from which PyTorch trains as well.
    held_out
        Examples that are not trained: of MNIST the last ones, of the other tasks others for every seed.
    stops
        Whether a trial ends as soon as the task is solved.
    keeps
        Whether the weights at the end are recorded.
    stretch
        Batches after which PyTorch restarts from the weights of NumPy, in a training job beside the others: where the
        recipe amplifies rounding error, both versions cannot agree for longer. 0 where there is no such job.
    guesses
        Settings that are not published, or not known here.
    """

    name: str
    published_as: str
    title: str
    patterns: str | None
    variants: Mapping[str, Recipe]
    seeds: int
    compared_seeds: int
    held_out: int = 0
    stops: bool = True
    keeps: bool = False
    stretch: int = 0
    guesses: str = ""


OF_1986 = Recipe(
    layer_sizes=(6, 2, 1),
    output_activation="sigmoid",
    loss="squared_error",
    reduction="sum",
    batch_size=None,
    optimizer="momentum",
    learning_rate=0.1,
    momentum=0.9,
    initialization="uniform",
    init_scale=0.3,
    dtype="float64",
    epochs=30_000,
    shuffle=False,
)
"""The recipe of the symmetry network, whose settings are all published: Nature 323, 533-536, Fig. 1."""
AS_PUBLISHED, AVERAGED = "as published", "mean over the examples"

N_PERSONS, N_PERSON_UNITS = 24, 6
"""Inputs that stand for persons, and the hidden units that only these are connected to."""
FAMILY = ExtendedRecipe(
    layer_sizes=(36, 12, 12, 6, 24),
    output_activation="sigmoid",
    loss="squared_error",
    reduction="sum",
    batch_size=None,
    optimizer="momentum",
    learning_rate=0.005,
    momentum=0.5,
    initialization="uniform",
    init_scale=OF_1986.init_scale,
    dtype="float64",
    epochs=1500,
    shuffle=False,
    first_layer_blocks=((N_PERSONS, N_PERSON_UNITS), (12, 6)),
    schedule=((20, 0.01, 0.9),),
    multiplicative_decay=0.002,
    error_dead_zone=(0.2, 0.8),
)
"""The recipe of the family trees, read literally (the same, Figs 2-4). The range of the initial weights is that of the
symmetry network, for none is stated."""
SECOND_RATES = {"ε 0.01": 0.01, "ε 0.001": 0.001}
"""Learning rate from epoch 20 on, by transcription of the text."""
RANGES = (0.1, 0.3, 1.0, 2.0)
DECAYS = {"decay 0.2 %": 0.002, "decay 0.02 %": 0.0002, "no decay": 0.0}
TARGETS: dict[str, dict[str, object]] = {
    "targets 0 and 1, error dead zone beyond 0.2 and 0.8": {"error_dead_zone": (0.2, 0.8), "target_range": (0.0, 1.0)},
    "targets 0.2 and 0.8, error dead zone beyond them": {"error_dead_zone": (0.2, 0.8), "target_range": (0.2, 0.8)},
    "no error dead zone": {"error_dead_zone": None, "target_range": (0.0, 1.0)},
}
PER_EPOCH = 1 - (1 - 0.002) ** (1 / 100)
"""Decay per update that amounts to 0.2 % per epoch of 100 updates."""
FASTER = "ε 0.05"
"""Five times the published learning rates: beyond any reading of the text."""


def in_text(recipe: Recipe) -> bool:
    """Say whether a recipe is a reading of the text; of the family trees some are not."""
    full = ExtendedRecipe.of(recipe)
    if not full.first_layer_blocks:
        return True
    has_decay = full.multiplicative_decay in (0.002, PER_EPOCH)
    return full.learning_rate < 0.02 and has_decay and full.error_dead_zone is not None


def _family_map() -> dict[str, Recipe]:
    """Return all that the text leaves open, and some of what it does not, with an update after every epoch."""
    rates = {**SECOND_RATES, FASTER: 0.05}
    recipes = {}
    for scale, (label, rate), (decay, share), (targets, changes), reduction in itertools.product(
        RANGES, rates.items(), DECAYS.items(), TARGETS.items(), ("sum", "mean")
    ):
        first = 0.025 if label == FASTER else 0.005
        recipe = FAMILY.replace(
            init_scale=scale,
            learning_rate=first,
            schedule=((20, rate, 0.9),),
            multiplicative_decay=share,
            reduction=reduction,
            **changes,
        )
        recipes[f"U(±{scale:g}), {label}, {decay}, {targets}, {reduction} over examples"] = recipe
    return recipes


def _family_example_map() -> dict[str, Recipe]:
    """Return the same with an update after every example, where it is affordable."""
    recipes = {}
    decays = {"decay 0.2 % per update": 0.002, "decay 0.2 % per epoch": PER_EPOCH, "no decay": 0.0}
    for scale, (label, rate), (decay, share), (targets, changes) in itertools.product(
        (0.3, 1.0), SECOND_RATES.items(), decays.items(), TARGETS.items()
    ):
        recipe = FAMILY.replace(
            init_scale=scale,
            schedule=((20, rate, 0.9),),
            multiplicative_decay=share,
            batch_size=1,
            shuffle=True,
            **changes,
        )
        recipes[f"U(±{scale:g}), {label}, {decay}, {targets}, one example at a time"] = recipe
    return recipes


def _pdp(layer_sizes: tuple[int, ...], epochs: int, *, skip_connection: bool = False) -> dict[str, Recipe]:
    """Return the recipes of a task of *Parallel Distributed Processing*, chapter 8, without and with momentum."""
    recipe = OF_1986.replace(
        layer_sizes=layer_sizes,
        skip_connection=skip_connection,
        learning_rate=0.5,
        init_scale=0.5,
        target_range=(0.1, 0.9),
        epochs=epochs,
    )
    return {"α 0": recipe.replace(optimizer="sgd", momentum=0.0), "α 0.9": recipe}


PDP_GUESSES = (
    "momentum α (0 and 0.9 are shown), initial weights U(±0.5), an update after every epoch, targets 0.1 and 0.9"
)

NIELSEN = Recipe(
    layer_sizes=(784, 30, 10),
    output_activation="sigmoid",
    loss="squared_error",
    batch_size=10,
    learning_rate=3.0,
    initialization="normal",
    init_scale=1.0,
    dtype="float64",
    epochs=30,
)
LECUN = Recipe(
    layer_sizes=(784, 300, 10),
    hidden_activation="tanh",
    output_activation="sigmoid",
    loss="squared_error",
    batch_size=64,
    initialization="xavier_uniform",
    input_range=(-0.1, 1.175),
    dtype="float64",
    epochs=20,
)
"""Inputs, hyperbolic tangents and the number of epochs are what the publication says of its other networks."""
HINTON = Recipe(
    layer_sizes=(784, 500, 300, 10),
    batch_size=100,
    learning_rate=0.5,
    initialization="xavier_uniform",
    weight_decay=5e-5,
    dtype="float64",
    epochs=30,
)
LECUN_RATES = (0.1, 0.3, 1.0)


def _with_rates(recipe: Recipe) -> dict[str, Recipe]:
    return {f"ε {rate:g}": recipe.replace(learning_rate=rate) for rate in LECUN_RATES}


LECUN_GUESSES = (
    "that the inputs from -0.1 to 1.175, the hyperbolic tangent of the hidden units (theirs is scaled) and the 20 "
    "epochs of the other networks of the publication are those of this one; sigmoid outputs, batches of 64, Glorot's "
    "initial weights, learning rates " + ", ".join(f"{rate:g}" for rate in LECUN_RATES)
)
HINTON_GUESSES = (
    "all but the sizes, softmax, cross-entropy and that there is weight decay: sigmoid, batches of 100, ε 0.5, "
    "decay 5e-5, 30 epochs, Glorot's initial weights"
)

EXACT_RASHID = "rashid-gradient"
"""Not published: what the missing derivative changes."""


def _by_fan(recipe: Recipe) -> dict[str, Recipe]:
    return {
        "initial weights by fan-in": recipe,
        "initial weights by fan-out": recipe.replace(initialization="fan_out_normal"),
    }


EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        Experiment(
            "symmetry",
            "symmetry",
            "Symmetry: do six inputs read the same from both ends?",
            "symmetry",
            {AS_PUBLISHED: OF_1986},
            seeds=200,
            compared_seeds=200,
            keeps=True,
        ),
        Experiment(
            "symmetry-averaged",
            "symmetry",
            "The same with the mean over the examples where the paper has the sum",
            "symmetry",
            {AVERAGED: OF_1986.replace(reduction="mean")},
            seeds=50,
            compared_seeds=2,
        ),
        Experiment(
            "xor",
            "xor",
            "XOR with one hidden unit and input-output skip connections",
            "xor",
            _pdp((2, 1, 1), 10_000, skip_connection=True),
            seeds=100,
            compared_seeds=100,
            guesses=PDP_GUESSES,
        ),
        Experiment(
            "parity-4",
            "parity-4",
            "Parity of four inputs with four hidden units",
            "parity-4",
            _pdp((4, 4, 1), 10_000),
            seeds=50,
            compared_seeds=10,
            guesses=PDP_GUESSES,
        ),
        Experiment(
            "encoder-8-3-8",
            "encoder-8-3-8",
            "The encoder: eight patterns through three hidden units",
            "encoder-8-3-8",
            _pdp((8, 3, 8), 5_000),
            seeds=50,
            compared_seeds=10,
            guesses=f"learning rate 0.5; {PDP_GUESSES}",
        ),
        Experiment(
            "family-trees",
            "family-trees",
            "Family trees, read literally",
            "family-trees",
            {label: FAMILY.replace(schedule=((20, rate, 0.9),)) for label, rate in SECOND_RATES.items()},
            seeds=20,
            compared_seeds=20,
            held_out=4,
            stops=False,
            keeps=True,
            guesses="initial weights U(±0.3); which four questions are held out",
        ),
        Experiment(
            "family-trees-map",
            "family-trees",
            "Family trees: what the text leaves open, and some of what it does not",
            "family-trees",
            _family_map(),
            seeds=3,
            compared_seeds=1,
            held_out=4,
            stops=False,
        ),
        Experiment(
            "family-trees-examples",
            "family-trees",
            "Family trees with an update after every example",
            "family-trees",
            _family_example_map(),
            seeds=2,
            compared_seeds=0,
            held_out=4,
            stops=False,
        ),
        Experiment(
            "nielsen-30",
            "nielsen-30",
            "784-30-10, squared error (Nielsen)",
            None,
            {AS_PUBLISHED: NIELSEN},
            seeds=9,
            compared_seeds=1,
            held_out=10_000,
            stretch=100,
        ),
        Experiment(
            "nielsen-100",
            "nielsen-100",
            "784-100-10, squared error (Nielsen)",
            None,
            {AS_PUBLISHED: NIELSEN.replace(layer_sizes=(784, 100, 10))},
            seeds=9,
            compared_seeds=1,
            held_out=10_000,
            stretch=100,
        ),
        Experiment(
            "rashid",
            "rashid",
            "784-200-10, one example at a time (Rashid)",
            None,
            _by_fan(RASHID),
            seeds=5,
            compared_seeds=1,
            guesses="whether the variance of the initial weights is 1/fan-in, as the text has it, or 1/fan-out, as "
            "printed programs have it",
        ),
        Experiment(
            EXACT_RASHID,
            EXACT_RASHID,
            "The same with the exact gradient, where Rashid sends errors back without the derivative of the outputs",
            None,
            _by_fan(ARTICLE_SCRATCH),
            seeds=5,
            compared_seeds=1,
        ),
        Experiment(
            "lecun-300",
            "lecun-300",
            "784-300-10, squared error (LeCun et al.)",
            None,
            _with_rates(LECUN),
            seeds=2,
            compared_seeds=1,
            guesses=LECUN_GUESSES,
        ),
        Experiment(
            "lecun-1000",
            "lecun-1000",
            "784-1000-10, squared error (LeCun et al.)",
            None,
            _with_rates(LECUN.replace(layer_sizes=(784, 1000, 10))),
            seeds=2,
            compared_seeds=1,
            guesses=LECUN_GUESSES,
        ),
        Experiment(
            "hinton",
            "hinton",
            "784-500-300-10, softmax, cross-entropy and weight decay (Hinton)",
            None,
            {"a guess": HINTON},
            seeds=5,
            compared_seeds=1,
            guesses=HINTON_GUESSES,
        ),
    )
}
"""By name."""
NAMES = tuple(dict.fromkeys(experiment.published_as for experiment in EXPERIMENTS.values()))
"""What `reproduce` takes."""
