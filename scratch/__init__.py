"""The network by hand. Never imports torch."""
