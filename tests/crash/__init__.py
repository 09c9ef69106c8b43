"""Killing real processes at the worst moments, and checking what is left."""
