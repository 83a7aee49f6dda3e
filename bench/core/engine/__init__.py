"""Plans, and what carries them out: verify, train, time."""
