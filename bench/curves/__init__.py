"""What one sees while networks learn: test accuracy between single weight updates."""
