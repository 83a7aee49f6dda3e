"""The mutation proof: real mistakes, planted one by one in the network by hand, are all caught by the parity proof."""
