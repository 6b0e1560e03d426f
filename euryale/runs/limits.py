"""Temporal's limits, and how far the engine keeps away from them."""

from datetime import timedelta

PAYLOAD_LIMIT = 2 * 1024 * 1024 - 4096
"""Bytes that one argument or result may have: Temporal's 2 MiB, less its own envelope."""

TASK_LIMIT = 3 * 1024 * 1024
"""Bytes of arguments that leave in one workflow task: gRPC carries 4 MiB in one message."""

CALLS_AT_ONCE = 64
"""Calls of one run under way at once. A server that gets 100 results while a workflow task is
being worked on gives the task up; with 1,000 calls under way it did so again and again. From
50 on, more of them are no faster."""

HISTORY_EVENTS = 40_000
"""Events after which a run makes no further call. Temporal terminates it at 51,200; the rest is
left for taking back what the run did."""

HISTORY_BYTES = 40 * 1024 * 1024
"""Bytes of history after which a run makes no further call; Temporal terminates it at 50 MiB."""

CALLS_TOGETHER = 500
"""Calls of one method that one activity carries at the most. More are no faster, and what a crash
may repeat grows with it."""

CALLS_CARRIED_OUT_AT_ONCE = 16
"""Calls that a worker carries out at once, of those that one activity carries."""

SLICE = timedelta(seconds=1)
"""How long an activity that carries many calls begins new ones. What it took tells how many the
next one is given, so that slow calls spread over workers and their results arrive in time."""

BYTES_TOGETHER = 1024 * 1024
"""Bytes of arguments that one activity carries at the most, where it carries several calls."""
