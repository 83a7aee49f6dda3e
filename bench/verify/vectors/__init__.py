"""Numbers in files: to check what a program in any language computes."""
