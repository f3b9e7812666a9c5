"""Logs: one line an event, for a console or as JSON, and never a secret in it."""

import logging.config
import re
from typing import Any

import structlog

from bookbag.request_id import current

# An API key, what follows `Bearer` or `Basic`: whatever looks like a credential is
# masked, in messages and in tracebacks, wherever the line comes from.
_SECRETS = re.compile(
    r"(oc_(?:live|test)_[0-9A-Za-z]{4})[0-9A-Za-z]{8,}"
    r"|((?i:bearer|basic)\s+)[^\s'\",;]{8,}"
)


def mask(text: str) -> str:
    return _SECRETS.sub(lambda m: (m[1] or m[2]) + "…", text)


def _mask_event(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    return {k: mask(v) if isinstance(v, str) else v for k, v in event.items()}


def _mask_line(_: Any, __: str, line: str | bytes) -> str | bytes:
    """The last gate: what a renderer made of objects that were not strings."""
    return mask(line) if isinstance(line, str) else line


def _add_request_id(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    if (request_id := current.get()) != "-":
        event.setdefault("request_id", request_id)
    return event


def configure_logging(style: str, *, level: str) -> None:
    """`style` is "console" or "json". Standard logging and structlog end up alike."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(allow=["status_code", "task_id"]),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request_id,
        _mask_event,
    ]
    # A plain traceback: the pretty ones print local variables, secrets among them.
    console = structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )
    final: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if style == "json":
        final += [structlog.processors.format_exc_info, _mask_event]
        final += [structlog.processors.JSONRenderer(), _mask_line]
    else:
        final += [console, _mask_line]
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "line": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": final,
                }
            },
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "formatter": "line"}
            },
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {
                # A 404 or a 401 is the client's affair; 500s are logged with their
                # traceback where they are caught.
                "django.request": {"level": "ERROR"},
                "django.security.DisallowedHost": {"level": "CRITICAL"},
                "uvicorn.access": {"level": "WARNING"},
                "asyncio": {"level": "WARNING"},
            },
        }
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
