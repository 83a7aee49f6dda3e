"""What every question uses; it knows none of them."""
