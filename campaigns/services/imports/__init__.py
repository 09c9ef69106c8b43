"""Imports of customer lists: taking a file in, running it, taking it back."""

from campaigns.queries.imports import reject_rows
from campaigns.services.imports.running import fail_import, run_import
from campaigns.services.imports.undoing import Undone, undo_import
from campaigns.services.imports.upload import create_import, discard_leftovers

__all__ = ["Undone", "create_import", "discard_leftovers", "fail_import", "reject_rows", "run_import", "undo_import"]
