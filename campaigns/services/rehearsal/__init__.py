"""Rehearsing a campaign: the real dialer on a copy of its rows, in virtual time, with nobody at the other end."""

from campaigns.services.rehearsal.planning import RehearsalPlan, rehearse
from campaigns.services.rehearsal.report import RehearsalReport, label_of

__all__ = ["RehearsalPlan", "RehearsalReport", "label_of", "rehearse"]
