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

LINE_BYTES = 64
"""A cache line, and a vector: as much as the widest registers hold; where they are narrower, LLVM takes several. What
begins at a line is fetched with the fewest accesses."""
LANES = 16
"""Rows are padded to a multiple of so many numbers: a vector of float32, two of float64."""
HAS_AVX512 = os.environ.get("NUMBA_CPU_NAME", "host") == "host" and bool(host_cpu_features().get("avx512f"))
"""Whether there are 32 registers of that width; not where Numba is told to compile for another processor."""
TILE = 8 if HAS_AVX512 else 4
"""Vectors that are summed at a time: so many sums are under way that none waits for the one before."""
OUTS = 4
"""Rows to which is summed at a time where few factors are zero: a vector is loaded once for all of them."""
TILE_OF_SEVERAL = 4 if HAS_AVX512 else 1
"""Vectors of each of these rows that are summed at a time: as many as there are registers for."""
CONTRACT = ("contract",)
"""A product and a sum may be one instruction."""


def lanes_of(array_type: Any) -> int:
    """Return how many numbers of an array are in a vector."""
    return LINE_BYTES * 8 // int(array_type.dtype.bitwidth)


class Vectors:
    """Code that reads and writes elements and vectors of a flat array; a vector has a cache line, or so many lanes."""

    def __init__(self, context: Any, builder: Any, array_type: Any, array: Any, lanes: int | None = None) -> None:
        self.builder = builder
        self.element = context.get_data_type(array_type.dtype)
        self.data = context.make_array(array_type)(context, builder, array).data
        self.element_bytes = context.get_abi_sizeof(self.element)
        self.lanes = lanes or lanes_of(array_type)
        self.vector = ir.VectorType(self.element, self.lanes)

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
        undefined = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(undefined, number, ir.IntType(32)(0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, undefined, zeros)


class RowSums:
    """Code that sums some vectors of rows, each row times a factor, for each of some rows ``out``.

    ``args`` begin with the arguments of :data:`add_rows` from out to x; ``column`` is the place in a row from which
    ``n_vectors`` vectors are summed. There are ``n_outs`` rows ``out``, ``out_stride`` apart.
    """

    def __init__(
        self,
        context: Any,
        builder: Any,
        signature: Any,
        args: Any,
        column: Any,
        n_vectors: int,
        n_outs: int = 1,
        out_stride: Any = None,
    ) -> None:
        self.builder, self.column, self.out_stride = builder, column, out_stride
        self.out, self.rows, self.x = (_array(context, builder, signature, args, number) for number in (0, 3, 7))
        _, self.out_start, self.scale, _, self.first, self.stride, *_ = args
        zero = ir.Constant(self.out.vector, None)
        self.sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(n_vectors)] for _ in range(n_outs)]

    def places_of(self, row: Any) -> list[Any]:
        """Return where the vectors of a row begin."""
        begin = self.builder.add(self.builder.mul(row, self.stride), self.first)
        return self.places_from(begin)

    def places_from(self, begin: Any) -> list[Any]:
        """Return the same for a row that begins there."""
        begin = self.builder.add(begin, self.column)
        return [self.builder.add(begin, begin.type(self.out.lanes * part)) for part in range(len(self.sums[0]))]

    def change(self, row: Any, x_index: Any, changes: list[Any]) -> None:
        """Add vectors times x[x_index] to the vectors of a row."""
        factor = self.rows.splat(self.x.number(x_index))
        for place, change in zip(self.places_of(row), changes, strict=True):
            self.rows.store(self._with_product(self.rows.load(place), factor, change), place)

    def add(self, row: Any, *x_indices: Any) -> None:
        """Add a row to the sums of each row ``out``: times x[x_index], of which each has its own."""
        vectors = [self.rows.load(place) for place in self.places_of(row)]
        for sums, x_index in zip(self.sums, x_indices, strict=True):
            factor = self.rows.splat(self.x.number(x_index))
            for place, vector in zip(sums, vectors, strict=True):
                before = self.builder.load(place, typ=self.out.vector)
                self.builder.store(self._with_product(before, factor, vector), place)

    def finish(self) -> None:
        """Add scale times the sums to ``out``."""
        scale, begin = self.out.splat(self.scale), self.out_start
        for sums in self.sums:
            for place, index in zip(sums, self.places_from(begin), strict=True):
                total = self.builder.load(place, typ=self.out.vector)
                self.out.store(self._with_product(self.out.load(index), scale, total), index)
            begin = begin if self.out_stride is None else self.builder.add(begin, self.out_stride)

    def _with_product(self, vector: Any, factor: Any, other: Any) -> Any:
        """Return vector + factor · other."""
        return self.builder.fadd(vector, self.builder.fmul(factor, other, flags=CONTRACT), flags=CONTRACT)


def _array(context: Any, builder: Any, signature: Any, args: Any, number: int) -> Vectors:
    return Vectors(context, builder, signature.args[number], args[number])


def write_each_tile(
    builder: Any, lanes: int, length: Any, write: Callable[[Any, int], None], largest: int = TILE
) -> None:
    """Write code for each tile of a row of whole vectors: ``write`` gets its first column and its number of vectors.

    Tiles have ``largest`` vectors; what remains has halves, quarters and so on of that.
    """
    whole = length.type
    n_tiles = builder.udiv(length, whole(largest * lanes))
    with cgutils.for_range(builder, n_tiles, intp=whole) as loop:
        write(builder.mul(loop.index, whole(largest * lanes)), largest)
    column, size = builder.mul(n_tiles, whole(largest * lanes)), largest // 2
    while size:
        end = builder.add(column, whole(size * lanes))
        fits = builder.icmp_signed("<=", end, length)
        with builder.if_then(fits):
            write(column, size)
        column, size = builder.select(fits, end, column), size // 2


def _product(n_outs: int) -> Any:
    """Return the intrinsic that adds to ``n_outs`` rows sums over other rows."""

    @intrinsic
    def add(
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
        x_step: Any,
        out_stride: Any,
        out_x_step: Any,
    ) -> Any:
        del typing_context, out_start, scale, first, stride, length, x_start, n_rows, x_step, out_stride, out_x_step
        whole = types.int64
        numbers = whole, whole, whole, x, *[whole] * 5
        return types.void(out, whole, out.dtype, rows, *numbers), _writer_of_product(n_outs)

    return add


def _writer_of_product(n_outs: int) -> Callable[..., Any]:
    """Return what writes the code of :func:`_product`."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        length, _, x_start, n_rows, x_step, out_stride, out_x_step = args[6:]
        steps = [builder.mul(out_x_step, out_x_step.type(number)) for number in range(n_outs)]
        begins = [builder.add(x_start, step) for step in steps]

        def write_tile(column: Any, n_vectors: int) -> None:
            sums = RowSums(context, builder, signature, args, column, n_vectors, n_outs, out_stride)
            with cgutils.for_range(builder, n_rows, intp=n_rows.type) as loop:
                offset = builder.mul(loop.index, x_step)
                sums.add(loop.index, *(builder.add(begin, offset) for begin in begins))
            sums.finish()

        largest = TILE if n_outs == 1 else TILE_OF_SEVERAL
        write_each_tile(builder, lanes_of(signature.args[0]), length, write_tile, largest)
        return context.get_dummy_value()

    return write


add_rows, add_rows_to_several = _product(n_outs=1), _product(n_outs=OUTS)
"""Add to out[out_start : out_start + length] scale times the sum over k < n_rows of x[x_start + k · x_step] · row k.

Row k is rows[k · stride + first : k · stride + first + length]. Arrays are flat, and length is a multiple of LANES.
Arguments: out, out_start, scale, rows, first, stride, length, x, x_start, n_rows, x_step, out_stride, out_x_step. The
second does so for OUTS rows ``out``, which begin ``out_stride`` apart, and whose factors begin ``out_x_step`` apart.
"""


@intrinsic
def transpose_square(
    typing_context: Any, rows: Any, first: Any, stride: Any, out: Any, out_first: Any, out_stride: Any
) -> Any:
    """Transpose a square with a vector in each row, from rows[first] to out[out_first], both flat.

    Row k begins at first + k · stride, and at out_first + k · out_stride. The upper right and the lower left quarter
    are exchanged, then each quarter has its own.
    """
    del typing_context, first, stride, out_first, out_stride
    whole = types.int64
    signature = types.void(rows, whole, whole, out, whole, whole)

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, target = (_array(context, builder, signature, args, number) for number in (0, 3))
        _, first, stride, _, out_first, out_stride = args
        numbers = range(source.lanes)
        square = [source.load(builder.add(first, builder.mul(stride, stride.type(k)))) for k in numbers]
        distance = source.lanes // 2
        while distance:
            for k in numbers:
                if not k & distance:
                    square[k], square[k + distance] = exchanged(builder, square[k], square[k + distance], distance)
            distance //= 2
        for k, vector in enumerate(square):
            target.store(vector, builder.add(out_first, builder.mul(out_stride, out_stride.type(k))))
        return context.get_dummy_value()

    return signature, write


def exchanged(builder: Any, upper: Any, lower: Any, distance: int) -> tuple[Any, Any]:
    """Exchange lanes l + distance of a vector with lanes l of another one, for each l without that bit."""
    lanes = upper.type.count
    whole = ir.VectorType(ir.IntType(32), lanes)
    new_upper = [lanes + lane - distance if lane & distance else lane for lane in range(lanes)]
    new_lower = [lanes + lane if lane & distance else lane + distance for lane in range(lanes)]
    first, second = (builder.shuffle_vector(upper, lower, ir.Constant(whole, mask)) for mask in (new_upper, new_lower))
    return first, second


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
