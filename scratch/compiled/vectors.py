"""Sums of rows in vector registers, written in LLVM's language.

A compiler keeps the sums of such a loop in memory, since it cannot know that arrays do not overlap. Here they stay in
registers until they are complete.
"""

import os
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from llvmlite.binding import get_host_cpu_features as host_cpu_features
from numba import types
from numba.core import cgutils

from backprop_bench.scratch.compiled.jit import intrinsic

LANES = 16
"""Numbers in a vector: as many float32 as the widest registers hold; where they are narrower, LLVM takes several."""
HAS_AVX512 = os.environ.get("NUMBA_CPU_NAME", "host") == "host" and bool(host_cpu_features().get("avx512f"))
"""Whether there are 32 registers of that width; not where Numba is told to compile for another processor."""
TILE = 8 if HAS_AVX512 else 4
"""Vectors that are summed at a time: so many sums are under way that none waits for the one before."""
LINE_BYTES = 64
"""A cache line; what begins at one is fetched with the fewest accesses."""
CONTRACT = ("contract",)
"""A product and a sum may be one instruction."""


class Vectors:
    """Code that reads and writes elements and vectors of a flat array."""

    def __init__(self, context: Any, builder: Any, array_type: Any, array: Any) -> None:
        self.builder = builder
        self.element = context.get_data_type(array_type.dtype)
        self.vector = ir.VectorType(self.element, LANES)
        self.data = context.make_array(array_type)(context, builder, array).data
        self.element_bytes = context.get_abi_sizeof(self.element)

    def address(self, index: Any) -> Any:
        """Return the address of an element."""
        return self.builder.gep(self.data, [index], source_etype=self.element)

    def number(self, index: Any) -> Any:
        """Return an element."""
        return self.builder.load(self.address(index), typ=self.element)

    def load(self, index: Any) -> Any:
        """Return the vector that begins at an element."""
        address = self.builder.bitcast(self.address(index), self.vector.as_pointer())
        return self.builder.load(address, align=self.element_bytes, typ=self.vector)

    def store(self, vector: Any, index: Any) -> None:
        """Write a vector from an element on."""
        address = self.builder.bitcast(self.address(index), vector.type.as_pointer())
        self.builder.store(vector, address, align=self.element_bytes)

    def splat(self, number: Any) -> Any:
        """Return a vector all of whose numbers are this one."""
        undefined = ir.Constant(ir.VectorType(number.type, LANES), ir.Undefined)
        first = self.builder.insert_element(undefined, number, ir.IntType(32)(0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return self.builder.shuffle_vector(first, undefined, zeros)


class RowSums:
    """Code that sums some vectors of rows, each row times a factor.

    ``args`` begin with the arguments of :data:`add_rows` from out to x; ``column`` is the place in a row from which
    ``n_vectors`` vectors are summed.
    """

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any, column: Any, n_vectors: int) -> None:
        self.builder, self.column = builder, column
        self.out, self.rows, self.x = (_array(context, builder, signature, args, number) for number in (0, 3, 7))
        _, self.out_start, self.scale, _, self.first, self.stride, *_ = args
        zero = ir.Constant(self.out.vector, None)
        self.sums = [cgutils.alloca_once_value(builder, zero) for _ in range(n_vectors)]

    def add(self, row: Any, x_index: Any) -> None:
        """Add a row times x[x_index]."""
        builder = self.builder
        begin = builder.add(builder.mul(row, self.stride), builder.add(self.first, self.column))
        factor = self.rows.splat(self.x.number(x_index))
        for part, place in enumerate(self.sums):
            vector = self.rows.load(builder.add(begin, begin.type(LANES * part)))
            product = builder.fmul(factor, vector, flags=CONTRACT)
            builder.store(builder.fadd(builder.load(place, typ=self.out.vector), product, flags=CONTRACT), place)

    def finish(self) -> None:
        """Add scale times the sums to ``out``."""
        builder, scale = self.builder, self.out.splat(self.scale)
        begin = builder.add(self.out_start, self.column)
        for part, place in enumerate(self.sums):
            index = builder.add(begin, begin.type(LANES * part))
            change = builder.fmul(scale, builder.load(place, typ=self.out.vector), flags=CONTRACT)
            self.out.store(builder.fadd(self.out.load(index), change, flags=CONTRACT), index)


def _array(context: Any, builder: Any, signature: Any, args: Any, number: int) -> Vectors:
    return Vectors(context, builder, signature.args[number], args[number])


def write_each_tile(builder: Any, length: Any, write: Callable[[Any, int], None]) -> None:
    """Write code for each tile of a row of whole vectors: ``write`` gets its first column and its number of vectors.

    Tiles have :data:`TILE` vectors; what remains has halves, quarters and so on of that.
    """
    whole = length.type
    n_tiles = builder.udiv(length, whole(TILE * LANES))
    with cgutils.for_range(builder, n_tiles, intp=whole) as loop:
        write(builder.mul(loop.index, whole(TILE * LANES)), TILE)
    column, size = builder.mul(n_tiles, whole(TILE * LANES)), TILE // 2
    while size:
        end = builder.add(column, whole(size * LANES))
        fits = builder.icmp_signed("<=", end, length)
        with builder.if_then(fits):
            write(column, size)
        column, size = builder.select(fits, end, column), size // 2


@intrinsic
def add_rows(
    typing_context: Any,
    out: Any,
    out_start: Any,
    scale: Any,
    rows: Any,
    first: Any,
    stride: Any,
    length: Any,
    x: Any,
    x_start: Any,
    n_rows: Any,
) -> Any:
    """Add to out[out_start : out_start + length] scale times the sum over k < n_rows of x[x_start + k] times row k.

    Row k is rows[k · stride + first : k · stride + first + length]. Arrays are flat, and length is a multiple of LANES.
    """
    del typing_context, out_start, scale, first, stride, length, x_start, n_rows  # their types are those below
    whole = types.int64
    signature = types.void(out, whole, out.dtype, rows, whole, whole, whole, x, whole, whole)

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        length, _, x_start, n_rows = args[6:]

        def write_tile(column: Any, n_vectors: int) -> None:
            sums = RowSums(context, builder, signature, args, column, n_vectors)
            with cgutils.for_range(builder, n_rows, intp=n_rows.type) as loop:
                sums.add(loop.index, builder.add(x_start, loop.index))
            sums.finish()

        write_each_tile(builder, length, write_tile)
        return context.get_dummy_value()

    return signature, write


def prefetch_of(n_numbers: int) -> Any:
    """Return the intrinsic that asks for the cache lines of x[start : start + n_numbers], and does not wait for them.

    x is flat; beyond its end nothing happens.
    """

    @intrinsic
    def prefetch(typing_context: Any, x: Any, start: Any) -> Any:
        del typing_context, start
        signature = types.void(x, types.int64)

        def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
            function = ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag])
            declared = cgutils.get_or_insert_function(builder.module, function, "llvm.prefetch.p0")
            numbers = Vectors(context, builder, signature.args[0], args[0])
            for first in range(0, n_numbers, LINE_BYTES // numbers.element_bytes):
                address = builder.bitcast(numbers.address(builder.add(args[1], args[1].type(first))), pointer)
                builder.call(declared, [address, flag(0), flag(2), flag(1)])  # to be read, soon, as data
            return context.get_dummy_value()

        return signature, write

    return prefetch


prefetch = prefetch_of(1)
