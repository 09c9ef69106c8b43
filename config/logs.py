"""Logging: one structured line an event, with call and attempt ids, and no secret in any of them."""

from __future__ import annotations

import logging
import logging.config
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

from telephony.protocols.registry import PROTOCOLS

# What follows these in a path is a call token, an endpoint's key or a customer's number; none of it is for a log.
_SECRET_PATHS = [
    "ucid/callback/",
    *(head for spec in PROTOCOLS.values() for head, group, _ in [spec.route.partition("(?P<")] if group),
]
_SECRET_IN_PATH = re.compile(rf"(/(?:{'|'.join(map(re.escape, _SECRET_PATHS))}))[^\s?\"']+")
_TOKEN_IN_QUERY = re.compile(r"([?&](?:token|trunkline_token|key)=)[^\s&\"']+")
_AUTHORIZATION = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}")

# Asked every few seconds, by the start itself too.
PROBES = frozenset({"/health/ready"})


def redact(text: str) -> str:
    """The text with call tokens, keys and Authorization values replaced."""
    text = _SECRET_IN_PATH.sub(r"\1[redacted]", text)
    text = _TOKEN_IN_QUERY.sub(r"\1[redacted]", text)
    return _AUTHORIZATION.sub(r"\1 [redacted]", text)


def _redact_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # Django adds the request; written out it holds the query, with phone numbers and keys. The path is in the text.
    event.pop("request", None)
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redact(value)
    return event


def is_worth_a_line(record: logging.LogRecord) -> bool:
    """Whether a line of django.request tells anything: a probe's 503 does not, its sender has been told."""
    request = getattr(record, "request", None)
    return getattr(request, "path", "") not in PROBES


def configure(options: dict[str, Any]) -> None:
    """Configure stdlib logging and structlog alike; `options` is settings.LOGGING {level, format: json|console}."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    is_json = options.get("format") == "json"
    renderer: Any = (
        structlog.processors.JSONRenderer() if is_json else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "structured": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        _redact_event,
                        renderer,
                    ],
                    "foreign_pre_chain": [*shared, structlog.stdlib.ExtraAdder()],
                }
            },
            "filters": {"without probes": {"()": lambda: is_worth_a_line}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
            "root": {"handlers": ["stderr"], "level": options.get("level", "INFO")},
            "loggers": {
                "django.request": {"filters": ["without probes"]},
                # httpx logs whole URLs at INFO; ours carry tokens and phone numbers.
                "httpx": {"level": "WARNING"},
                "httpcore": {"level": "WARNING"},
                "celery.app.trace": {"level": "WARNING"},
                "celery.worker.strategy": {"level": "WARNING"},
                "celery.beat": {"level": "WARNING"},
            },
        }
    )
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
