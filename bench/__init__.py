"""The harness: proves the twins equal, times them, shows what came out."""
