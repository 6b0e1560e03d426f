"""The failure that leaves a saga, with what was taken back."""

from temporalio.exceptions import ApplicationError

from euryale.runs.failures import innermost, told
from euryale.sagas.undo_report import UndoReport

_FIELDS = UndoReport.model_fields.keys()


class SagaFailed(ApplicationError):
    """What leaves a saga's block when something failed in it: the failure, and what was undone.

    It bears the type and the message of what failed, which is its cause.

    Attributes:
        report: What was undone, what was not, and why; also in the failure's `details`.
    """

    def __init__(self, error: Exception, report: UndoReport) -> None:
        """Make it of what failed and what became of the steps."""
        first = innermost(error)
        kind = first.type if isinstance(first, ApplicationError) else None
        super().__init__(
            f"{told(error)} (not everything could be taken back: {report})"
            if report.left
            else told(error),
            report.model_dump(mode="json"),
            type=kind or type(first).__name__,
            # A workflow with a retry policy is tried again unless this is a permanent failure.
            non_retryable=isinstance(first, ApplicationError) and first.non_retryable,
        )
        self.report = report


def report_in(error: BaseException | None) -> UndoReport | None:
    """What was taken back because of a failure, as it or one that it stands around tells.

    Args:
        error: A failure, as a workflow or a client caught it.
    """
    found: UndoReport | None = None
    while error is not None:
        details = error.details if isinstance(error, ApplicationError) else ()
        if details and isinstance(details[-1], dict) and details[-1].keys() == _FIELDS:
            report = UndoReport.model_validate(details[-1])
            found = report if found is None else found + report
        error = error.__cause__
    return found
