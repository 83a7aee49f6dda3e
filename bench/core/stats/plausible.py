"""Whether the times of a worker can be true: its clock beside the driver's, its CPU time, its work in between."""

import functools
from collections.abc import Sequence

from backprop_bench.bench.core.records.kinds import Block
from backprop_bench.bench.core.stats.ratios import P10, seconds_per_example

LEAST_BLOCKS = 4
"""Of an implementation, from which on anything is said."""
CLOCK_SHARE, CLOCK_S = 0.1, 0.01
"""The clock of a worker may miss this share of a turn, and these seconds: what it takes to hand it over."""
CPU_SHARE, CPU_S = 0.1, 0.002
"""CPU time may exceed threads times wall time by this share, and these seconds: its counters are read one by one."""
PENDING_SHARE, PENDING_S = 0.1, 0.001
"""Work that is still to be done when the clock has stopped, as a share of the block, and in seconds."""
RESTED_SHARE, RESTED_S = 0.05, 0.02
"""Of the turns of others, the CPU time that is no longer the end of a block; shorter pauses are not looked at."""


def implausible(blocks: Sequence[Block], threads: int) -> str | None:
    """Return what cannot be true, or is not to be, of the blocks of one implementation in one process replicate.

    It must be so in each of the fastest blocks, which decide how fast an implementation is. What happened once, and
    what else the machine did, is no reason; nor is anything in fewer blocks.

    Parameters
    ----------
    threads
        That its libraries may use.
    """
    if len(blocks) < LEAST_BLOCKS:
        return None
    fastest = sorted(blocks, key=seconds_per_example)[: max(LEAST_BLOCKS, round(P10 * len(blocks)))]
    checks = (_clock, functools.partial(_cpu, threads), _pending)
    faults = ([check(block) for block in fastest] for check in checks)
    return next((each[0] for each in faults if all(each)), None) or _rested(blocks)


def _clock(block: Block) -> str | None:
    asked_s, turn_s = block.asked_s, block.turn_s
    if asked_s is None or turn_s is None:
        return None
    if abs(asked_s - turn_s) <= CLOCK_SHARE * max(asked_s, turn_s) + CLOCK_S:
        return None
    return f"its clock is wrong: a turn took {turn_s:.3g} s by it, and {asked_s:.3g} s by the clock of the driver"


def _cpu(threads: int, block: Block) -> str | None:
    if block.cpu_s <= threads * block.wall_s * (1 + CPU_SHARE) + CPU_S:
        return None
    allowed = "1 thread" if threads == 1 else f"{threads} threads"
    return f"it used {block.cpu_s:.3g} s of CPU time in {block.wall_s:.3g} s, which is more than {allowed} can"


def _pending(block: Block) -> str | None:
    if block.pending_s is None or block.pending_s <= PENDING_SHARE * block.wall_s + PENDING_S:
        return None
    return (
        f"work was pending when train_epoch returned: after a block, reading the weights took {block.pending_s:.3g} s "
        "longer than a second time"
    )


def _rested(blocks: Sequence[Block]) -> str | None:
    """Look at all turns of others together: what burns a core there slows down others, not its own blocks."""
    known = [
        (row.rested_cpu_s, row.rested_s)
        for row in blocks
        if row.rested_cpu_s is not None and row.rested_s is not None and row.rested_s >= RESTED_S
    ]
    rested_s = sum(rested for _, rested in known)
    share = sum(cpu for cpu, _ in known) / rested_s if rested_s else 0.0
    return f"it used {100 * share:.0f} % of a core while others had their turn" if share > RESTED_SHARE else None
