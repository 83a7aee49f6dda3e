"""What the records call the questions, and the steps between the article's two networks."""

from backprop_bench.bench.report.language import _

AS_PUBLISHED, SAME_RECIPE = "as-published", "same-recipe"
"""Names of the questions of a comparison."""
MINI_BATCHES = "mini-batches"
"""The hand-written network with batches of 64."""
FLOAT32 = "mini-batches, float32"
PYTORCH_RECIPE = "PyTorch's recipe"
"""All else that differs, too: it is the recipe of the PyTorch network, still in NumPy."""
LOSS = "cross-entropy"
BOTH = "cross-entropy, mini-batches"
ALL_AT_ONCE = "all at once"
"""The other reading of the article: every weight update from all examples."""


def plain_name(label: str) -> str | None:
    """Return what one of the usual implementations is called for people; ``None`` for any other one."""
    known = {
        "scratch-numpy": _("hand-written NumPy"),
        "scratch-compiled": _("hand-written Numba"),
        "torch-eager": "PyTorch",
        "torch-loader": "PyTorch + DataLoader",
    }
    return known.get(label)


def is_recipe(label: str) -> bool:
    """Say whether a label is of a recipe between the article's two networks, not of an implementation."""
    return label in (MINI_BATCHES, FLOAT32, PYTORCH_RECIPE, LOSS, BOTH, ALL_AT_ONCE)


def shown_label(label: str) -> str:
    """Return what a label is called in the language that is spoken; that of an implementation is its name."""
    known = {
        MINI_BATCHES: _("mini-batches"),
        FLOAT32: _("mini-batches, float32"),
        PYTORCH_RECIPE: _("PyTorch's recipe"),
        LOSS: _("cross-entropy"),
        BOTH: _("cross-entropy, mini-batches"),
        ALL_AT_ONCE: _("all at once"),
    }
    return known.get(label, label)
