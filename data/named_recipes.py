"""The recipes that have a name."""

from backprop_bench.data.errors import InvalidRecipe
from backprop_bench.data.recipe import Recipe

SHARED = Recipe()
"""The recipe on which every implementation is timed: 784-128-10, batches of 64, float32.

The learning rate was chosen among 0.3, 0.5, 1 and 2 by the accuracy on 10,000 training examples held out:
``backprop-bench train scratch-numpy --hold-out 10000 --learning-rate 1``.
"""

ARTICLE_SCRATCH = Recipe(
    layer_sizes=(784, 200, 10),
    output_activation="sigmoid",
    loss="squared_error",
    reduction="sum",
    bias=False,
    batch_size=1,
    learning_rate=0.1,
    initialization="lecun_normal",
    dtype="float64",
    shuffle=False,
    input_range=(0.01, 1.0),
    target_range=(0.01, 0.99),
)
"""The article's hand-written network. The article prints no settings; its network is that of Rashid's *Make Your Own
Neural Network*, so these are Rashid's."""

ARTICLE_TORCH = Recipe(layer_sizes=(784, 200, 10))
"""The article's PyTorch network: cross-entropy, mini-batches of 64.

The article prints no settings. The sizes are those of its other network, the initial weights are PyTorch's own, and
the learning rate was chosen among 0.1, 0.3, 0.5, 1 and 2 by the accuracy on 10,000 training examples held out.
"""

RASHID = ARTICLE_SCRATCH.replace(back_propagation="errors")
"""Rashid's network as his program has it: errors go back through the weights without the derivative of the outputs.
All else is that of `ARTICLE_SCRATCH`, which has the exact gradient."""

RECIPES: dict[str, Recipe] = {
    "shared": SHARED,
    "article-scratch": ARTICLE_SCRATCH,
    "article-torch": ARTICLE_TORCH,
    "rashid": RASHID,
}


def named_recipe(name: str) -> Recipe:
    """Return a named recipe; raises `InvalidRecipe` for an unknown name."""
    if name not in RECIPES:
        raise InvalidRecipe(f"no recipe is named {name!r}; the named ones are {', '.join(RECIPES)}")
    return RECIPES[name]
