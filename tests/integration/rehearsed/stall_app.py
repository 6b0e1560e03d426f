"""The stall, in one place."""

from rehearsed.flows import CountDown, GuardedSleep, JudgeCrate, OpenCrate, Stumble, TakeCrates
from rehearsed.stall import ItemService, Steps, journal

from euryale import Euryale, instance

app = Euryale(
    name="stall",
    services={"item": ItemService},
    providers=[instance(journal)],
    workflows=[CountDown, GuardedSleep, JudgeCrate, OpenCrate, Stumble, TakeCrates],
    activities=[Steps],
    jobs=["stall_jobs"],
)
