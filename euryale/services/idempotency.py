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
    return f"{info.workflow_id}/{info.workflow_run_id}/{info.activity_id}"
