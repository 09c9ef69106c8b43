"""How moments are written; Django looks here by language."""
