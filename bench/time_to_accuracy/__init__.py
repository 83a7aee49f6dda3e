"""How long training takes until an accuracy is reached."""
