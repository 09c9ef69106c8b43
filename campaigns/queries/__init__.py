"""Reads. A query lives with the type it returns."""
