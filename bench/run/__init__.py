"""What runs things: worker processes, clocks, the parity proof."""
