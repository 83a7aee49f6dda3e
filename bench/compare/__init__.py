"""How fast is it: what `make bench` runs, and its report."""
