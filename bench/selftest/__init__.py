"""How far the measurements can be trusted: A/A tests, injected slowdowns, repeatability."""
