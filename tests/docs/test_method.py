"""What docs/method.md says is what the code does, and what the committed trials and runs give."""

import pytest

from backprop_bench.bench.compare.plan import PROFILES, ROUNDS
from backprop_bench.bench.core.engine.plan import BLOCK_S, MIN_REPLICATES, TARGET
from backprop_bench.bench.core.engine.timed_worker import BLOCK_PER_WARM_UP
from backprop_bench.bench.core.stats.ratios import COUNT_LIMITS, SHARE_LIMITS
from backprop_bench.bench.core.worker.client import TIMEOUT_S
from backprop_bench.bench.core.worker.memory import LOADED_BYTES
from backprop_bench.bench.selftest.plan import TRIAL_BLOCK_S, TRIAL_ROUNDS
from tests.docs.pages import ROOT

TEXT = " ".join((ROOT / "docs" / "method.md").read_text(encoding="utf-8").split())
DEFAULT = PROFILES["default"]
WORDS = {6: "six", 8: "eight"}


@pytest.mark.parametrize(
    "stated",
    [
        f"| length of a block | {1000 * BLOCK_S:.0f} ms |",
        f"| rounds in a process replicate | {ROUNDS} |",
        f"| passes | {DEFAULT.passes} |",
        f"| least number of process replicates | {MIN_REPLICATES} |",
        f"| target half-width of every 95 % CI (`--target`) | {100 * TARGET:.0f} % |",
        f"(`--budget`) | {DEFAULT.as_published.budget_s:.0f} s, {DEFAULT.same_recipe.budget_s:.0f} s |",
        f"After {ROUNDS} rounds all processes end",
        f"over {WORDS[DEFAULT.passes]} passes",
        f"at least {WORDS[MIN_REPLICATES]} replicates",
        f"one untimed batch for every {WORDS[BLOCK_PER_WARM_UP]} in the block",
        f"allocates and frees {LOADED_BYTES >> 20} MiB once",
        f"steal time above {100 * SHARE_LIMITS['steal_s']:.0f} % of its wall time",
        f"waiting for a core above {100 * SHARE_LIMITS['waited_s']:.0f} %",
        f"blocks of {1000 * TRIAL_BLOCK_S:.0f} ms and {TRIAL_ROUNDS} rounds",
    ],
)
def test_the_page_states_the_settings_that_are_applied(stated: str) -> None:
    assert stated in TEXT


def test_the_page_states_how_long_a_worker_may_take() -> None:
    assert TIMEOUT_S == 5 * 60
    assert "does not answer for five minutes" in TEXT


def test_one_event_marks_a_block_as_under_interference_as_the_page_says() -> None:
    assert set(COUNT_LIMITS.values()) == {0}
    assert "a major page fault, or throttling" in TEXT
