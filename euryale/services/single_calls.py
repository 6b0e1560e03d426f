"""A call that travels alone, as all did in runs that began before calls travelled together.

It is kept for their replay, and for rehearsals, which look at each call where it is made.
"""

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError

from euryale.sagas.settlement import settle
from euryale.services.call_payload import call_failed
from euryale.services.call_sending import Route
from euryale.services.method import Method


async def call_singly(method: Method, route: Route, payload: Payload, words: str) -> Payload:
    """Let an activity carry one call, under the id that Temporal gives it."""
    handle = workflow.start_activity(
        method.activity,
        RawValue(payload),
        result_type=RawValue,
        start_to_close_timeout=route.timeout,
        heartbeat_timeout=min(route.heartbeat_timeout, route.timeout),
        retry_policy=route.retry.policy(),
        cancellation_type=route.cancellation_type,
        summary=words,
    )
    settlement = await settle(handle)
    if settlement.cancellation is not None:
        raise settlement.cancellation
    if isinstance(settlement.error, ActivityError):
        raise call_failed(method, settlement.error) from settlement.error
    if settlement.error is not None:
        raise settlement.error
    returned: Payload = settlement.result.payload
    return returned
