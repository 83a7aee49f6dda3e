"""What is computed from numbers: statistics, bounds, summaries. Pure functions; no torch, no clock, no files."""
