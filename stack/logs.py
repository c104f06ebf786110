"""One JSON object per line, to standard output or a file, for the stack and for uvicorn."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

from stack.settings import Settings

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class JsonLines(logging.Formatter):
    """Formats a record as one line; what was passed as ``extra`` becomes fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, object] = {
            "ts": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            # uvicorn names its general logger so; a search for errors would find every line of it.
            "logger": "uvicorn" if record.name == "uvicorn.error" else record.name,
            "message": record.getMessage(),
        }
        line.update((k, v) for k, v in vars(record).items() if k not in _PLAIN)
        if record.exc_info and record.exc_info[0]:
            kind, error, trace = record.exc_info
            line["exception"] = {
                "type": kind.__name__,
                "message": str(error),
                "traceback": "".join(traceback.format_exception(kind, error, trace)),
            }
        return json.dumps(line, default=str)


def configure(settings: Settings) -> None:
    """Send every logger of the process to the one place the settings name."""
    handler: logging.Handler
    if settings.log_file:
        settings.log_file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(settings.log_file, encoding="utf-8")
    else:
        handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # The request log says the same with the route and the duration.
    logging.getLogger("uvicorn.access").disabled = True
