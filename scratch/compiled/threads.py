"""What threads need that train together: shares, a barrier, and the treatment of subnormal numbers."""

import platform
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import Signature

from backprop_bench.scratch.compiled.jit import compiled, intrinsic
from backprop_bench.scratch.compiled.vectors import Vectors

Arrivals = npt.NDArray[np.int64]

IS_X86 = platform.machine() in ("x86_64", "AMD64")
SUBNORMALS_ARE_ZERO = np.uint32(0x8040)
"""Bits of MXCSR by which subnormal results (0x8000) and operands (0x0040) count as 0."""
PATIENCE = 10_000
"""Looks after which a waiting thread lets others have its core: some microseconds."""
sched_yield = types.ExternalFunction("sched_yield", Signature(types.intc, (), None))
"""POSIX: let another thread have this core."""


@compiled
def share_of(n: int, share: int, n_shares: int) -> tuple[int, int]:
    """Return where a share of n things in order begins and ends."""
    return n * share // n_shares, n * (share + 1) // n_shares


@intrinsic
def add_atomically(typing_context: Any, x: Any, index: Any, number: Any) -> Any:
    """Add a number to x[index], x flat, so that no other thread's change is lost; returns what was there before."""
    del typing_context, index, number
    signature = x.dtype(x, types.int64, x.dtype)

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = Vectors(context, builder, signature.args[0], args[0]).address(args[1])
        return builder.atomic_rmw("add", address, args[2], "seq_cst")

    return signature, write


@intrinsic
def read_atomically(typing_context: Any, x: Any, index: Any) -> Any:
    """Return x[index], x flat, as the last thread has left it; what that one wrote before is seen as well."""
    del typing_context, index
    signature = x.dtype(x, types.int64)

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        numbers = Vectors(context, builder, signature.args[0], args[0])
        return builder.load_atomic(numbers.address(args[1]), "acquire", numbers.element_bytes, typ=numbers.element)

    return signature, write


@compiled
def wait_at_barrier(arrived: Arrivals, n_threads: int) -> None:
    """Wait until all threads are here; ``arrived`` [1] counts their arrivals, and is 0 at first."""
    before: Any = add_atomically(arrived, 0, 1)
    expected = (before // n_threads + 1) * n_threads
    looks = 0
    while read_atomically(arrived, 0) < expected:
        looks += 1
        if looks > PATIENCE:
            sched_yield()


def _move_mxcsr(builder: Any, instruction: str, place: Any) -> None:
    """Write the x86 instruction that moves MXCSR to a place in memory, or from there."""
    if IS_X86:
        pointer = ir.IntType(8).as_pointer()
        function = ir.FunctionType(ir.VoidType(), [pointer])
        declared = cgutils.get_or_insert_function(builder.module, function, f"llvm.x86.sse.{instruction}")
        builder.call(declared, [builder.bitcast(place, pointer)])


@intrinsic
def read_mxcsr(typing_context: Any) -> Any:
    """Return MXCSR: how this thread rounds and treats subnormal numbers; 0 on other processors than x86."""
    del typing_context

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        del context, signature, args
        place = cgutils.alloca_once_value(builder, ir.IntType(32)(0))
        _move_mxcsr(builder, "stmxcsr", place)
        return builder.load(place, typ=ir.IntType(32))

    return types.uint32(), write


@intrinsic
def write_mxcsr(typing_context: Any, mxcsr: Any) -> Any:
    """Set MXCSR."""
    del typing_context, mxcsr

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        del signature
        _move_mxcsr(builder, "ldmxcsr", cgutils.alloca_once_value(builder, args[0]))
        return context.get_dummy_value()

    return types.void(types.uint32), write
