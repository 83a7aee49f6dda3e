"""The command line: ``backprop-bench``, the same as ``python -m backprop_bench``."""

from backprop_bench.bench.cli.main import main

__all__ = ["main"]
