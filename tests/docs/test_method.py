"""What docs/method.md says is what the code does, and what the committed trials and runs give."""

import pytest

from backprop_bench.bench.compare.plan import PROFILES
from backprop_bench.bench.core.engine.plan import BLOCK_S, MIN_REPLICATES, TARGET
from backprop_bench.bench.core.engine.timed_worker import BLOCK_PER_WARM_UP, FEWER_FIRST, FIRST_EXAMPLES
from backprop_bench.bench.core.stats.plausible import CLOCK_S, CLOCK_SHARE, RESTED_SHARE
from backprop_bench.bench.core.stats.ratios import COUNT_LIMITS, SHARE_LIMITS
from backprop_bench.bench.core.stats.tolerances import ROUNDINGS_PER_STEP, SPREAD_MARGIN
from backprop_bench.bench.core.worker.client import TIMEOUT_S
from backprop_bench.bench.core.worker.memory import LOADED_BYTES
from backprop_bench.bench.core.worker.replay import (
    EXPLOSION,
    KINK_MARGIN,
    KINK_RUNS,
    LEAST_TURNS,
    ROUNDINGS,
    STATE_LIMIT,
)
from backprop_bench.bench.selftest.plan import TRIAL_BLOCK_S, TRIAL_ROUNDS
from tests.docs.pages import ROOT

TEXT = " ".join((ROOT / "docs" / "method.md").read_text(encoding="utf-8").split())
DEFAULT = PROFILES["default"]
WORDS = {1: "one", 2: "two", 4: "four", 6: "six", 8: "eight"}


@pytest.mark.parametrize(
    "stated",
    [
        f"| length of a block | {1000 * BLOCK_S:.0f} ms |",
        f"| rounds in a process replicate | {DEFAULT.rounds} |",
        f"| passes | {DEFAULT.passes} |",
        f"| least number of process replicates | {MIN_REPLICATES} |",
        f"| target half-width of every 95 % CI (`--target`) | {100 * TARGET:.0f} % |",
        f"(`--budget`) | {DEFAULT.as_published.budget_s:.0f} s, {DEFAULT.same_recipe.budget_s:.0f} s |",
        f"After {DEFAULT.rounds} rounds all processes end",
        f"by the full profile over {WORDS[PROFILES['full'].passes]} passes",
        f"at least {WORDS[MIN_REPLICATES]} replicates",
        f"one untimed batch for every {WORDS[BLOCK_PER_WARM_UP]} in the block",
        f"the first {FIRST_EXAMPLES} examples of its seed, {FEWER_FIRST} where an example takes milliseconds",
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


@pytest.mark.parametrize(
    "stated",
    [
        f"within {100 * CLOCK_SHARE:.0f} % and {1000 * CLOCK_S:.0f} ms of a turn",
        f"at most {100 * RESTED_SHARE:.0f} % of a core may be used",
        f"for at most {WORDS[int(STATE_LIMIT)]} times as long as they were timed",
        f"and at least {WORDS[LEAST_TURNS]} of them",
    ],
)
def test_the_page_states_the_bounds_of_what_is_verified_in_the_timing(stated: str) -> None:
    assert stated in TEXT


def test_the_page_on_parity_states_the_tolerance_of_timed_work() -> None:
    text = " ".join((ROOT / "docs" / "parity.md").read_text(encoding="utf-8").split())
    assert rf"{ROUNDINGS_PER_STEP:.0f} \, n \, u \, w \, \max(\sqrt B, B / 8)" in text
    assert f"becomes wider by ${SPREAD_MARGIN:.0f}d$" in text
    assert f"moved by {ROUNDINGS[0]}, {ROUNDINGS[1]} and {ROUNDINGS[2]} roundings" in text
    assert (EXPLOSION, "grows thirtyfold" in text) == (30, True)
    assert (KINK_MARGIN, "four times the largest effect of taking another example" in text) == (4, True)
    assert (KINK_RUNS, "of eight trials" in text) == (8, True)


def test_one_event_marks_a_block_as_under_interference_as_the_page_says() -> None:
    assert set(COUNT_LIMITS.values()) == {0}
    assert "a major page fault, or throttling" in TEXT
