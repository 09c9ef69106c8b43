"""Measurements: each module prints figures beside a peer or a limit of the same run."""
