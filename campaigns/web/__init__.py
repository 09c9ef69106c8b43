"""The pages of signed-in people."""
