"""A check on what a handler hands to child workflows: Temporal can't carry over 2 MiB.

Without it the workflow task would be refused and repeated for ever.
"""

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    StartChildWorkflowInput,
    WorkflowInboundInterceptor,
    WorkflowOutboundInterceptor,
)

from euryale.runs.limits import PAYLOAD_LIMIT


class SizeGuard(WorkflowInboundInterceptor):
    """Puts the check between a workflow and its child workflows."""

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        """See the base class."""
        super().init(_Outbound(outbound))


class _Outbound(WorkflowOutboundInterceptor):
    async def start_child_workflow(
        self,
        input: StartChildWorkflowInput,  # noqa: A002 -- Temporal's name
    ) -> workflow.ChildWorkflowHandle[Any, Any]:
        payloads = workflow.payload_converter().to_payloads(input.args)
        size = sum(payload.ByteSize() for payload in payloads)
        if size > PAYLOAD_LIMIT:
            raise ApplicationError(
                f"the input of the child workflow {input.workflow} has {size:,} bytes; Temporal "
                f"carries {PAYLOAD_LIMIT:,} at the most. Start several, each with a part of it",
                type="PayloadTooLarge",
                non_retryable=True,
            )
        return await super().start_child_workflow(input)
