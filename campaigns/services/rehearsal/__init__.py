"""Rehearsing a campaign: the real dialer on a copy of its rows, in virtual time, with nobody at the other end."""

from campaigns.services.rehearsal.keeping import KEPT_LIMIT, rehearse_and_keep
from campaigns.services.rehearsal.planning import RehearsalPlan, rehearse
from campaigns.services.rehearsal.report import RehearsalReport, label_of

__all__ = ["KEPT_LIMIT", "RehearsalPlan", "RehearsalReport", "label_of", "rehearse", "rehearse_and_keep"]
