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
from backprop_bench.scratch.compiled.vectors import LANES, RowSums, Vectors, prefetch_of, write_each_tile

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
        for first in range(0, WORD, LANES):
            vector = inputs.load(builder.add(start, start.type(first)))
            is_nonzero = builder.fcmp_unordered("!=", vector, ir.Constant(vector.type, None))
            bits = builder.zext(builder.bitcast(is_nonzero, ir.IntType(LANES)), mask.type)
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


def _writer_of_masked_sum(is_over_examples: bool) -> Callable[..., Any]:
    """Return what writes the code of :func:`add_inputs` or :func:`add_examples`."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        starts = Vectors(context, builder, signature.args[9], args[9])
        length, x_start, mask, first_row = (args[number] for number in (6, 8, 10, 11))

        def write_tile(column: Any, n_vectors: int) -> None:
            sums = RowSums(context, builder, signature, args, column, n_vectors)
            with _each_bit(builder, mask) as bit:
                row = builder.add(first_row, bit)
                sums.add(row, builder.add(x_start, starts.number(row) if is_over_examples else row))
            sums.finish()

        write_each_tile(builder, length, write_tile)
        return context.get_dummy_value()

    return write


def _masked_sum(is_over_examples: bool) -> Any:
    """Return the intrinsic :func:`add_inputs` or :func:`add_examples`."""

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
        starts: Any,
        mask: Any,
        first_row: Any,
    ) -> Any:
        del typing_context, out_start, scale, first, stride, length, x_start, mask, first_row
        whole = types.int64
        numbers = whole, whole, whole, x, whole, starts, types.uint64, whole
        return types.void(out, whole, out.dtype, rows, *numbers), _writer_of_masked_sum(is_over_examples)

    return add


add_inputs, add_examples = _masked_sum(is_over_examples=False), _masked_sum(is_over_examples=True)
"""As :data:`vectors.add_rows`, for those rows k only for which bit k − first_row of the mask is set.

Arguments: out, out_start, scale, rows, first, stride, length, x, x_start, starts, mask, first_row. Row k is taken times
x[x_start + k] where rows are of inputs, and times x[starts[k] + x_start] where they are of examples.
"""


@intrinsic
def exchange_bits(typing_context: Any, masks: Any, upper: Any, lower: Any, distance: Any, low_bits: Any) -> Any:
    """Exchange bits of LANES words from masks[upper] on, masks flat, with bits of those from masks[lower] on.

    Bit b + distance of the former goes to bit b of the latter, and back, for each bit b that is set in ``low_bits``.
    """
    del typing_context, upper, lower, distance, low_bits
    whole, word = types.int64, types.uint64
    signature = types.void(masks, whole, whole, word, word)

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        words = Vectors(context, builder, signature.args[0], args[0])
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
