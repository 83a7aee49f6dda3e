"""How time grows with the size of network, batch and data."""
