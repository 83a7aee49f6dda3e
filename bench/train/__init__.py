"""Train one implementation on one recipe."""
