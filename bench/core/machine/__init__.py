"""The machine that is measured on: its environment, cores, interference and energy."""
