"""A PSR on this machine: the real HTTP and WebSocket protocol, and people at the far end who speak and listen."""
