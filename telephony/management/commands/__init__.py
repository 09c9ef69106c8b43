"""Commands of the phone network."""
