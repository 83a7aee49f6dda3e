"""How times have changed between two runs."""
