"""Loops of `scratch-compiled`, compiled by Numba when they are first called.

Shapes: B cases in a batch, D inputs, J units in a layer, C outputs, P: a number of units rounded up to a multiple of
:data:`LANES`, so that every row begins where a vector register's worth of memory does. The units that are only there
for that have weights, activations and gradients of 0. A layer above the first has its weights transposed, [J, P] with P
for the units below, so that the innermost loop of every kernel runs along memory.

Of the inputs of a batch those are kept that are not zero. A zero input adds nothing to z and nothing to dE/dw, so that
leaving it out changes no sum but for the order of its terms.

Several threads share a batch: each goes forward and back with its own cases, then changes the weights of its own inputs
and units. All sums are of the same terms in the same order as with one thread, so the weights are the same to the bit.
"""

import math
import os
import platform
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

from data import Floats, Order

Ints = npt.NDArray[np.uint32]
"""Numbers of inputs and cases: without a sign, so that none is looked at as one from the end."""
Bits = npt.NDArray[np.int32]
Sizes = npt.NDArray[np.int64]
Arrivals = npt.NDArray[np.int64]

LANES = 16
"""Numbers in a vector: as many float32 as the widest registers hold; where they are narrower, LLVM takes several."""
WIDE = os.environ.get("NUMBA_CPU_NAME", "host") == "host" and bool(host_cpu_features().get("avx512f"))
"""Whether there are 32 registers of that width, and an instruction that moves the chosen numbers of one together; not
where Numba is told to compile for another processor."""
TILE = 8 if WIDE else 4
"""Vectors that are summed at a time: so many sums are under way that none waits for the one before."""
LINE = 16
"""Numbers between two of which a cache line begins at most."""
IS_X86 = platform.machine() in ("x86_64", "AMD64")
WITHOUT_SUBNORMALS = np.uint32(0x8040)
"""Bits of the control word by which subnormal results (0x8000) and operands (0x0040) count as 0."""
BLOCK = 112
"""Inputs whose weights are worked on together, so that they stay in a near cache while all cases use them."""
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


def _add_rows(n_vectors: int) -> Any:
    """Return the intrinsic that sums so many vectors of each row."""

    @intrinsic
    def add(
        typing: Any,
        out: Any,
        o: Any,
        scale: Any,
        rows: Any,
        r: Any,
        stride: Any,
        index: Any,
        factor: Any,
        k: Any,
        end: Any,
    ) -> Any:
        del typing, o, scale, r, stride, k, end  # their types are those of the signature
        whole = types.int64
        signature = types.void(out, whole, out.dtype, rows, whole, whole, index, factor, whole, whole)

        def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            to, of, number, weight = (
                _Vectors(context, builder, signature.args[place], args[place]) for place in (0, 3, 6, 7)
            )
            o, scale, r, stride, k, end = (args[place] for place in (1, 2, 4, 5, 8, 9))
            sums = [cgutils.alloca_once_value(builder, ir.Constant(to.vector, None)) for _ in range(n_vectors)]
            with cgutils.for_range(builder, builder.sub(end, k), intp=o.type) as loop:
                place = builder.add(k, loop.index)
                row = builder.mul(builder.zext(number.number(place), o.type), stride)
                begin, times = builder.add(row, r), of.splat(weight.number(place))
                for part, total in enumerate(sums):
                    product = builder.fmul(times, of.load(builder.add(begin, o.type(LANES * part))), flags=CONTRACT)
                    builder.store(builder.fadd(builder.load(total, typ=to.vector), product, flags=CONTRACT), total)
            for part, total in enumerate(sums):
                place = builder.add(o, o.type(LANES * part))
                change = builder.fmul(to.splat(scale), builder.load(total, typ=to.vector), flags=CONTRACT)
                to.store(builder.fadd(to.load(place), change, flags=CONTRACT), place)
            return context.get_dummy_value()

        return signature, write

    return add


add_rows_of_tile, add_rows_of_vector = _add_rows(TILE), _add_rows(1)
"""(out, o, scale, rows, r, stride, index, factor, k, end): with flat arrays, add to out[o : o + n] scale times the sum
over k ≤ m < end of factor[m] · rows[index[m] · stride + r : … + n], where n is TILE · LANES or LANES."""


@intrinsic
def keep_of_vector(typing: Any, x: Any, i: Any, column: Any, values: Any, columns: Any, n: Any) -> Any:
    """Put those of x[i : i + LANES] that are not zero to values[n:], and their numbers from column on to columns[n:].

    Returns how many these are; up to :data:`LANES` places are written to. All arrays are flat.
    """
    del typing, i, column, n
    whole = types.int64
    signature = whole(x, whole, types.int32, values, columns, whole)

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        given, kept, numbers = (_Vectors(context, builder, signature.args[place], args[place]) for place in (0, 3, 4))
        i, column, n = args[1], args[2], args[5]
        vector = given.load(i)
        mask = builder.fcmp_unordered("!=", vector, ir.Constant(given.vector, None))
        counting = ir.Constant(numbers.vector, list(range(LANES)))
        places = builder.add(splat(builder, column), counting)
        _store_chosen(builder, numbers, places, mask, n)
        return builder.sub(_store_chosen(builder, kept, vector, mask, n), n)

    return signature, write


def _store_chosen(builder: Any, to: _Vectors, vector: Any, mask: Any, n: Any) -> Any:
    """Put the chosen numbers of a vector to places n, n + 1, …, a register at a time; returns the place after them."""
    lanes = LANES * 4 // to.align
    for first in range(0, LANES, lanes):
        wanted = ir.Constant(ir.VectorType(ir.IntType(32), lanes), list(range(first, first + lanes)))
        part, chosen = (builder.shuffle_vector(whole, whole, wanted) for whole in (vector, mask))
        to.store(_compressed(builder, part, chosen), n)
        n = builder.add(n, builder.zext(builder.ctpop(builder.bitcast(chosen, ir.IntType(lanes))), n.type))
    return n


def _compressed(builder: Any, vector: Any, mask: Any) -> Any:
    """Return the chosen numbers of a vector moved together at its beginning."""
    kind = vector.type
    short = {"float": "f32", "double": "f64", "i32": "i32"}[str(kind.element)]
    function = ir.FunctionType(kind, [kind, mask.type, kind])
    name = f"llvm.experimental.vector.compress.v{kind.count}{short}"
    declared = cgutils.get_or_insert_function(builder.module, function, name)
    return builder.call(declared, [vector, mask, ir.Constant(kind, ir.Undefined)])


@intrinsic
def fetch_early(typing: Any, x: Any, i: Any) -> Any:
    """Ask for the cache line of x[i], x flat, without waiting for it."""
    del typing, i
    signature = types.void(x, types.int64)

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        function = ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag])
        declared = cgutils.get_or_insert_function(builder.module, function, "llvm.prefetch.p0")
        address = builder.bitcast(_Vectors(context, builder, signature.args[0], args[0]).at(args[1]), pointer)
        builder.call(declared, [address, flag(0), flag(2), flag(1)])  # to be read, soon, as data
        return context.get_dummy_value()

    return signature, write


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
        Of the first layer, [D, P].
    above
        Of the layers above, [J, P] each, one after the other.
    biases
        [P] of each layer, one after the other; zeros where the recipe has none.
    widths, padded
        J and P of each layer.
    """

    w: Floats
    above: Floats
    biases: Floats
    widths: Sizes
    padded: Sizes


class Rules(NamedTuple):
    """What a recipe says of a step: kinds of activation, loss and reduction, whether there are biases, the rate."""

    hidden: int
    output: int
    squared: bool
    mean: bool
    bias: bool
    rate: Any


class Room(NamedTuple):
    """Room for what a batch needs. Threads share the first five, and have the others to themselves.

    Attributes
    ----------
    columns, values
        The nonzero inputs: which of the D, and what they are.
    marks
        Where those of a case and of each block of :data:`BLOCK` inputs begin, and where they end, [B, blocks + 1].
    y, dz
        Activations and dE/dz, [B, P] of each layer, one after the other; of the output layer z in the place of y.
    by_input, cases
        Those values that are of one block, sorted by input, and which case each is of: room for every case, at each
        input of the block.
    ends
        Where the values of each input of the block end, [:data:`BLOCK`].
    gradient
        dE/db of a layer, as long as the longest row.
    counting, factors
        0, 1, …, and room for as many numbers: for each case of a batch, or each unit of a layer.
    bits
        The exponents of a layer's e^x, as the bits of a float32.
    """

    columns: Ints
    values: Floats
    marks: Ints
    y: Floats
    dz: Floats
    by_input: Floats
    cases: Ints
    ends: Ints
    gradient: Floats
    counting: Ints
    factors: Floats
    bits: Bits


# e^x = 2^n e^r with n whole and |r| ≤ ln 2 / 2: n is taken off in two parts, the first of which is exact
# (Cody & Waite, Software Manual for the Elementary Functions, 1980). The polynomial is Cephes' (Moshier, expf).
LOG2_E = np.float32(1.44269504)
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
P5, P4, P3 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519073e-3)
P2, P1, P0 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(5.0000001201e-1)
LOWEST, HIGHEST = np.float32(-87.3), np.float32(89.0)
HALF, ONE = np.float32(0.5), np.float32(1)


@exactly
def exp_float32(x: Floats, bits: Bits) -> None:
    """Put e^x in the place of x [N], float32, within two units in the last place for x from −87.3 to 88.3.

    Below, it stays at about 1e-38; above, it is infinity a little before the largest float32 is reached.
    ``bits`` has room for N powers of two, as the bits of a float32.
    """
    for k in range(x.size):
        value = x[k]
        value = LOWEST if value < LOWEST else value  # a NaN passes both
        value = HIGHEST if value > HIGHEST else value
        n = np.floor(value * LOG2_E + HALF)
        r = value - n * LN2_HIGH - n * LN2_LOW
        p = ((((P5 * r + P4) * r + P3) * r + P2) * r + P1) * r + P0
        x[k] = p * (r * r) + r + ONE
        bits[k] = (np.int32(n) + np.int32(127)) << np.int32(23)
    powers = bits[: x.size].view(np.float32)
    for k in range(x.size):
        x[k] *= powers[k]


@exactly
def exp_in_place(x: Floats, bits: Bits) -> None:
    """Put e^x in the place of x [N]."""
    if x.itemsize == bits.itemsize:
        exp_float32(x, bits)
    else:
        for k in range(x.size):
            x[k] = math.exp(x[k])


@compiled
def clear_rest(a: Floats, width: int) -> None:
    """Put 0 where a [B, P] has no units."""
    for c in range(a.shape[0]):
        for j in range(width, a.shape[1]):
            a[c, j] = 0


@compiled
def keep_nonzeros(x: Floats, cases: Order, first: int, room: Room) -> None:
    """Gather the inputs of cases from x [N, D] that are not zero, case by case; the first one's place is given."""
    columns, values, marks = room.columns, room.values, room.marks[first:]
    flat, n_inputs = x.reshape(x.size), x.shape[1]
    n = first * n_inputs
    for c in range(cases.size):
        row = cases[c] * n_inputs
        for block in range(marks.shape[1] - 1):
            marks[c, block] = n
            begin, end = block * BLOCK, min((block + 1) * BLOCK, n_inputs)
            i = begin
            if WIDE:
                while i + LANES <= end:
                    n += keep_of_vector(flat, row + i, np.uint32(i), values, columns, n)
                    i += LANES
            while i < end:
                columns[n], values[n] = i, flat[row + i]
                n += flat[row + i] != 0
                i += 1
        marks[c, marks.shape[1] - 1] = n


@inlined
def add_rows(
    out: Floats, o: int, width: int, scale: Any, rows: Floats, index: Ints, factor: Floats, k: int, end: int
) -> None:
    """Add to a row of out, from o on, scale times the sum over k ≤ m < end of factor[m] times row index[m] of rows.

    ``out`` and ``rows`` are flat, of rows of ``width`` numbers. It goes tile by tile, so that sums stay in registers.
    """
    r = 0
    while r + TILE * LANES <= width:
        add_rows_of_tile(out, o + r, scale, rows, r, width, index, factor, k, end)
        r += TILE * LANES
    while r < width:
        add_rows_of_vector(out, o + r, scale, rows, r, width, index, factor, k, end)
        r += LANES


@compiled
def first_layer(
    w: Floats, b: Floats, z: Floats, x: Floats, following: Order, marks: Ints, columns: Ints, values: Floats
) -> None:
    """Compute z [B, P] of the first layer from w [D, P] and b [P], and the nonzero inputs of these cases.

    Inputs are taken in blocks whose weights fit a near cache, and are used there by all cases. Meanwhile the inputs
    x [N, D] of the cases that follow, which are anywhere in memory, are fetched.
    """
    width, n_cases = z.shape[1], z.shape[0]
    flat, n_inputs = x.reshape(x.size), x.shape[1]
    to, of, one = z.reshape(z.size), w.reshape(w.size), z.dtype.type(1)
    for c in range(n_cases):
        for j in range(width):
            z[c, j] = b[j]
    for block in range(marks.shape[1] - 1):
        for c in range(n_cases):
            if c < following.size:
                row = following[c] * n_inputs
                for i in range(row + block * BLOCK, row + min((block + 1) * BLOCK, n_inputs), LINE):
                    fetch_early(flat, i)
            k, end = marks[c, block], marks[c, block + 1]
            if k < end:
                add_rows(to, c * width, width, one, of, columns, values, k, end)


@compiled
def activate(kind: int, y: Floats, width: int, room: Room) -> None:
    """Put the activation in the place of the total input, y [B, P], for every kind but the softmax."""
    flat = y.reshape(y.size)
    one = flat.dtype.type(1)
    if kind == SIGMOID:
        for k in range(flat.size):
            flat[k] = -flat[k]
        exp_in_place(flat, room.bits)
        for k in range(flat.size):
            flat[k] = one / (one + flat[k])
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
def back_to_layer(dz: Floats, v: Floats, dy: Floats, room: Room) -> None:
    """Compute dE/dy [B, P] of a layer from dE/dz [B, P] of the layer above and v [J, P]."""
    width, one = dy.shape[1], dy.dtype.type(1)
    to, of, factor = dy.reshape(dy.size), v.reshape(v.size), dz.reshape(dz.size)
    for k in range(to.size):
        to[k] = 0
    for c in range(dy.shape[0]):
        add_rows(to, c * width, width, one, of, room.counting, factor[c * dz.shape[1] :], 0, v.shape[0])


@compiled
def softmax_loss(z: Floats, t: Floats, cases: Order, dz: Floats, room: Room) -> float:
    """Return −Σ t ln y of softmax, and put dE/dz, y − t, into dz [B, P]; z [B, P] is spent, t is [N, C]."""
    loss = 0.0
    n_classes = t.shape[1]
    for c in range(z.shape[0]):
        largest = z[c, 0]
        for j in range(1, n_classes):
            largest = z[c, j] if z[c, j] > largest else largest
        for j in range(n_classes):
            z[c, j] -= largest
            dz[c, j] = z[c, j]
    exp_in_place(dz.reshape(dz.size), room.bits)
    clear_rest(dz, n_classes)
    for c in range(z.shape[0]):
        total = dz[c, 0]
        for j in range(1, n_classes):
            total += dz[c, j]
        log_total = math.log(total)
        for j in range(n_classes):
            target = t[cases[c], j]
            loss -= target * (z[c, j] - log_total)
            dz[c, j] = dz[c, j] / total - target
    return loss


@compiled
def sigmoid_loss(z: Floats, t: Floats, cases: Order, dz: Floats, room: Room) -> float:
    """Return −Σ [t ln y + (1 − t) ln(1 − y)] of sigmoid, and put dE/dz, y − t, into dz [B, P]."""
    loss, zero = 0.0, z.dtype.type(0)
    for c in range(z.shape[0]):
        for j in range(z.shape[1]):
            dz[c, j] = z[c, j]
        for j in range(t.shape[1]):
            value, target = z[c, j], t[cases[c], j]
            loss += max(value, zero) - value * target + math.log1p(math.exp(-abs(value)))
    activate(SIGMOID, dz, t.shape[1], room)
    for c in range(z.shape[0]):
        for j in range(t.shape[1]):
            dz[c, j] -= t[cases[c], j]
    return loss


@compiled
def squared_loss(kind: int, z: Floats, t: Floats, cases: Order, dz: Floats, room: Room) -> float:
    """Return ½ Σ (y − t)², and put dE/dz into dz [B, P]; z [B, P] becomes y."""
    activate(kind, z, t.shape[1], room)
    loss = 0.0
    for c in range(z.shape[0]):
        for j in range(t.shape[1]):
            dz[c, j] = z[c, j] - t[cases[c], j]
            loss += dz[c, j] * dz[c, j]
    clear_rest(dz, t.shape[1])
    times_derivative(kind, dz, z)
    return loss / 2


@compiled
def part_of(n: int, number: int, of: int) -> tuple[int, int]:
    """Return where the share of a thread begins and ends, of n things in order."""
    return n * number // of, n * (number + 1) // of


@compiled
def input_before(number: int, of: int, n_cases: int, n_inputs: int, room: Room) -> int:
    """Return the first input of a thread's share: so many that each has about as many nonzero values of the batch.

    Within a block, values are taken to be spread evenly. It is the same for all threads, as the marks are.
    """
    if number == 0 or number == of:
        return n_inputs * number // of
    marks = room.marks
    total = 0
    for c in range(n_cases):
        total += int(marks[c, marks.shape[1] - 1] - marks[c, 0])
    before, wanted = 0, total * number // of
    for block in range(marks.shape[1] - 1):
        here = 0
        for c in range(n_cases):
            here += int(marks[c, block + 1] - marks[c, block])
        if before + here > wanted:
            begin, end = block * BLOCK, min((block + 1) * BLOCK, n_inputs)
            return begin + (end - begin) * (wanted - before) // here
        before += here
    return n_inputs


@inlined
def stride_of(room: Room) -> int:
    """Return how many values of an input there is room for: those of all cases, and some, lest it be a power of two."""
    return len(room.marks) + LANES


@inlined
def values_between(c: int, low: Any, high: Any, block: int, room: Room) -> tuple[int, int]:
    """Return where the nonzero inputs of a case begin and end that are at least low and below high, of a block."""
    k, end = room.marks[c, block], room.marks[c, block + 1]
    while k < end and room.columns[k] < low:
        k += np.uint32(1)
    while k < end and room.columns[end - np.uint32(1)] >= high:
        end -= np.uint32(1)
    return k, end


@compiled
def sort_by_input(low: Any, high: Any, block: int, n_cases: int, room: Room) -> None:
    """Sort those nonzero inputs of a batch by input that are of a block, from low to high.

    Those of input i then lie from ``(i - low) * stride_of(room)`` to before ``ends[i - low]``. Low and high are numbers
    without a sign.
    """
    ends, columns = room.ends, room.columns
    stride = np.uint32(stride_of(room))
    for i in range(high - low):
        ends[i] = i * stride
    for c in range(n_cases):
        begin, end = values_between(c, low, high, block, room)
        for k in range(begin, end):
            i = columns[k] - low
            place = ends[i]
            ends[i] = place + np.uint32(1)
            room.by_input[place], room.cases[place] = room.values[k], c


@compiled
def descend_first(low: int, high: int, n_cases: int, dz: Floats, w: Floats, rules: Rules, room: Room) -> None:
    """Change w [D, P] from input low to high by −rate times the gradient of the batch.

    It goes input by input, so that each row is fetched once.
    """
    if low == high:
        return
    width, to, of, stride = w.shape[1], w.reshape(w.size), dz.reshape(dz.size), stride_of(room)
    for block in range(low // BLOCK, (high - 1) // BLOCK + 1):
        first, last = max(low, block * BLOCK), min(high, (block + 1) * BLOCK)
        sort_by_input(np.uint32(first), np.uint32(last), block, n_cases, room)
        for i in range(last - first):
            begin, end = i * stride, room.ends[i]
            if begin < end:
                add_rows(to, (first + i) * width, width, -rules.rate, of, room.cases, room.by_input, begin, end)


@compiled
def descend_first_of_one(dz: Floats, w: Floats, rules: Rules, room: Room) -> None:
    """Change w [D, P] by −rate times the gradient of a batch of one case, which needs no sorting."""
    for k in range(room.marks[0, 0], room.marks[0, room.marks.shape[1] - 1]):
        i, x = room.columns[k], rules.rate * room.values[k]
        for j in range(w.shape[1]):
            w[i, j] -= x * dz[0, j]


@compiled
def descend_above(low: int, high: int, y: Floats, dz: Floats, v: Floats, rules: Rules, room: Room) -> None:
    """Change v [J, P] from unit low to high by −rate times the gradient of the batch.

    y [B, P] is of the layer below, dz [B, P] of this one.
    """
    width, to, of = v.shape[1], v.reshape(v.size), y.reshape(y.size)
    for j in range(low, high):
        for c in range(y.shape[0]):
            room.factors[c] = dz[c, j]
        add_rows(to, j * width, width, -rules.rate, of, room.counting, room.factors, 0, y.shape[0])


@compiled
def descend_bias(low: int, high: int, dz: Floats, b: Floats, rules: Rules, room: Room) -> None:
    """Change b [P] from unit low to high by −rate times the gradient of the batch, dz [B, P]."""
    g = room.gradient
    first, end = np.uint32(low), np.uint32(high)  # so that none is looked at as one from the end
    for j in range(first, end):
        g[j] = 0
    for c in range(dz.shape[0]):
        for j in range(first, end):
            g[j] += dz[c, j]
    for j in range(first, end):
        b[j] -= rules.rate * g[j]


@compiled
def rows_of_layer(flat: Floats, layer: int, n_cases: int, network: Network, room: Room) -> Floats:
    """Return what y or dz of the room have for a layer, [B, P]."""
    begin = room.marks.shape[0] * network.padded[:layer].sum()
    width = network.padded[layer]
    return flat[begin : begin + n_cases * width].reshape(n_cases, width)


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
def forward(
    begin: int, end: int, n_cases: int, x: Floats, following: Order, network: Network, rules: Rules, room: Room
) -> None:
    """Compute the activations of the hidden layers, and z of the output layer, of some cases of a batch.

    Meanwhile the inputs x [N, D] of the cases that follow are fetched.
    """
    below = rows_of_layer(room.y, 0, n_cases, network, room)[begin:end]
    marks = room.marks[begin:end]
    first_layer(network.w, biases_of(0, network), below, x, following, marks, room.columns, room.values)
    for layer in range(1, network.widths.size):
        activate(rules.hidden, below, network.widths[layer - 1], room)
        z = rows_of_layer(room.y, layer, n_cases, network, room)[begin:end]
        layer_above(below, weights_above(layer, network), biases_of(layer, network), z)
        below = z


@compiled
def backward(begin: int, end: int, t: Floats, cases: Order, network: Network, rules: Rules, room: Room) -> float:
    """Return the loss, summed over some cases of a batch, and compute their dE/dz of all layers; t [N, C]."""
    last = network.widths.size - 1
    n_cases, mine = cases.size, cases[begin:end]
    z = rows_of_layer(room.y, last, n_cases, network, room)[begin:end]
    dz = rows_of_layer(room.dz, last, n_cases, network, room)[begin:end]
    if rules.squared:
        loss = squared_loss(rules.output, z, t, mine, dz, room)
    elif rules.output == SOFTMAX:
        loss = softmax_loss(z, t, mine, dz, room)
    else:
        loss = sigmoid_loss(z, t, mine, dz, room)
    if rules.mean:
        for c in range(mine.size):
            for j in range(t.shape[1]):
                dz[c, j] /= n_cases
    for layer in range(last, 0, -1):
        below = rows_of_layer(room.dz, layer - 1, n_cases, network, room)[begin:end]
        back_to_layer(dz, weights_above(layer, network), below, room)
        y = rows_of_layer(room.y, layer - 1, n_cases, network, room)[begin:end]
        times_derivative(rules.hidden, below, y)
        dz = below
    return loss


@compiled
def update(number: int, of: int, n_cases: int, network: Network, rules: Rules, room: Room) -> None:
    """Change a thread's share of the weights of every layer."""
    for layer in range(network.widths.size):
        dz = rows_of_layer(room.dz, layer, n_cases, network, room)
        low, high = part_of(network.widths[layer], number, of)
        if layer:
            y = rows_of_layer(room.y, layer - 1, n_cases, network, room)
            descend_above(low, high, y, dz, weights_above(layer, network), rules, room)
        elif n_cases == 1:
            if number == 0:
                descend_first_of_one(dz, network.w, rules, room)
        else:
            n_inputs = network.w.shape[0]
            first = input_before(number, of, n_cases, n_inputs, room)
            end = input_before(number + 1, of, n_cases, n_inputs, room)
            descend_first(first, end, n_cases, dz, network.w, rules, room)
        if rules.bias:
            descend_bias(low, high, dz, biases_of(layer, network), rules, room)


@compiled
def there_and_back(
    number: int,
    of: int,
    x: Floats,
    t: Floats,
    cases: Order,
    following: Order,
    network: Network,
    rules: Rules,
    room: Room,
) -> float:
    """Compute dE/dz of a thread's share of a batch, and return its loss; the cases that follow are fetched."""
    begin, end = part_of(cases.size, number, of)
    keep_nonzeros(x, cases[begin:end], begin, room)
    forward(begin, end, cases.size, x, following[begin:end], network, rules, room)
    return backward(begin, end, t, cases, network, rules, room)


@compiled
def train_batches(x: Floats, t: Floats, order: Order, size: int, network: Network, rules: Rules, room: Room) -> float:
    """Train the cases of x [N, D] and t [N, C] in this order, so many at a time.

    Returns the loss, summed over the cases. Subnormal numbers count as 0: some processors take far longer for them, and
    where a network is sure of itself, dE/dz has many.
    """
    loss = 0.0
    before: Any = control_word()
    set_control_word(before | WITHOUT_SUBNORMALS)
    for start in range(0, order.size, size):
        cases, following = order[start : start + size], order[start + size : start + 2 * size]
        loss += there_and_back(0, 1, x, t, cases, following, network, rules, room)
        update(0, 1, cases.size, network, rules, room)
    set_control_word(before)
    return loss


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
    of: int,
    arrived: Arrivals,
    x: Floats,
    t: Floats,
    order: Order,
    size: int,
    network: Network,
    rules: Rules,
    room: Room,
) -> float:
    """Do one thread's share of what :func:`train_batches` does.

    All threads meet when dE/dz of a batch is there, and again when the weights are changed. ``arrived`` [1] is 0 at
    first, and the same for all.
    """
    loss = 0.0
    met = 0
    before: Any = control_word()
    set_control_word(before | WITHOUT_SUBNORMALS)
    for start in range(0, order.size, size):
        cases, following = order[start : start + size], order[start + size : start + 2 * size]
        loss += there_and_back(number, of, x, t, cases, following, network, rules, room)
        met += of
        meet(arrived, met)
        update(number, of, cases.size, network, rules, room)
        met += of
        meet(arrived, met)
    set_control_word(before)
    return loss
