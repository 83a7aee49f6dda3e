"""Intervals, time ratios, stopping rules and FLOP counts: pure functions."""
