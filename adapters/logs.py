"""Logs of broker and nodes alike: JSON lines on standard error."""

import logging
import sys

import structlog


def configure_logs(level: str) -> None:
    """Write JSON lines to standard error: identifiers and hashes only, never a payload."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
