"""The handler's logger: a line is written once, not once per replay."""

from typing import Any

import structlog
from temporalio import workflow


class DurableLogger:
    """A structured logger for workflow code.

    Its lines carry the job, the workflow id and the run id. While Temporal replays a run's
    history to restore it, nothing is written.
    """

    __slots__ = ("_logger",)

    def __init__(self, logger: Any) -> None:
        self._logger = logger

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
        return DurableLogger(self._logger.bind(**values))

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
        if workflow.unsafe.is_replaying_history_events():
            return
        with workflow.unsafe.sandbox_unrestricted():
            getattr(self._logger, level)(event, *args, **values)
