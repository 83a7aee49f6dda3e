"""Which inputs are not zero, as bits of 64-bit words, and sums over those inputs or examples alone."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from backprop_bench.data import Floats, Order
from backprop_bench.scratch.compiled.jit import compiled, inlined, intrinsic
from backprop_bench.scratch.compiled.network import Workspace
from backprop_bench.scratch.compiled.vectors import (
    LANES,
    OUTS,
    TILE,
    TILE_OF_SEVERAL,
    RowSums,
    Vectors,
    lanes_of,
    prefetch_of,
    write_each_tile,
)

WORD = 64
"""Bits of a word. So many inputs, and so many examples, are worked on together, so that what they need stays near."""

prefetch_word = prefetch_of(WORD)


@intrinsic
def mask_of_word(typing_context: Any, x: Any, start: Any) -> Any:
    """Return which of x[start : start + WORD], x flat, are not zero, as bits of which the first is the lowest."""
    del typing_context, start
    signature = types.uint64(x, types.int64)

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        inputs, start = Vectors(context, builder, signature.args[0], args[0]), args[1]
        mask = ir.IntType(WORD)(0)
        for first in range(0, WORD, inputs.lanes):
            vector = inputs.load(builder.add(start, start.type(first)))
            is_nonzero = builder.fcmp_unordered("!=", vector, ir.Constant(vector.type, None))
            bits = builder.zext(builder.bitcast(is_nonzero, ir.IntType(inputs.lanes)), mask.type)
            mask = builder.or_(mask, builder.shl(bits, mask.type(first)))
        return mask

    return signature, write


@intrinsic
def lowest_bit(typing_context: Any, mask: Any) -> Any:
    """Return the number of the lowest bit that is set; one must be."""
    del typing_context, mask

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        del context, signature
        return builder.cttz(args[0], ir.IntType(1)(1))

    return types.int64(types.uint64), write


@intrinsic
def n_bits(typing_context: Any, mask: Any) -> Any:
    """Return how many bits are set."""
    del typing_context, mask

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        del context, signature
        return builder.ctpop(args[0])

    return types.int64(types.uint64), write


@contextlib.contextmanager
def _each_bit(builder: Any, mask: Any) -> Iterator[Any]:
    """Write a loop over the bits of a mask that are set, from the lowest on; yields the number of the bit."""
    rest_place = cgutils.alloca_once_value(builder, mask)
    head, body, after = (builder.append_basic_block(f"bits.{name}") for name in ("head", "body", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    rest = builder.load(rest_place, typ=mask.type)
    builder.cbranch(builder.icmp_unsigned("!=", rest, mask.type(0)), body, after)
    builder.position_at_end(body)
    builder.store(builder.and_(rest, builder.sub(rest, mask.type(1))), rest_place)
    yield builder.cttz(rest, ir.IntType(1)(1))
    builder.branch(head)
    builder.position_at_end(after)


def _writer_of_masked_sum(is_over_examples: bool, n_outs: int) -> Callable[..., Any]:
    """Return what writes the code of :func:`_masked_sum`."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        starts = Vectors(context, builder, signature.args[9], args[9])
        length, first_out, mask, first_row, out_stride = (args[number] for number in (6, 8, 10, 11, 12))
        outs = [builder.add(first_out, first_out.type(number)) for number in range(n_outs)]
        begins = outs if is_over_examples else [starts.number(out) for out in outs]

        def write_tile(column: Any, n_vectors: int) -> None:
            sums = RowSums(context, builder, signature, args, column, n_vectors, n_outs, out_stride)
            with _each_bit(builder, mask) as bit:
                row = builder.add(first_row, bit)
                index = starts.number(row) if is_over_examples else row
                sums.add(row, *(builder.add(begin, index) for begin in begins))
            sums.finish()

        largest = TILE if n_outs == 1 else TILE_OF_SEVERAL
        write_each_tile(builder, lanes_of(signature.args[0]), length, write_tile, largest)
        return context.get_dummy_value()

    return write


def _masked_sum(is_over_examples: bool, n_outs: int) -> Any:
    """Return the intrinsic that adds to ``n_outs`` rows sums over inputs, or over examples."""

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
        first_out: Any,
        starts: Any,
        mask: Any,
        first_row: Any,
        out_stride: Any,
    ) -> Any:
        del typing_context, out_start, scale, first, stride, length, first_out, mask, first_row, out_stride
        whole = types.int64
        numbers = whole, whole, whole, x, whole, starts, types.uint64, whole, whole
        return types.void(out, whole, out.dtype, rows, *numbers), _writer_of_masked_sum(is_over_examples, n_outs)

    return add


add_inputs, add_examples = _masked_sum(is_over_examples=False, n_outs=1), _masked_sum(is_over_examples=True, n_outs=1)
"""As :data:`vectors.add_rows`, for those rows k only for which bit k − first_row of the mask is set.

Arguments: out, out_start, scale, rows, first, stride, length, x, first_out, starts, mask, first_row, out_stride. Where
rows are of inputs, ``out`` is of example first_out, and row k is taken times x[starts[first_out] + k]. Where they are
of examples, ``out`` is of input first_out, and row k is taken times x[starts[k] + first_out].
"""
add_inputs_to_several = _masked_sum(is_over_examples=False, n_outs=OUTS)
add_examples_to_several = _masked_sum(is_over_examples=True, n_outs=OUTS)
"""The same for OUTS examples, or inputs, from first_out on, whose rows ``out`` are ``out_stride`` apart.

Each sum has the same terms in the same order; those of a zero that the mask has for the sake of others are 0.
"""


@intrinsic
def change_and_add_inputs(
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
    before_start: Any,
    changes: Any,
    mask: Any,
    first_row: Any,
) -> Any:
    """Add x[before_start + k] times ``changes`` to each row k of the mask, then do as :data:`add_inputs`.

    x[x_start + k] is what row k is taken times. Each row is read and written once.
    """
    del typing_context, out_start, scale, first, stride, length, x_start, before_start, mask, first_row
    whole = types.int64
    numbers = whole, whole, whole, x, whole, whole, changes, types.uint64, whole
    signature = types.void(out, whole, out.dtype, rows, *numbers)

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vectors = Vectors(context, builder, signature.args[10], args[10])
        length, x_start, before_start, mask, first_row = (args[number] for number in (6, 8, 9, 11, 12))

        def write_tile(column: Any, n_vectors: int) -> None:
            sums = RowSums(context, builder, signature, args, column, n_vectors)
            changes = [vectors.load(place) for place in sums.places_from(whole_zero)]
            with _each_bit(builder, mask) as bit:
                row = builder.add(first_row, bit)
                sums.change(row, builder.add(before_start, row), changes)
                sums.add(row, builder.add(x_start, row))
            sums.finish()

        whole_zero = length.type(0)
        write_each_tile(builder, vectors.lanes, length, write_tile, TILE // 2)  # the changes are in registers as well
        return context.get_dummy_value()

    return signature, write


@intrinsic
def exchange_bits(typing_context: Any, masks: Any, upper: Any, lower: Any, distance: Any, low_bits: Any) -> Any:
    """Exchange bits of LANES words from masks[upper] on, masks flat, with bits of those from masks[lower] on.

    Bit b + distance of the former goes to bit b of the latter, and back, for each bit b that is set in ``low_bits``.
    """
    del typing_context, upper, lower, distance, low_bits
    whole, word = types.int64, types.uint64
    signature = types.void(masks, whole, whole, word, word)

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        words = Vectors(context, builder, signature.args[0], args[0], LANES)
        distance, low_bits = (words.splat(number) for number in args[3:])
        upper, lower = (words.load(index) for index in args[1:3])
        differing = builder.and_(builder.xor(builder.lshr(upper, distance), lower), low_bits)
        words.store(builder.xor(upper, builder.shl(differing, distance)), args[1])
        words.store(builder.xor(lower, differing), args[2])
        return context.get_dummy_value()

    return signature, write


@inlined
def words_of(n_bits: int) -> int:
    """Return how many words have so many bits."""
    return (n_bits + WORD - 1) // WORD


@compiled
def find_nonzeros(x: Floats, examples: Order, workspace: Workspace) -> None:
    """Find which inputs of some examples of x [N, D] are not zero: fills starts and masks of the workspace."""
    x_flat, n_inputs = x.reshape(x.size), x.shape[1]
    for row in range(examples.size):
        start = examples[row] * n_inputs
        workspace.starts[row] = start
        for word in range(words_of(n_inputs)):
            first, end = word * WORD, min((word + 1) * WORD, n_inputs)
            if first + WORD == end:
                workspace.masks[row, word] = mask_of_word(x_flat, start + first)
            else:
                mask = np.uint64(0)
                for i in range(first, end):
                    mask |= np.uint64(x_flat[start + i] != 0) << np.uint64(i - first)
                workspace.masks[row, word] = mask


@inlined
def lowest_bits(n: int) -> Any:
    """Return a word whose n lowest bits are set, n from 1 to 64."""
    return ~np.uint64(0) >> np.uint64(WORD - n)


@inlined
def has_few_zeros(mask: Any, n: int) -> Any:
    """Return whether at least three quarters of the n lowest bits are set: such zeros are not worth leaving out."""
    return 4 * n_bits(mask) >= 3 * n


@compiled
def transpose_masks(begin: int, end: int, workspace: Workspace) -> None:
    """Transpose the masks of up to 64 examples: fills masks_by_input of the workspace.

    A square of 64 by 64 bits has its upper right and lower left quarters exchanged, then each quarter has its own.
    """
    transposed, n_words = workspace.masks_by_input, workspace.masks.shape[1]
    flat = transposed.reshape(transposed.size)
    for row in range(WORD):
        for word in range(n_words):
            transposed[row, word] = workspace.masks[begin + row, word] if begin + row < end else np.uint64(0)
    distance, low_bits = WORD // 2, np.uint64(0xFFFFFFFF)
    while distance:
        for row in range(WORD):
            if not row & distance:
                for word in range(0, n_words, LANES):
                    upper, lower = row * n_words + word, (row + distance) * n_words + word
                    exchange_bits(flat, upper, lower, np.uint64(distance), low_bits)
        distance //= 2
        low_bits ^= low_bits << np.uint64(distance)
