"""Pages that change under the reader: parts of a page, read once a second for all who look, sent when they change."""
