"""``check``: is it right? The same as the command ``parity``, for a class of this process."""

import dataclasses
import functools
import html
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from backprop_bench.bench.api.adapt import adapt
from backprop_bench.bench.api.adapted import Batch, Method
from backprop_bench.bench.api.by_value import check_class, named, renamed
from backprop_bench.bench.api.layouts import BiasColumn, Order
from backprop_bench.bench.api.recorded import check_seconds, check_whole
from backprop_bench.bench.cli.dataset_options import load_and_say
from backprop_bench.bench.core.engine.plan import check_available
from backprop_bench.bench.core.engine.progress import Silent
from backprop_bench.bench.core.implementations import lacks, named_implementation
from backprop_bench.bench.core.worker.client import TIMEOUT_S, NoAnswer, Refusal, Worker, WorkerError
from backprop_bench.bench.report.numbers import paragraph
from backprop_bench.bench.report.table import Table, to_html, to_markdown
from backprop_bench.bench.verify.comparison import Pair, compare
from backprop_bench.data import Dataset, InputError, Recipe, changed_recipe, named_recipe
from backprop_bench.data.dataset import check_fit


@dataclass(frozen=True)
class Check:
    """Whether an implementation computes what it should; a notebook shows it as a table.

    Attributes
    ----------
    ok
        Whether every quantity agrees within rounding error, with the recipe or with these conventions.
    likely_mistake
        What is wrong, where a known mistake computes exactly the same; ``None`` where it is right, or none does.
    sentences
        The conclusion, in full.
    conventions
        Fields of the recipe that the implementation has otherwise, which is no mistake; empty where it has none.
    tables
        The quantities and their errors, one table for each dtype.
    """

    ok: bool
    likely_mistake: str | None
    sentences: tuple[str, ...]
    tables: tuple[Table, ...] = ()
    conventions: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def table(self) -> pd.DataFrame:
        """The first table: a row for each quantity; empty where nothing could be compared."""
        if not self.tables:
            return pd.DataFrame()
        first = self.tables[0]
        return pd.DataFrame(list(first.rows), columns=[column.name for column in first.columns])

    def __str__(self) -> str:
        """Return the sentences."""
        return paragraph(self.sentences)

    def _repr_html_(self) -> str:
        sentences = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in self.sentences)
        return sentences + "".join(map(to_html, self.tables))

    def _repr_markdown_(self) -> str:
        return "\n\n".join([*self.sentences, *map(to_markdown, self.tables)])


def check(
    implementation: str | type | Callable[..., Any],
    recipe: str | Recipe = "shared",
    *,
    weights: Sequence[str] | None = None,
    train: Method | None = None,
    gradients: Method | None = None,
    predict: Method | None = None,
    layout: Order = "rows",
    bias_column: BiasColumn | None = None,
    batch: Batch = "arrays",
    against: str | None = None,
    dataset: str = "mnist",
    steps: int | None = None,
    timeout_s: float = TIMEOUT_S,
    **fields: Any,
) -> Check:
    """Compare an implementation with another one, quantity by quantity, from the same weights and batches.

    It compares in float64 and in the recipe's own dtype, in a process of its own.

    Parameters
    ----------
    implementation
        A function ``loss_and_gradients(weights, x, t)``; a class of any form, with ``weights`` and ``train`` or
        ``gradients``; a class with the methods of :class:`backprop_bench.data.Trainer`; or a name that the command
        line takes, such as ``"torch-eager"`` or ``"mine.py:Mine"``. Functions and classes may be those of a notebook.
    recipe
        What is computed: a name, such as ``"article-scratch"``, or a recipe.
    weights, train, gradients, predict, layout, bias_column, batch
        Of a function, or of a class of any form: see :func:`backprop_bench.adapt`.
    against
        Name of the implementation to compare with; ``None`` for its reference implementation.
    dataset
        Name or path.
    steps
        Weight updates after which weights are compared; ``None`` for 1,000, and 100 in float32. A slow network needs
        fewer.
    timeout_s
        Seconds in which an answer is expected.
    fields
        Fields of the recipe that are changed, such as ``learning_rate=0.3``.

    Raises
    ------
    InputError
        For an implementation, a recipe or a dataset that cannot be used, in one sentence.
    """
    if steps is not None:
        check_whole("steps", steps)
    check_seconds("timeout_s", timeout_s)
    loaded = load_and_say(dataset)
    changed = _changed(recipe, fields, loaded)
    pieces: dict[str, Any] = {"weights": weights, "train": train, "gradients": gradients, "predict": predict}
    pieces |= {"layout": layout, "bias_column": bias_column, "batch": batch}
    defaults = inspect.signature(check).parameters
    own = _own(implementation, {name: piece for name, piece in pieces.items() if piece is not defaults[name].default})
    with named(own) as name:
        label = own if isinstance(own, str) else own.__name__
        return _checked(
            Pair(name, against or named_implementation(name).reference, dataset), label, changed, steps, timeout_s
        )


def _checked(pair: Pair, label: str, recipe: Recipe, steps: int | None, timeout_s: float) -> Check:
    """Compare two that workers find by their names; the result calls the first one by its label."""
    say = functools.partial(renamed, name=pair.implementation, label=label)
    for name in (pair.implementation, pair.against):
        check_available(name)
    try:
        with Worker(threads=1, limit_s=timeout_s) as worker:
            comparison = compare(worker, pair, recipe, steps, Silent())
    except (Refusal, InputError) as refusal:
        raise InputError(say(str(refusal))) from None
    except NoAnswer:
        return Check(False, None, (_too_slow(label, timeout_s),))
    except WorkerError as failure:
        return Check(False, None, (say(f"Not equal: {pair.implementation} {failure}."),))
    findings = comparison.findings()
    return Check(
        comparison.equal,
        "; or ".join(comparison.mistakes) or None,
        tuple(map(say, findings.sentences)),
        tuple(dataclasses.replace(table, title=say(table.title)) for table in findings.tables),
        {name: value for each in comparison.conventions for name, value in each.changes.items()},
    )


def _too_slow(name: str, timeout_s: float) -> str:
    return (
        f"Not verified: {name} gave no answer within {timeout_s:g} s; write steps=20, a smaller network such as "
        f"layer_sizes=(784, 16, 10), or a longer timeout_s={10 * timeout_s:g}"
    )


def _own(implementation: str | type | Callable[..., Any], pieces: dict[str, Any]) -> str | type:
    """Return a name, or a class with the methods of a trainer."""
    if implementation is None:
        raise InputError("None is no network; run the cell that defines it first, and pass the class or the function")
    if isinstance(implementation, str) or (isinstance(implementation, type) and lacks(implementation) is None):
        if pieces:
            raise InputError(
                f"{next(iter(pieces))} belongs to a function; a class or a name has its own, and backprop_bench.adapt "
                "gives it one"
            )
        return implementation
    if not pieces and (isinstance(implementation, type) or not callable(implementation)):
        check_class(implementation)
    return adapt(implementation, **pieces)


def _changed(recipe: str | Recipe, fields: dict[str, Any], dataset: Dataset) -> Recipe:
    if isinstance(recipe, str):
        return changed_recipe(named_recipe(recipe), fields, dataset)
    if not isinstance(recipe, Recipe):
        raise InputError(f"recipe is of the type {type(recipe).__name__}; expected a name or a Recipe")
    changed = recipe.replace(**fields)
    check_fit(changed, dataset)
    return changed
