"""Whether published results of 1986 and later are replicated."""
