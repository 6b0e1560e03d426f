from sweeping.flows import Asked, sweep_as

from euryale import Container, ScheduledJobConfig

config = ScheduledJobConfig(name="careful", schedule="0 0 1 1 *", on_failure="undo")


async def handler(container: Container, data: Asked) -> int:
    done = await sweep_as(data)
    if data.then_fail:
        raise ValueError("as told")
    return done.rows
