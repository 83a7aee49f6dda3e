"""Back-propagation from scratch and in PyTorch: verified, timed in pairs, and the difference explained.

The folders at the root of the repository are the subpackages: :mod:`backprop_bench.data`,
:mod:`backprop_bench.scratch`, :mod:`backprop_bench.torch_impl`,
:mod:`backprop_bench.peers` and :mod:`backprop_bench.bench`.
"""
