"""What a program or a notebook calls: :mod:`backprop_bench` has all of it under its own name."""
