"""Slides of the derivation and of a run."""
