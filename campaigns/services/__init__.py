"""Writes, one function per write. Services never enqueue."""
