"""Whole histories of the dialer under faults, and a checker that reads them.

Real dialer processes are killed, frozen and starved of their database and their messages by a schedule drawn from a
seed, against a switch that remembers. Everything that happens is written to one append-only history; `checker` says
what in it should never have been. `python -m tests.history --seed 7` runs one seed; see `__main__` for the rest.
"""
