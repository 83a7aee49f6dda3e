"""``python -m backprop_bench``, the same as ``backprop-bench``."""

from backprop_bench.bench.cli import main

if __name__ == "__main__":
    main()
