"""What trained networks get wrong."""
