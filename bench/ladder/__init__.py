"""What each idea brings, from lists to compiled loops."""
