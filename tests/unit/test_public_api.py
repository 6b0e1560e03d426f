import euryale

PUBLIC = [
    "BulkCall",
    "CallFailed",
    "ChangedSince",
    "Container",
    "DurableLogger",
    "Euryale",
    "EuryaleError",
    "EuryalePlugin",
    "JobPlugin",
    "JobSource",
    "Lock",
    "LogHook",
    "MailHook",
    "PermanentFailure",
    "Provider",
    "Retry",
    "Saga",
    "SagaFailed",
    "ScheduledJobConfig",
    "StepResponse",
    "StepUndo",
    "SweepFailed",
    "SweepResult",
    "UndoReport",
    "Unfinished",
    "Watchdog",
    "WebhookHook",
    "call_attempt",
    "idempotency_key",
    "instance",
    "mutation",
    "per_activity",
    "read",
    "record_undo",
    "singleton",
    "step",
    "sweep",
    "sweep_query",
    "sweep_step",
]


def test_the_public_names_are_these_and_no_others() -> None:
    assert euryale.__all__ == PUBLIC


def test_the_public_names_are_sorted() -> None:
    assert euryale.__all__ == sorted(euryale.__all__)


def test_every_public_name_can_be_imported_and_says_what_it_is() -> None:
    for name in euryale.__all__:
        documented = getattr(euryale, name).__doc__
        assert documented, f"{name} has no docstring"
        assert documented.strip()
