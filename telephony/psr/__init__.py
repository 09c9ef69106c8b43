"""PSR's HTTP side: the create-stream request, its answer, what the answer means, and the recordings."""
