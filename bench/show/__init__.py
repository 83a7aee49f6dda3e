"""What a run shows: figures, tables and the report, as pure functions of its summary."""
