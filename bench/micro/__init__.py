"""Micro-benchmarks of the parts of a training step, for pytest-benchmark. All within one process."""
