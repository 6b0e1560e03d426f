"""The clock on the wall for the first line of a fired workflow.

Workflow code sees the time of its task. What is measured is when its code really began, so this
module has to be passed through the sandbox.
"""

import time


def first_line() -> float:
    """The seconds since 1970."""
    return time.time()
