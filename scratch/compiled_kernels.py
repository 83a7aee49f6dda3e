"""Loops of `scratch-compiled`, compiled by Numba when they are first called.

Shapes: B examples in a batch, D inputs, J units in a layer, C outputs, P: a number of units rounded up to a multiple of
:data:`LANES`, so that every row begins where a vector register's worth of memory does. The units that are only there
for that have weights, activations and gradients of 0. A layer above the first has its weights transposed, [J, P] with P
for the units below, so that the innermost loop of every kernel runs along memory.

A zero input adds nothing to z and nothing to dE/dw, so leaving it out changes no sum but for the order of its terms.
Which inputs of a batch are not zero is kept as bits, example by example, :data:`WORD` to a number: a sum over the
inputs of an example goes from one such bit to the next. The same bits transposed say for each input which examples have
one that is not zero: a sum over the examples goes along those. The inputs themselves stay where they are.

Several threads share a batch. The first layer, which has most of the weights, is divided by units, and what belongs to
each thread lies together, so that no core ever waits for what another one has changed there. Above it, each thread goes
forward and back with its own examples. All sums are of the same terms in the same order as with one thread, so the
weights are the same to the bit.
"""

import contextlib
import math
import os
import platform
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features as host_cpu_features
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import Signature
from numba.extending import intrinsic

from backprop_bench.data import Floats, Order

Masks = npt.NDArray[np.uint64]
Sizes = npt.NDArray[np.int64]
Arrivals = npt.NDArray[np.int64]

LANES = 16
"""Numbers in a vector: as many float32 as the widest registers hold; where they are narrower, LLVM takes several."""
WIDE = os.environ.get("NUMBA_CPU_NAME", "host") == "host" and bool(host_cpu_features().get("avx512f"))
"""Whether there are 32 registers of that width; not where Numba is told to compile for another processor."""
TILE = 8 if WIDE else 4
"""Vectors that are summed at a time: so many sums are under way that none waits for the one before."""
WORD = 64
"""Bits of a mask. So many inputs, and so many examples, are worked on together, so that what they need stays near."""
LINE_BYTES = 64
"""A cache line; what begins at one is fetched with the fewest accesses."""
IS_X86 = platform.machine() in ("x86_64", "AMD64")
WITHOUT_SUBNORMALS = np.uint32(0x8040)
"""Bits of the control word by which subnormal results (0x8000) and operands (0x0040) count as 0."""
SIGMOID, TANH, RELU, IDENTITY, SOFTMAX = range(5)
KINDS = {"sigmoid": SIGMOID, "tanh": TANH, "relu": RELU, "identity": IDENTITY, "softmax": SOFTMAX}

compiled = numba.njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract", "reassoc", "nsz"})
"""Sums may be reordered, so that they vectorise; NaN and infinity keep their meaning."""
inlined = numba.njit(inline="always")
"""For what is called so often that handing over arrays would take longer than the work."""
exactly = numba.njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})
"""For where the order of operations is what makes the result exact."""
CONTRACT = ("contract",)


# The innermost loops are written for vector registers in LLVM's own language. What a compiler makes of such a loop in
# Python keeps its sums in memory, for it cannot know that arrays do not overlap; here they stay in registers until they
# are complete. They stand in this file because Numba's cache of compiled code looks at the file of the caller only.


class _Vectors:
    """Vectors of an array, in code that is being written."""

    def __init__(self, context: Any, builder: Any, array_type: Any, array: Any) -> None:
        self.builder = builder
        self.element = context.get_data_type(array_type.dtype)
        self.vector = ir.VectorType(self.element, LANES)
        self.data = context.make_array(array_type)(context, builder, array).data
        self.align = context.get_abi_sizeof(self.element)

    def at(self, place: Any) -> Any:
        """Return the address of an element."""
        return self.builder.gep(self.data, [place], source_etype=self.element)

    def number(self, place: Any) -> Any:
        """Return an element."""
        return self.builder.load(self.at(place), typ=self.element)

    def load(self, place: Any) -> Any:
        """Return the vector that begins at an element."""
        address = self.builder.bitcast(self.at(place), self.vector.as_pointer())
        return self.builder.load(address, align=self.align, typ=self.vector)

    def store(self, vector: Any, place: Any) -> None:
        """Put a vector where an element is."""
        address = self.builder.bitcast(self.at(place), vector.type.as_pointer())
        self.builder.store(vector, address, align=self.align)

    def splat(self, number: Any) -> Any:
        """Return a vector of one number."""
        return splat(self.builder, number)


def splat(builder: Any, number: Any) -> Any:
    """Return a vector all of whose numbers are this one."""
    undefined = ir.Constant(ir.VectorType(number.type, LANES), ir.Undefined)
    first = builder.insert_element(undefined, number, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, undefined, zeros)


class _Sums:
    """Sums of some vectors of rows, each row by a factor, in code that is being written.

    ``args`` begin with out, o, scale, rows, first, stride, length and x, of which out, rows and x are flat arrays: to
    out[o : o + length] is added, from place r on, scale times the sum of such parts of some rows of ``rows``, each by a
    number of ``x``. The part of row k begins at k · stride + first.
    """

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any, r: Any, n_vectors: int) -> None:
        self.builder, self.r = builder, r
        self.out, self.rows, self.x = (_Vectors(context, builder, signature.args[at], args[at]) for at in (0, 3, 7))
        _, self.o, self.scale, _, self.first, self.stride, *_ = args
        zero = ir.Constant(self.out.vector, None)
        self.sums = [cgutils.alloca_once_value(builder, zero) for _ in range(n_vectors)]

    def add(self, row: Any, place: Any) -> None:
        """Add a row times x[place]."""
        builder = self.builder
        begin = builder.add(builder.mul(row, self.stride), builder.add(self.first, self.r))
        times = self.rows.splat(self.x.number(place))
        for part, total in enumerate(self.sums):
            vector = self.rows.load(builder.add(begin, begin.type(LANES * part)))
            product = builder.fmul(times, vector, flags=CONTRACT)
            builder.store(builder.fadd(builder.load(total, typ=self.out.vector), product, flags=CONTRACT), total)

    def finish(self) -> None:
        """Add scale times the sums to ``out``."""
        builder, scale = self.builder, self.out.splat(self.scale)
        begin = builder.add(self.o, self.r)
        for part, total in enumerate(self.sums):
            place = builder.add(begin, begin.type(LANES * part))
            change = builder.fmul(scale, builder.load(total, typ=self.out.vector), flags=CONTRACT)
            self.out.store(builder.fadd(self.out.load(place), change, flags=CONTRACT), place)


def _each_tile(builder: Any, length: Any, write: Callable[[Any, int], None]) -> None:
    """Write what is to be done with each tile of so many numbers: from the place where it begins, and its vectors."""
    whole = length.type
    n_tiles = builder.udiv(length, whole(TILE * LANES))
    with cgutils.for_range(builder, n_tiles, intp=whole) as loop:
        write(builder.mul(loop.index, whole(TILE * LANES)), TILE)
    r, size = builder.mul(n_tiles, whole(TILE * LANES)), TILE // 2
    while size:
        end = builder.add(r, whole(size * LANES))
        fits = builder.icmp_signed("<=", end, length)
        with builder.if_then(fits):
            write(r, size)
        r, size = builder.select(fits, end, r), size // 2


@intrinsic
def add_rows(
    typing: Any,
    out: Any,
    o: Any,
    scale: Any,
    rows: Any,
    first: Any,
    stride: Any,
    length: Any,
    x: Any,
    f: Any,
    n: Any,
) -> Any:
    """Add to out[o : o + length] scale times the sum over k < n of x[f + k] times a part of row k of rows.

    Arrays are flat. The part of row k is rows[k · stride + first : … + length], whole vectors. It goes tile by tile, so
    that sums stay in registers.
    """
    del typing, o, scale, first, stride, length, f, n  # their types are those of the signature
    whole = types.int64
    signature = types.void(out, whole, out.dtype, rows, whole, whole, whole, x, whole, whole)

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        length, _, f, n = args[6:]

        def tile(r: Any, n_vectors: int) -> None:
            sums = _Sums(context, builder, signature, args, r, n_vectors)
            with cgutils.for_range(builder, n, intp=n.type) as loop:
                sums.add(loop.index, builder.add(f, loop.index))
            sums.finish()

        _each_tile(builder, length, tile)
        return context.get_dummy_value()

    return signature, write


def _add_chosen(is_example: bool) -> Any:
    """Return the intrinsic that does the same for those rows whose bit is set; rows are of examples, or of inputs."""

    @intrinsic
    def add(
        typing: Any,
        out: Any,
        o: Any,
        scale: Any,
        rows: Any,
        first: Any,
        stride: Any,
        length: Any,
        x: Any,
        f: Any,
        starts: Any,
        mask: Any,
        row: Any,
    ) -> Any:
        del typing, o, scale, first, stride, length, f, mask, row
        whole = types.int64
        numbers = whole, whole, whole, x, whole, starts, types.uint64, whole
        signature = types.void(out, whole, out.dtype, rows, *numbers)

        def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            start = _Vectors(context, builder, signature.args[9], args[9])
            length, f, mask, before = (args[at] for at in (6, 8, 10, 11))

            def tile(r: Any, n_vectors: int) -> None:
                sums = _Sums(context, builder, signature, args, r, n_vectors)
                with _each_bit(builder, mask) as bit:
                    row = builder.add(before, bit)
                    sums.add(row, builder.add(f, start.number(row) if is_example else row))
                sums.finish()

            _each_tile(builder, length, tile)
            return context.get_dummy_value()

        return signature, write

    return add


@contextlib.contextmanager
def _each_bit(builder: Any, mask: Any) -> Iterator[Any]:
    """Write a loop over the bits of a mask that are set, from the lowest on; what is yielded is the number of one."""
    rest = cgutils.alloca_once_value(builder, mask)
    head, body, after = (builder.append_basic_block(f"bits.{name}") for name in ("head", "body", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    now = builder.load(rest, typ=mask.type)
    builder.cbranch(builder.icmp_unsigned("!=", now, mask.type(0)), body, after)
    builder.position_at_end(body)
    builder.store(builder.and_(now, builder.sub(now, mask.type(1))), rest)
    yield builder.cttz(now, ir.IntType(1)(1))
    builder.branch(head)
    builder.position_at_end(after)


add_inputs, add_examples = _add_chosen(is_example=False), _add_chosen(is_example=True)
"""(out, o, scale, rows, first, stride, length, x, f, starts, mask, row): as :data:`add_rows`, for those k only that are
``row`` and the number of a bit that is set in the mask. Input k of an example is x[f + k]; example k of an input is
x[starts[k] + f]."""


@intrinsic
def mask_of_word(typing: Any, x: Any, i: Any) -> Any:
    """Return which of x[i : i + WORD], x flat, are not zero, as bits of which the first is the lowest."""
    del typing, i
    signature = types.uint64(x, types.int64)

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        given, i = _Vectors(context, builder, signature.args[0], args[0]), args[1]
        mask = ir.IntType(WORD)(0)
        for first in range(0, WORD, LANES):
            vector = given.load(builder.add(i, i.type(first)))
            chosen = builder.fcmp_unordered("!=", vector, ir.Constant(vector.type, None))
            bits = builder.zext(builder.bitcast(chosen, ir.IntType(LANES)), mask.type)
            mask = builder.or_(mask, builder.shl(bits, mask.type(first)))
        return mask

    return signature, write


@intrinsic
def exchange_bits(typing: Any, masks: Any, p: Any, q: Any, distance: Any, lower: Any) -> Any:
    """Exchange bits of LANES words from masks[p] on, masks flat, with such of the words from masks[q] on.

    Bit b + distance of the former for bit b of the latter, for each bit b that is set in ``lower``.
    """
    del typing, p, q, distance, lower
    whole, word = types.int64, types.uint64
    signature = types.void(masks, whole, whole, word, word)

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        words = _Vectors(context, builder, signature.args[0], args[0])
        distance, lower = (words.splat(number) for number in args[3:])
        upper, under = (words.load(place) for place in args[1:3])
        differing = builder.and_(builder.xor(builder.lshr(upper, distance), under), lower)
        words.store(builder.xor(upper, builder.shl(differing, distance)), args[1])
        words.store(builder.xor(under, differing), args[2])
        return context.get_dummy_value()

    return signature, write


@intrinsic
def lowest_bit(typing: Any, mask: Any) -> Any:
    """Return the number of the lowest bit that is set; one must be."""
    del typing, mask

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        del context, signature
        return builder.cttz(args[0], ir.IntType(1)(1))

    return types.int64(types.uint64), write


def _fetch_early(n: int) -> Any:
    """Return the intrinsic that asks for the cache lines of x[i : i + n], x flat, without waiting for them.

    Beyond the end of x that does nothing.
    """

    @intrinsic
    def fetch(typing: Any, x: Any, i: Any) -> Any:
        del typing, i
        signature = types.void(x, types.int64)

        def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
            function = ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag])
            declared = cgutils.get_or_insert_function(builder.module, function, "llvm.prefetch.p0")
            given = _Vectors(context, builder, signature.args[0], args[0])
            for first in range(0, n, LINE_BYTES // given.align):
                address = builder.bitcast(given.at(builder.add(args[1], args[1].type(first))), pointer)
                builder.call(declared, [address, flag(0), flag(2), flag(1)])  # to be read, soon, as data
            return context.get_dummy_value()

        return signature, write

    return fetch


fetch_early, fetch_word_early = _fetch_early(1), _fetch_early(WORD)


@intrinsic
def add_atomically(typing: Any, x: Any, i: Any, number: Any) -> Any:
    """Add a number to x[i], x flat, so that no other thread's change is lost; returns what was there before."""
    del typing, i, number
    signature = x.dtype(x, types.int64, x.dtype)

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _Vectors(context, builder, signature.args[0], args[0]).at(args[1])
        return builder.atomic_rmw("add", address, args[2], "seq_cst")

    return signature, write


@intrinsic
def read_atomically(typing: Any, x: Any, i: Any) -> Any:
    """Return x[i], x flat, as the latest of all threads has left it; what that one wrote before is seen as well."""
    del typing, i
    signature = x.dtype(x, types.int64)

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _Vectors(context, builder, signature.args[0], args[0])
        return builder.load_atomic(place.at(args[1]), "acquire", place.align, typ=place.element)

    return signature, write


def _move_control_word(builder: Any, instruction: str, place: Any) -> None:
    """Write x86's instruction that puts the control word of vectors to a place in memory, or takes it from there."""
    if IS_X86:
        pointer = ir.IntType(8).as_pointer()
        function = ir.FunctionType(ir.VoidType(), [pointer])
        declared = cgutils.get_or_insert_function(builder.module, function, f"llvm.x86.sse.{instruction}")
        builder.call(declared, [builder.bitcast(place, pointer)])


@intrinsic
def control_word(typing: Any) -> Any:
    """Return how this thread rounds and what it does with subnormal numbers; 0 where that is not known."""
    del typing

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        del context, signature, args
        place = cgutils.alloca_once_value(builder, ir.IntType(32)(0))
        _move_control_word(builder, "stmxcsr", place)
        return builder.load(place, typ=ir.IntType(32))

    return types.uint32(), write


@intrinsic
def set_control_word(typing: Any, word: Any) -> Any:
    """Set what :func:`control_word` returns."""
    del typing, word

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        del signature
        _move_control_word(builder, "ldmxcsr", cgutils.alloca_once_value(builder, args[0]))
        return context.get_dummy_value()

    return types.void(types.uint32), write


sched_yield = types.ExternalFunction("sched_yield", Signature(types.intc, (), None))
"""POSIX: let another thread have this core."""
PATIENCE = 10_000
"""Looks after which a waiting thread lets others have its core: some microseconds."""


class Network(NamedTuple):
    """The weights.

    Attributes
    ----------
    w
        Of the first layer, [D, units] for each share of its units, one after the other.
    above
        Of the layers above, [J, P] each, one after the other.
    biases
        [P] of each layer, one after the other; zeros where the recipe has none.
    widths, padded
        J and P of each layer.
    shares
        Into how many shares the first layer is divided: as many as there are threads.
    """

    w: Floats
    above: Floats
    biases: Floats
    widths: Sizes
    padded: Sizes
    shares: int


class Rules(NamedTuple):
    """What a recipe says of a step: kinds of activation, loss and reduction, whether there are biases, the rate; 1."""

    hidden: int
    output: int
    squared: bool
    mean: bool
    bias: bool
    rate: Any
    one: Any


class Room(NamedTuple):
    """Room for what a batch needs. Threads share y and dz, and have the others to themselves.

    Attributes
    ----------
    starts
        Where in the inputs, as a flat array, those of each example begin, [B].
    masks
        Which inputs are not zero: bit b of word k of an example is of input 64 k + b, [B, words]. There are words for
        whole vectors; bits for which there is no input are 0.
    y, dz
        Activations and dE/dz, [B, P] of each layer, one after the other; of the output layer z in the place of y.
    by_input
        The masks of up to 64 examples transposed, [64, words]: bit c of word k of row i is of example c and input 64 k
        + i.
    gradient
        dE/db of a layer, as long as the longest row.
    factors
        For each example of a batch a number.
    """

    starts: Sizes
    masks: Masks
    y: Floats
    dz: Floats
    by_input: Masks
    gradient: Floats
    factors: Floats


# e^x = 2^n e^r with n whole and |r| ≤ ln 2 / 2: n is taken off in two parts, the first of which is exact
# (Cody & Waite, Software Manual for the Elementary Functions, 1980). The polynomial is Cephes' (Moshier, expf).
LOG2_E = np.float32(1.44269504)
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
P5, P4, P3 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519073e-3)
P2, P1, P0 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(5.0000001201e-1)
LOWEST, HIGHEST = np.float32(-87.3), np.float32(89.0)
HALF, ONE = np.float32(0.5), np.float32(1)
SINGLE = 4
"""Bytes of a float32."""


@intrinsic
def power_of_two(typing: Any, n: Any) -> Any:
    """Return 2^n, float32, for n from −126 to 127; 128 gives infinity."""
    del typing, n

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        del context, signature
        whole = ir.IntType(32)
        return builder.bitcast(builder.shl(builder.add(args[0], whole(127)), whole(23)), ir.FloatType())

    return types.float32(types.int32), write


@inlined
def exp_float32(x: Any) -> Any:
    """Return e^x of a float32, within two units in the last place for x from −87.3 to 88.3.

    Below, it stays at about 1e-38; above, it is infinity a little before the largest float32 is reached.
    """
    value = LOWEST if x < LOWEST else x  # a NaN passes both
    value = HIGHEST if value > HIGHEST else value
    n = np.floor(value * LOG2_E + HALF)
    r = value - n * LN2_HIGH - n * LN2_LOW
    p = ((((P5 * r + P4) * r + P3) * r + P2) * r + P1) * r + P0
    return (p * (r * r) + r + ONE) * power_of_two(np.int32(n))


@exactly
def exp_in_place(x: Floats) -> None:
    """Put e^x in the place of x [N]."""
    if x.itemsize == SINGLE:
        for k in range(x.size):
            x[k] = exp_float32(x[k])
    else:
        for k in range(x.size):
            x[k] = math.exp(x[k])


@exactly
def sigmoid_in_place(x: Floats) -> None:
    """Put 1 / (1 + e^−x) in the place of x [N]."""
    if x.itemsize == SINGLE:
        for k in range(x.size):
            x[k] = ONE / (ONE + exp_float32(-x[k]))
    else:
        for k in range(x.size):
            x[k] = 1 / (1 + math.exp(-x[k]))


@compiled
def clear_rest(a: Floats, width: int) -> None:
    """Put 0 where a [B, P] has no units."""
    for c in range(a.shape[0]):
        for j in range(width, a.shape[1]):
            a[c, j] = 0


@inlined
def words_of(n: int) -> int:
    """Return how many words have a bit for each of so many things."""
    return (n + WORD - 1) // WORD


@compiled
def find_nonzeros(begin: int, end: int, x: Floats, examples: Order, room: Room) -> None:
    """Find which inputs of x [N, D] are not zero, of some examples of a batch."""
    flat, n_inputs = x.reshape(x.size), x.shape[1]
    for c in range(begin, end):
        row = examples[c] * n_inputs
        room.starts[c] = row
        for word in range(words_of(n_inputs)):
            first, last = word * WORD, min((word + 1) * WORD, n_inputs)
            if first + WORD == last:
                room.masks[c, word] = mask_of_word(flat, row + first)
            else:
                mask = np.uint64(0)
                for i in range(first, last):
                    mask |= np.uint64(flat[row + i] != 0) << np.uint64(i - first)
                room.masks[c, word] = mask


@compiled
def units_of(share: int, network: Network) -> tuple[int, int]:
    """Return the first unit of a share of the first layer, and the one after its last.

    They are whole tiles, as large as leave something to each share.
    """
    size, width = TILE, network.padded[0]
    while size > 1 and (width - 1) // (size * LANES) + 1 < network.shares:
        size //= 2
    size *= LANES
    low, high = part_of((width - 1) // size + 1, share, network.shares)
    return low * size, min(high * size, width)


@compiled
def weights_of(share: int, network: Network) -> Floats:
    """Return w of a share of the first layer, [D, units]."""
    low, high = units_of(share, network)
    n_inputs = network.w.size // network.padded[0]
    return network.w[n_inputs * low : n_inputs * high].reshape(n_inputs, high - low)


@compiled
def first_layer(share: int, n_examples: int, x: Floats, following: Order, network: Network, room: Room) -> None:
    """Compute z of a share of the first layer, of the examples of a batch.

    Inputs are taken word by word, so that their weights stay near while all examples use them. Meanwhile the inputs
    x [N, D] of the examples that follow, which are anywhere in memory, are fetched.
    """
    z, b, w = rows_of_layer(room.y, 0, n_examples, network, room), biases_of(0, network), weights_of(share, network)
    (low, high), stride = units_of(share, network), z.shape[1]
    flat, n_inputs, length = x.reshape(x.size), x.shape[1], high - low
    to, of, one = z.reshape(z.size), w.reshape(w.size), z.dtype.type(1)
    for c in range(n_examples):
        for j in range(low, high):
            z[c, j] = b[j]
    for word in range(words_of(n_inputs)):
        for c in range(n_examples):
            if c < following.size:
                fetch_word_early(flat, following[c] * n_inputs + word * WORD)
            mask, f, o = room.masks[c, word], room.starts[c], c * stride + low
            if mask:
                add_inputs(to, o, one, of, 0, length, length, flat, f, room.starts, mask, word * WORD)


@compiled
def activate(kind: int, y: Floats, width: int) -> None:
    """Put the activation in the place of the total input, y [B, P], for every kind but the softmax."""
    flat = y.reshape(y.size)
    if kind == SIGMOID:
        sigmoid_in_place(flat)
        clear_rest(y, width)
    elif kind == TANH:
        for k in range(flat.size):
            flat[k] = math.tanh(flat[k])
    elif kind == RELU:
        for k in range(flat.size):
            flat[k] = 0 if flat[k] < 0 else flat[k]


@compiled
def times_derivative(kind: int, dz: Floats, y: Floats) -> None:
    """Multiply dE/dy by dy/dz, which gives dE/dz; dz and y [B, P]."""
    to, of = dz.reshape(dz.size), y.reshape(y.size)
    one = to.dtype.type(1)
    if kind == SIGMOID:
        for k in range(to.size):
            to[k] *= of[k] * (one - of[k])
    elif kind == TANH:
        for k in range(to.size):
            to[k] *= one - of[k] * of[k]
    elif kind == RELU:
        for k in range(to.size):
            to[k] = to[k] if of[k] > 0 else 0


@compiled
def layer_above(y: Floats, v: Floats, b: Floats, z: Floats) -> None:
    """Compute z [B, P] from the activations y [B, P] of the layer below, v [J, P] and b [P]."""
    for c in range(z.shape[0]):
        for j in range(v.shape[0]):
            total = b[j]
            for i in range(y.shape[1]):
                total += y[c, i] * v[j, i]
            z[c, j] = total
        for j in range(v.shape[0], z.shape[1]):
            z[c, j] = 0


@compiled
def back_to_layer(dz: Floats, v: Floats, dy: Floats) -> None:
    """Compute dE/dy [B, P] of a layer from dE/dz [B, P] of the layer above and v [J, P]."""
    width, one = dy.shape[1], dy.dtype.type(1)
    to, of, factor = dy.reshape(dy.size), v.reshape(v.size), dz.reshape(dz.size)
    for k in range(to.size):
        to[k] = 0
    for c in range(dy.shape[0]):
        add_rows(to, c * width, one, of, 0, width, width, factor, c * dz.shape[1], v.shape[0])


@compiled
def softmax_loss(z: Floats, t: Floats, examples: Order, dz: Floats) -> float:
    """Return −Σ t ln y of softmax, and put dE/dz, y − t, into dz [B, P]; z [B, P] is spent, t is [N, C]."""
    loss, width, n_classes = 0.0, z.shape[1], t.shape[1]
    for c in range(z.shape[0]):
        largest = z[c, 0]
        for j in range(1, n_classes):
            largest = z[c, j] if z[c, j] > largest else largest
        for j in range(width):
            z[c, j] -= largest
            dz[c, j] = z[c, j]
    exp_in_place(dz.reshape(dz.size))
    clear_rest(dz, n_classes)
    for c in range(z.shape[0]):
        total = dz[c, 0]
        for j in range(1, width):
            total += dz[c, j]
        log_total = math.log(total)
        for j in range(width):
            dz[c, j] /= total
        for j in range(n_classes):
            target = t[examples[c], j]
            loss -= target * (z[c, j] - log_total)
            dz[c, j] -= target
    return loss


@compiled
def sigmoid_loss(z: Floats, t: Floats, examples: Order, dz: Floats) -> float:
    """Return −Σ [t ln y + (1 − t) ln(1 − y)] of sigmoid, and put dE/dz, y − t, into dz [B, P]."""
    loss, zero = 0.0, z.dtype.type(0)
    for c in range(z.shape[0]):
        for j in range(z.shape[1]):
            dz[c, j] = z[c, j]
        for j in range(t.shape[1]):
            value, target = z[c, j], t[examples[c], j]
            loss += max(value, zero) - value * target + math.log1p(math.exp(-abs(value)))
    activate(SIGMOID, dz, t.shape[1])
    for c in range(z.shape[0]):
        for j in range(t.shape[1]):
            dz[c, j] -= t[examples[c], j]
    return loss


@compiled
def squared_loss(kind: int, z: Floats, t: Floats, examples: Order, dz: Floats) -> float:
    """Return ½ Σ (y − t)², and put dE/dz into dz [B, P]; z [B, P] becomes y."""
    activate(kind, z, t.shape[1])
    loss = 0.0
    for c in range(z.shape[0]):
        for j in range(t.shape[1]):
            dz[c, j] = z[c, j] - t[examples[c], j]
            loss += dz[c, j] * dz[c, j]
    clear_rest(dz, t.shape[1])
    times_derivative(kind, dz, z)
    return loss / 2


@compiled
def part_of(n: int, number: int, of: int) -> tuple[int, int]:
    """Return where the share of a thread begins and ends, of n things in order."""
    return n * number // of, n * (number + 1) // of


@compiled
def sort_by_input(begin: int, end: int, room: Room) -> None:
    """Transpose the masks of up to 64 examples: from which inputs an example has to which examples an input has.

    A square of 64 by 64 bits has its upper right and lower left quarters exchanged, then each quarter has its own.
    """
    by_input, n = room.by_input, room.masks.shape[1]
    flat = by_input.reshape(by_input.size)
    for c in range(WORD):
        for word in range(n):
            by_input[c, word] = room.masks[begin + c, word] if begin + c < end else np.uint64(0)
    distance, lower = WORD // 2, np.uint64(0xFFFFFFFF)
    while distance:
        for c in range(WORD):
            if not c & distance:
                for word in range(0, n, LANES):
                    p, q = c * n + word, (c + distance) * n + word
                    exchange_bits(flat, p, q, np.uint64(distance), lower)
        distance //= 2
        lower ^= lower << np.uint64(distance)


@compiled
def add_first(low: int, x: Floats, starts: Sizes, dz: Floats, scale: Any, w: Floats, room: Room) -> None:
    """Add to w [D, units], whose units are those from low on, scale times the gradient of up to 64 examples.

    Their masks are sorted; ``starts`` and dz [B, P] are theirs. It goes input by input: each row is fetched once.
    """
    length, stride = w.shape[1], dz.shape[1]
    to, of, flat = w.reshape(w.size), dz.reshape(dz.size), x.reshape(x.size)
    for i in range(w.shape[0]):
        mask = room.by_input[i % WORD, i // WORD]
        if mask:
            add_examples(to, i * length, scale, of, low, stride, length, flat, i, starts, mask, 0)


@compiled
def add_first_of_one(low: int, begin: int, x: Floats, dz: Floats, scale: Any, w: Floats, room: Room) -> None:
    """Do the same with the gradient of one example, whose masks need no sorting."""
    length, stride = w.shape[1], dz.shape[1]
    to, of, flat = w.reshape(w.size), dz.reshape(dz.size), x.reshape(x.size)
    for word in range(words_of(x.shape[1])):
        rest = room.masks[begin, word]
        while rest:
            i = word * WORD + lowest_bit(rest)
            rest &= rest - np.uint64(1)
            add_rows(to, i * length, scale, of, low, stride, length, flat, room.starts[begin] + i, 1)


@compiled
def add_above(low: int, high: int, y: Floats, dz: Floats, scale: Any, v: Floats, room: Room) -> None:
    """Add to v [J, P], from unit low to high, scale times the gradient of the examples.

    y [B, P] is of the layer below, dz [B, P] of this one.
    """
    width, to, of = v.shape[1], v.reshape(v.size), y.reshape(y.size)
    for j in range(low, high):
        for c in range(y.shape[0]):
            room.factors[c] = dz[c, j]
        add_rows(to, j * width, scale, of, 0, width, width, room.factors, 0, y.shape[0])


@compiled
def add_bias(low: int, high: int, dz: Floats, scale: Any, b: Floats, room: Room) -> None:
    """Add to b [P], from unit low to high, scale times the gradient of the examples, dz [B, P]."""
    g = room.gradient
    first, end = np.uint32(low), np.uint32(high)  # so that none is looked at as one from the end
    for j in range(first, end):
        g[j] = 0
    for c in range(dz.shape[0]):
        for j in range(first, end):
            g[j] += dz[c, j]
    for j in range(first, end):
        b[j] += scale * g[j]


@compiled
def rows_of_layer(flat: Floats, layer: int, n_examples: int, network: Network, room: Room) -> Floats:
    """Return what y or dz of the room have for a layer, [B, P]."""
    begin = room.masks.shape[0] * network.padded[:layer].sum()
    width = network.padded[layer]
    return flat[begin : begin + n_examples * width].reshape(n_examples, width)


@compiled
def weights_above(layer: int, network: Network) -> Floats:
    """Return v [J, P] of a layer above the first."""
    begin = 0
    for below in range(1, layer):
        begin += network.widths[below] * network.padded[below - 1]
    rows, columns = network.widths[layer], network.padded[layer - 1]
    return network.above[begin : begin + rows * columns].reshape(rows, columns)


@compiled
def biases_of(layer: int, network: Network) -> Floats:
    """Return b [P] of a layer."""
    begin = network.padded[:layer].sum()
    return network.biases[begin : begin + network.padded[layer]]


@compiled
def forward(x: Floats, n_examples: int, following: Order, network: Network, rules: Rules, room: Room) -> None:
    """Compute the activations of the hidden layers, and z of the output layer, of a batch.

    Meanwhile the inputs x [N, D] of the examples that follow are fetched.
    """
    for share in range(network.shares):
        first_layer(share, n_examples, x, following, network, room)
    forward_above(0, n_examples, n_examples, network, rules, room)


@compiled
def forward_above(begin: int, end: int, n_examples: int, network: Network, rules: Rules, room: Room) -> None:
    """Compute the same of some examples, from z of the first layer on."""
    below = rows_of_layer(room.y, 0, n_examples, network, room)[begin:end]
    for layer in range(1, network.widths.size):
        activate(rules.hidden, below, network.widths[layer - 1])
        z = rows_of_layer(room.y, layer, n_examples, network, room)[begin:end]
        layer_above(below, weights_above(layer, network), biases_of(layer, network), z)
        below = z


@compiled
def backward(
    begin: int, end: int, of: int, t: Floats, examples: Order, network: Network, rules: Rules, room: Room
) -> float:
    """Return the loss of some examples of a batch of so many, summed, and compute dE/dz of all layers; t [N, C]."""
    last = network.widths.size - 1
    n_examples, mine = examples.size, examples[begin:end]
    z = rows_of_layer(room.y, last, n_examples, network, room)[begin:end]
    dz = rows_of_layer(room.dz, last, n_examples, network, room)[begin:end]
    if rules.squared:
        loss = squared_loss(rules.output, z, t, mine, dz)
    elif rules.output == SOFTMAX:
        loss = softmax_loss(z, t, mine, dz)
    else:
        loss = sigmoid_loss(z, t, mine, dz)
    if rules.mean:
        flat, n = dz.reshape(dz.size), dz.dtype.type(of)
        for k in range(flat.size):
            flat[k] /= n
    for layer in range(last, 0, -1):
        below = rows_of_layer(room.dz, layer - 1, n_examples, network, room)[begin:end]
        back_to_layer(dz, weights_above(layer, network), below)
        y = rows_of_layer(room.y, layer - 1, n_examples, network, room)[begin:end]
        times_derivative(rules.hidden, below, y)
        dz = below
    return loss


@compiled
def add_gradient(
    number: int, begin: int, end: int, n_examples: int, x: Floats, scale: Any, to: Network, rules: Rules, room: Room
) -> None:
    """Add scale times the gradient of up to 64 examples to a thread's share of the weights of every layer; x [N, D]."""
    for layer in range(to.widths.size):
        dz = rows_of_layer(room.dz, layer, n_examples, to, room)[begin:end]
        low, high = part_of(to.widths[layer], number, to.shares)
        if layer:
            y = rows_of_layer(room.y, layer - 1, n_examples, to, room)[begin:end]
            add_above(low, high, y, dz, scale, weights_above(layer, to), room)
        else:
            low, high = units_of(number, to)
            if end - begin == 1:
                add_first_of_one(low, begin, x, dz, scale, weights_of(number, to), room)
            else:
                sort_by_input(begin, end, room)
                add_first(low, x, room.starts[begin:end], dz, scale, weights_of(number, to), room)
        if rules.bias:
            add_bias(low, high, dz, scale, biases_of(layer, to), room)


@compiled
def descend(number: int, rate: Any, gradient: Network, network: Network) -> None:
    """Change a thread's share of the weights by −rate times the gradient, and put 0 in the place of that."""
    of = network.shares
    descend_flat(number, of, rate, gradient.w, network.w)
    descend_flat(number, of, rate, gradient.above, network.above)
    descend_flat(number, of, rate, gradient.biases, network.biases)


@compiled
def descend_flat(number: int, of: int, rate: Any, g: Floats, w: Floats) -> None:
    """Do it with some weights, all of one shape [N]."""
    low, high = part_of(w.size, number, of)
    mine, change = w[low:high], g[low:high]
    for k in range(mine.size):
        mine[k] -= rate * change[k]
        change[k] = 0


@compiled
def fetch_targets(t: Floats, examples: Order) -> None:
    """Fetch the targets t [N, C] of some examples, which are anywhere in memory."""
    flat, n_classes = t.reshape(t.size), t.shape[1]
    for example in examples:
        for j in range(0, n_classes, LANES):
            fetch_early(flat, example * n_classes + j)
        fetch_early(flat, (example + 1) * n_classes - 1)


@compiled
def meet(arrived: Arrivals, expected: int) -> None:
    """Wait until so many have arrived, this thread among them."""
    add_atomically(arrived, 0, 1)
    looks = 0
    while read_atomically(arrived, 0) < expected:
        looks += 1
        if looks > PATIENCE:
            sched_yield()


@compiled
def train_share(
    number: int,
    arrived: Arrivals,
    x: Floats,
    t: Floats,
    order: Order,
    size: int,
    network: Network,
    gradient: Network,
    rules: Rules,
    room: Room,
) -> float:
    """Train the examples of x [N, D] and t [N, C] in this order, so many at a time: one thread's share of it.

    Returns the loss, summed over the examples of that share. The gradient of a batch of more than 64 examples is summed
    in ``gradient``, which is 0 before and after. All threads meet when z of the first layer is there, when dE/dz is,
    and when weights or gradient are changed. ``arrived`` [1] is 0 at first, and the same for all.

    Subnormal numbers count as 0: some processors take far longer for them, and where a network is sure of itself, dE/dz
    has many.
    """
    loss, met, of = 0.0, 0, network.shares
    before: Any = control_word()
    set_control_word(before | WITHOUT_SUBNORMALS)
    for start in range(0, order.size, size):
        end = min(start + size, order.size)
        at_once = end - start <= WORD
        for first in range(start, end, WORD):
            last = min(first + WORD, end)
            examples, following = order[first:last], order[last : last + WORD]
            find_nonzeros(0, examples.size, x, examples, room)
            first_layer(number, examples.size, x, following, network, room)
            met += of
            meet(arrived, met)
            low, high = part_of(examples.size, number, of)
            fetch_targets(t, examples[low:high])
            forward_above(low, high, examples.size, network, rules, room)
            loss += backward(low, high, end - start, t, examples, network, rules, room)
            met += of
            meet(arrived, met)
            scale, to = (-rules.rate, network) if at_once else (rules.one, gradient)
            add_gradient(number, 0, examples.size, examples.size, x, scale, to, rules, room)
            met += of
            meet(arrived, met)
        if not at_once:
            descend(number, rules.rate, gradient, network)
            met += of
            meet(arrived, met)
    set_control_word(before)
    return loss
