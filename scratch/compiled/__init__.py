"""Kernels of `scratch-compiled`, compiled by Numba when they are first called.

==============  =====================================================================================
``jit``         how Numba is told to compile, and when compiled code on disk is out of date
``vectors``     sums of rows in vector registers
``masks``       which inputs are not zero, as bits, and sums over these inputs alone
``functions``   activations and losses
``threads``     barrier, shares, and treatment of subnormal numbers
``network``     weights and workspace, and the part of each layer in them
``update``      optimizers
``products``    matrix products of layers above the first
``layers``      forward pass and backward pass
``gradients``   the gradient of a batch, and what is done with it
``training``    the epoch of one thread
``layout``      from a recipe's weights to their layout here, and back; not compiled
``naive``       every kernel once more in plain NumPy, against which a test compares it
==============  =====================================================================================

Shapes: B examples in a batch, D inputs, J units in a layer, C outputs. P is a number of units rounded up to a multiple
of :data:`vectors.LANES`, so that every row begins at a vector. The units added by rounding have weights, activations
and gradients of 0. A layer above the first has its weights transposed, [J, P] with the P of the layer below. So the
innermost loop of every kernel runs along memory.

A zero input adds nothing to z and nothing to dE/dw. Leaving it out changes only the order of a sum. The masks of an
example have a bit for each input that is not zero; a sum over its inputs goes from one such bit to the next. The same
masks transposed tell for each input which examples have it; a sum over the examples goes along those.

Several threads share a batch. The first layer has most of the weights. It is divided by units, and the weights of each
thread lie together, so that no core waits for another. Above it, each thread goes forward and back with its own
examples. All sums are of the same terms in the same order as with one thread, so the weights are the same to the bit.
"""
