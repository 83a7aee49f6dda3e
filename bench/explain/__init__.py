"""Where the gaps in accuracy and runtime come from."""
