"""Where a run says what was taken back: in a search attribute, for lists, and in its memo.

A namespace knows the attribute only if somebody registered it; the worker does where it may. A run
that set an attribute which its namespace doesn't know would repeat its workflow task for ever, so
it asks first, once, by a local activity.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

from temporalio import activity, workflow
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.client import Client
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ActivityError
from temporalio.service import RPCError

from euryale.sagas.undo_report import UndoReport

ACTIVITY = "euryale.sagas.attribute"
"""The name of the local activity that tells whether the namespace knows the attribute."""

COMPENSATION = SearchAttributeKey.for_keyword("Compensation")
"""The search attribute: `none`, `complete` or `partial`."""

UNDO_MEMO = "euryale-undo"
"""The memo's key of a run's `UndoReport`."""

_KEYWORD = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD

# By run: the workflow's event loop lives as long as this worker holds the run, and is made anew for
# a replay, in which the same reports come again.
_reports: WeakKeyDictionary[asyncio.AbstractEventLoop, UndoReport] = WeakKeyDictionary()


async def record_compensation(report: UndoReport) -> None:
    """Let the run say what was taken back, together with what it said before."""
    loop = asyncio.get_running_loop()
    report = _reports[loop] = _reports.get(loop, UndoReport()) + report
    workflow.upsert_memo({UNDO_MEMO: report.model_dump(mode="json")})
    if await _known():
        workflow.upsert_search_attributes([COMPENSATION.value_set(report.compensation)])


async def _known() -> bool:
    try:
        known: bool = await workflow.execute_local_activity(
            ACTIVITY,
            result_type=bool,
            start_to_close_timeout=timedelta(seconds=5),
            # A worker without the plugin doesn't have it.
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
    except (ActivityError, ValueError):  # the SDK's refusal of an activity that isn't served
        return False
    return known


def attribute_activity() -> Callable[..., Any]:
    """The local activity that tells whether the namespace knows the attribute."""

    @activity.defn(name=ACTIVITY)
    async def known() -> bool:
        return await has_attribute(activity.client())

    return known


async def has_attribute(client: Client) -> bool:
    """Whether the client's namespace knows the search attribute.

    Raises:
        RPCError: The server can't be reached or refuses to tell.
    """
    listed = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    return listed.custom_attributes.get(COMPENSATION.name) == _KEYWORD


async def register_attribute(client: Client) -> bool:
    """Make the search attribute known in the client's namespace.

    Returns:
        Whether it is known now. It isn't where this client may not register one, as on Temporal
        Cloud: there an administrator does.
    """
    try:
        if await has_attribute(client):
            return True
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=client.namespace, search_attributes={COMPENSATION.name: _KEYWORD}
            )
        )
    except RPCError:
        return False
    return True
