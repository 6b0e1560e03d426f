"""The dynamic configuration of a dev server: limits that hold up one machine and nobody else."""

DYNAMIC_CONFIG = (
    # The dev server has one history shard, whose queues may be read about 20 times a second: 50 ms
    # for each step of a run, whatever the worker does. These are the limits of the shard ...
    "history.transferProcessorMaxPollRPS=2000",
    "history.timerProcessorMaxPollRPS=2000",
    "history.visibilityProcessorMaxPollRPS=2000",
    # ... and these of the host, which would hold it up next.
    "history.transferProcessorMaxPollHostRPS=5000",
    "history.timerProcessorMaxPollHostRPS=5000",
    "history.visibilityProcessorMaxPollHostRPS=5000",
    # Due timers are looked at up to this much late; the default makes a second of each short wait.
    'history.timerProcessorMaxTimeShift="10ms"',
    # The schedules of a namespace start 30 workflows a second: the last of 200 that are due at once
    # would wait for six seconds, and that of 1,000 for half a minute.
    "worker.schedulerNamespaceStartWorkflowRPS=100",
    # What fires schedules is a worker within the server. Its two pollers can't fetch 200 tasks in
    # the five seconds after which each is given up and begun anew, ten seconds later.
    (
        'worker.perNamespaceWorkerOptions={"MaxConcurrentWorkflowTaskPollers":10,'
        '"StickyScheduleToStartTimeout":"30s"}'
    ),
)
"""What a server for development or tests is started with. It is no example for a real cluster,
where many shards share what one shard may do here; nor one for a server whose time is skipped: days
would pass faster than their runs end."""


def dynamic_config_arguments(*more: str) -> list[str]:
    """The arguments that give it to `temporal server start-dev`.

    Args:
        more: Further values, as `key=value` with a value in JSON.

    Example:
        >>> dynamic_config_arguments("limit.historyCount.suggestContinueAsNew=100")[-2:]
        ['--dynamic-config-value', 'limit.historyCount.suggestContinueAsNew=100']
    """
    values = (*DYNAMIC_CONFIG, *more)
    return [argument for value in values for argument in ("--dynamic-config-value", value)]
