"""Log lines through structlog: JSON for services, plain warnings for the command line. Both go to stderr."""

from __future__ import annotations

import json
import logging
import sys
from typing import cast

import structlog
from structlog.stdlib import BoundLogger, ProcessorFormatter
from structlog.typing import EventDict


def get_logger(name: str) -> BoundLogger:
    """A logger for one module.

    `log.info("segment committed", segment=7)` logs an event, which operators search for, and its fields. Fields that
    are bound with `structlog.contextvars.bound_contextvars(run=...)` are added to every line of the thread. The line
    passes through the standard library's logger of the same name, so levels and handlers work as usual.

    Args:
        name: the module's `__name__`.
    """
    logger = structlog.wrap_logger(
        logging.getLogger(name),
        wrapper_class=BoundLogger,
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.render_to_log_kwargs,
        ],
    )
    return cast("BoundLogger", logger)


def json_formatter(**fields: str) -> logging.Formatter:
    """Formats a record as one JSON object: time (UTC, RFC 3339), level, logger, message, fields, exception.

    Records of libraries that use the standard library's `logging` are formatted in the same way.

    Args:
        **fields: added to every record of every thread, such as the role of the process.
    """

    def add_fields(_logger: object, _method: str, event: EventDict) -> EventDict:
        return {**fields, **event}

    return ProcessorFormatter(
        foreign_pre_chain=[
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
        ],
        processors=[
            ProcessorFormatter.remove_processors_meta,
            add_fields,
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(json.dumps, ensure_ascii=False, default=str),
        ],
    )


def log_as_service(level: str = "INFO", **fields: str) -> None:
    """Sends every record of at least `level` to stderr as a JSON line.

    Args:
        level: name of a level of the standard library.
        **fields: added to every line.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(json_formatter(**fields))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
