"""The network from scratch. Never imports torch."""
