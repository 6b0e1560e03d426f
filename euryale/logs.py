"""Logs: one line an event, JSON for machines and readable for people.

The engine and handlers write through structlog; Temporal's SDK and most libraries through the
standard library. Both end in one handler here, so a worker's output has one form.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor

Level = Literal["debug", "info", "warning", "error"]
Write = Callable[[str], None]

_CHATTY = ("alembic", "asyncio", "watchfiles", "aiosqlite", "sqlalchemy", "httpx", "httpcore")
"""Libraries whose own debug lines would bury the application's."""


class _Handler(logging.Handler):
    """Hands each finished line to a function."""

    def __init__(self, write: Write) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        _without_traceback(record)
        try:
            self._write(self.format(record))
        except Exception:  # noqa: BLE001 -- a line that can't be written must not stop a run
            self.handleError(record)


def _without_traceback(record: logging.LogRecord) -> None:
    """Say in a sentence what Temporal's SDK would print a page for: each attempt that failed.

    The stack is in the run's history, and a call that is tried again is no accident.
    """
    if not record.name.startswith("temporalio") or not isinstance(record.exc_info, tuple):
        return
    error = record.exc_info[1]
    if error is not None:
        record.msg = f"{record.getMessage()}: {type(error).__name__}: {error}"
        record.args = ()
    record.exc_info = None


def configure_logs(*, level: Level, as_json: bool, colors: bool, write: Write) -> None:
    """Send all logs of this process through one function, line by line.

    Args:
        level: The lowest level that is written.
        as_json: One JSON object a line; else text for people.
        colors: Whether text is colored with terminal codes.
        write: Takes a line without its line end; it may be called from any thread.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    last: list[Processor] = (
        # A traceback as text: the structured form would have the values of local variables in it,
        # and secrets among them.
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
        if as_json
        else [_for_people, _renderer(colors=colors)]
    )
    handler = _Handler(write)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                *shared,
                # What Temporal's loggers say of the run and the activity that a line is about.
                structlog.stdlib.ExtraAdder(allow={"temporal_workflow", "temporal_activity"}),
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Its own beginnings and ends are told by ours.
    logging.getLogger("temporalio").setLevel(level.upper() if level == "debug" else "WARNING")
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    _quiet_temporal()


def write_to(stream: TextIO) -> Write:
    """A function that writes lines to a stream, each at once.

    Example:
        >>> import sys
        >>> write_to(sys.stdout)("a line")
        a line
    """

    def write(line: str) -> None:
        stream.write(f"{line}\n")
        stream.flush()

    return write


def render(event: Mapping[str, Any], *, colors: bool) -> str:
    """A line that another process wrote as JSON, as text for people.

    Example:
        >>> render({"event": "draining", "level": "info", "runs": 2}, colors=False).split()
        ['[info', ']', 'draining', 'runs=2']
    """
    return str(_renderer(colors=colors)(None, "", _for_people(None, "", dict(event))))


def _for_people(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Leave out what only machines look for, and tell the time by the clock on the wall."""
    for key in ("action", "logger", "workflow_id", "run_id"):
        event.pop(key, None)
    if isinstance(about := event.pop("temporal_workflow", None), Mapping):
        event["job"] = about.get("workflow_type")
    if isinstance(about := event.pop("temporal_activity", None), Mapping):
        event["call"], event["attempt"] = about.get("activity_type"), about.get("attempt")
    stamp = event.get("timestamp")
    if isinstance(stamp, str):
        event["timestamp"] = f"{datetime.fromisoformat(stamp).astimezone():%H:%M:%S}"
    return event


def _renderer(*, colors: bool) -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(
        colors=colors, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
    )


def _quiet_temporal() -> None:
    """Leave out of the SDK's messages what is in fields of its own.

    The lines of its Rust core go to the standard output by themselves: forwarded here, they can
    come while the interpreter is being torn down, which crashes the process.
    """
    import temporalio.activity  # noqa: PLC0415 -- a second to import, and not every command logs
    import temporalio.workflow  # noqa: PLC0415

    temporalio.activity.logger.activity_info_on_message = False
    temporalio.workflow.logger.workflow_info_on_message = False
