"""Is it right: checks of an implementation against its reference."""
