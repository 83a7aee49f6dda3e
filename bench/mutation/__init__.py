"""Planted mistakes: whether verification catches them, and which one a difference looks like."""
