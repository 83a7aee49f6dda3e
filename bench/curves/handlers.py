"""Handler of the request that evaluates a network between weight updates."""

import numpy as np

from backprop_bench.bench.core.worker.handlers import handler
from backprop_bench.bench.core.worker.replies import Reply
from backprop_bench.bench.core.worker.session import Session, number
from backprop_bench.bench.curves.analysis import SAMPLE
from backprop_bench.scratch.losses import loss_of

DIGITS = 4


class Look(Reply, frozen=True, kw_only=True):
    """The classes of the test examples, uint16, and the share of the output error that is left in dE/dz."""

    classes: bytes
    error_share: float | None


@handler(needs_session=True)
def look(session: Session) -> Look:
    """Predict the classes of the test examples, and compare dE/dz of training examples with their error."""
    return Look(classes=session.classes(), error_share=_error_share(session))


def _error_share(session: Session) -> float | None:
    """Return Σ |dE/dz| / Σ |y − t| over the outputs of the first training examples; ``None`` without a finite one."""
    x, t = session.train_examples.x[:SAMPLE], session.train_examples.t[:SAMPLE]
    y = np.asarray(session.training.trainer.predict(x), np.float64)
    _, derivative = loss_of(session.recipe)
    _, dz = derivative(y, t)
    error = float(np.abs(y - t).sum())
    return number(round(float(np.abs(dz).sum()) / error, DIGITS)) if error else None
