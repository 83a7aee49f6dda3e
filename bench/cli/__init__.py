"""The command line: ``backprop-bench``, the same as ``python -m bench``."""

from bench.cli.main import main

__all__ = ["main"]
