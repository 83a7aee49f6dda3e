"""The harness: verifies that the implementations compute the same, times them, and shows the results."""
