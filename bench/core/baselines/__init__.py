"""Dense-GEMM baselines: the matrix products of a step alone."""
