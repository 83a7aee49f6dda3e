"""Matrix products in register blocks, and the transpose that they need."""

from typing import Any

from backprop_bench.data import Floats
from backprop_bench.scratch.compiled.jit import compiled
from backprop_bench.scratch.compiled.masks import WORD
from backprop_bench.scratch.compiled.vectors import (
    LANES,
    LINE_BYTES,
    OUTS,
    TILE_OF_SEVERAL,
    add_rows,
    add_rows_to_several,
    transpose_square,
)

COLUMNS = TILE_OF_SEVERAL * LANES
"""Columns of a block of a matrix product."""


@compiled
def add_product(scale: Any, x: Floats, x_start: int, out_x_step: int, x_step: int, rows: Floats, out: Floats) -> None:
    """Add scale times a matrix product to ``out`` [R, P].

    Row r gets the sum over k of x[x_start + r · out_x_step + k · x_step], x flat, times row k of ``rows`` [K, P]. A
    block of rows and columns that the nearest cache holds is used for all of ``out`` before the next one.
    """
    n_outs, length, n_rows = out.shape[0], out.shape[1], rows.shape[0]
    out_flat, rows_flat = out.reshape(out.size), rows.reshape(rows.size)
    whole = n_outs // OUTS * OUTS
    for k in range(0, n_rows, WORD):
        n = min(WORD, n_rows - k)
        for column in range(0, length, COLUMNS):
            first, width = k * length + column, min(COLUMNS, length - column)
            for r in range(0, whole, OUTS):
                x_first = x_start + r * out_x_step + k * x_step
                add_rows_to_several(
                    out_flat, r * length + column, scale, rows_flat, first, length, width, x, x_first, n, x_step,
                    length, out_x_step,
                )  # fmt: skip
            for r in range(whole, n_outs):
                x_first = x_start + r * out_x_step + k * x_step
                add_rows(
                    out_flat, r * length + column, scale, rows_flat, first, length, width, x, x_first, n, x_step, 0, 0
                )


@compiled
def transpose(weights: Floats, out: Floats) -> None:
    """Put the transpose of weights [J, P of the layer below] into ``out`` [P of the layer below, P]."""
    n_units, n_below, width = weights.shape[0], weights.shape[1], out.shape[1]
    w_flat, out_flat = weights.reshape(weights.size), out.reshape(out.size)
    side = LINE_BYTES // weights.itemsize
    whole = n_units // side * side
    for j in range(0, whole, side):
        for i in range(0, n_below, side):
            transpose_square(w_flat, j * n_below + i, n_below, out_flat, i * width + j, width)
    for i in range(n_below):
        for j in range(whole, n_units):
            out[i, j] = weights[j, i]
        for j in range(n_units, width):
            out[i, j] = 0
