"""The handler's logger: a line is written once, not once per replay, and the last ones are kept."""

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import structlog
from temporalio import workflow

from euryale.runs.log_lines import LogLine, text_of, with_line


class DurableLogger:
    """A structured logger for workflow code.

    Its lines carry the job, the workflow id and the run id. While Temporal replays a run's
    history to restore it, nothing is written. The last lines are also kept in the run's current
    details, but for those of level debug.
    """

    __slots__ = ("_logger", "_values")

    def __init__(self, logger: Any, values: Mapping[str, Any] = MappingProxyType({})) -> None:
        self._logger = logger
        self._values = values

    @classmethod
    def of_run(cls) -> "DurableLogger":
        """The logger of the run that this is called in."""
        info = workflow.info()
        return cls(
            structlog.get_logger("euryale.job").bind(
                job=info.workflow_type, workflow_id=info.workflow_id, run_id=info.run_id
            )
        )

    def bind(self, **values: Any) -> "DurableLogger":
        """The same logger with more values on each line."""
        return DurableLogger(self._logger.bind(**values), {**self._values, **values})

    def debug(self, event: str, *args: Any, **values: Any) -> None:
        """Write a line for those who look closely."""
        self._write("debug", event, args, values)

    def info(self, event: str, *args: Any, **values: Any) -> None:
        """Write a line about the ordinary course of things."""
        self._write("info", event, args, values)

    def warning(self, event: str, *args: Any, **values: Any) -> None:
        """Write a line about something that somebody should look at some day."""
        self._write("warning", event, args, values)

    def error(self, event: str, *args: Any, **values: Any) -> None:
        """Write a line about something that went wrong."""
        self._write("error", event, args, values)

    def exception(self, event: str, *args: Any, **values: Any) -> None:
        """Write an error's line with the traceback of the exception being handled."""
        self._write("exception", event, args, values)

    def _write(self, level: str, event: str, args: tuple[Any, ...], values: dict[str, Any]) -> None:
        if level != "debug":
            self._keep(level, event, args, values)
        if workflow.unsafe.is_replaying_history_events():
            return
        with workflow.unsafe.sandbox_unrestricted():
            getattr(self._logger, level)(event, *args, **values)

    def _keep(self, level: str, event: str, args: tuple[Any, ...], values: dict[str, Any]) -> None:
        """Keep the line with the run; also under replay, which has to come to the same details."""
        # What happened is named for programs by `action`; people read the event.
        told = {
            name: value for name, value in {**self._values, **values}.items() if name != "action"
        }
        if level == "exception" and (error := sys.exception()) is not None:
            told["error"] = f"{type(error).__name__}: {error}"
        try:
            text = event % args if args else event
        except (TypeError, ValueError):
            # Structlog reports what it can't put together.
            text = event
        line = LogLine(
            workflow.now(), "error" if level == "exception" else level, text_of(text, told)
        )
        workflow.set_current_details(with_line(workflow.get_current_details(), line))
