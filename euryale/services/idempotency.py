"""The key by which a repeated call is known to be the same call."""

from temporalio import activity


def idempotency_key() -> str:
    """The key of the call that a service is carrying out: the same over all its attempts.

    A service passes it on to whatever applies a change once per key: an HTTP API's
    `Idempotency-Key` header, or a unique column. It is made of the workflow id, the run id and
    the activity id.

    Raises:
        RuntimeError: No durable call is being carried out.
    """
    info = activity.info()
    return key_of(info.workflow_id or "", info.workflow_run_id or "", info.activity_id)


def key_of(workflow_id: str, run_id: str, activity_id: str) -> str:
    """The key of an activity.

    Example:
        >>> key_of("shop/nightly", "0b1c", "7")
        'shop/nightly/0b1c/7'
    """
    return f"{workflow_id}/{run_id}/{activity_id}"
