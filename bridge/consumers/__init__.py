"""The Channels edge: sockets become legs of calls."""
