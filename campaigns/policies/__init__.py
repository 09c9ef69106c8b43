"""Pure rules: no clock, no database; `now` is passed in."""
