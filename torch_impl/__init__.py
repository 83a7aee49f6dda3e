"""The network in PyTorch: as a newcomer writes it, and without the DataLoader."""
