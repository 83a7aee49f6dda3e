"""Micro-benchmarks of the parts of a step, for pytest-benchmark."""
