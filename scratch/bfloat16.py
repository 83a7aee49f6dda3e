"""Matrix products in bfloat16, which has the exponent of float32 and the first 7 of its 23 bits after the point.

NumPy has no such type. Its numbers are float32 here whose other bits are 0, so this is no faster: it shows what is
computed.
"""

import numpy as np

from backprop_bench.data import Floats

LOST = np.uint32(16)
"""Bits of a float32 that bfloat16 does not have."""


def rounded(x: Floats) -> Floats:
    """Return the nearest numbers of bfloat16, of two that are as near the one whose last bit is 0; x float32."""
    bits = np.ascontiguousarray(x).view(np.uint32)
    half = (np.uint32(1) << LOST - np.uint32(1)) - np.uint32(1)
    nearest = bits + half + (bits >> LOST & np.uint32(1)) >> LOST << LOST
    return np.where(np.isnan(x), x, nearest.view(np.float32))


def mixed_product(a: Floats, b: Floats) -> Floats:
    """Return the product of two matrices of float32 with factors and result in bfloat16, and sums in float32."""
    return rounded(rounded(a) @ rounded(b))
