"""Calling rules in words, for people."""

from __future__ import annotations

from campaigns.policies.rule_profiles import DAY_S, HOUR_S, CallingRules


def rules_in_words(rules: CallingRules) -> tuple[str, ...]:
    """The rules line by line, the profile first; what sets no limit is left out."""
    caps = ((rules.calls_per_day, "24 hours"), (rules.calls_per_week, "7 days"))
    lines = (
        f"Profile {rules.profile}{', loosened: see the log' if rules.is_overridden else ''}",
        "" if rules.hours is None else f"{_clock(rules.hours[0])} to {_clock(rules.hours[1])} where the customer is",
        *(
            "" if cap is None else f"At most {cap} call{'s' * (cap > 1)} to one number in {period}"
            for cap, period in caps
        ),
        f"At least {_wait(rules.min_gap_s)} between calls to one number" if rules.min_gap_s else "",
        "Consent is needed" if rules.needs_consent else "",
        ""
        if rules.dnc_max_age_days is None
        else f"Imported do-not-call lists no older than {rules.dnc_max_age_days} days",
        f"Numbers of {', '.join(sorted(rules.countries))} only" if rules.countries else "",
        f"Nobody is called on the public holidays of {rules.holidays}" if rules.holidays else "",
    )
    return tuple(line for line in lines if line)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _wait(seconds: float) -> str:
    units = ((DAY_S, "days"), (HOUR_S, "hours"), (60.0, "minutes"), (1.0, "seconds"))
    size, unit = next(((size, unit) for size, unit in units if seconds >= size), units[-1])
    return f"{seconds / size:g} {unit}"
