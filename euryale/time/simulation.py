"""What would become of each firing: a schedule simulated by Temporal's own rules, in an instant.

The rules are those of Temporal's scheduler, as its server applies them:

- A firing that is due while the server is down is looked at when it is back. If it is older than
  the catch-up window by then, it is missed; else the overlap policy decides, oldest first.
- A firing that is due while the schedule is paused is gone, and so is a buffered run whose turn
  comes then. Neither is caught up.
- Only starts are counted by `number_of_executions`: not what is skipped, missed or paused.
- Where a job catches up the latest missed firing alone, a run that starts late takes the latest
  firing that is due by then for its own, and skips the others; see `catch_up`.
- A run that would end while the server is down ends when it is back, but only after the firings
  of the meantime were looked at: a worker takes seconds to return, the scheduler doesn't.

Jitter is left out, and a cancelled run is taken to end at once. Where a run ends in the very moment
of a firing, it is over when the firing is looked at.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import groupby, takewhile
from typing import Literal

from euryale.config import Overlap, ScheduledJobConfig
from euryale.time.catch_up import catch_up_window
from euryale.time.timetable import firings, just_before, timetable_of

Span = tuple[datetime, datetime]
"""From when to when: two aware times, both included."""

Outcome = Literal["started", "buffered", "caught_up", "skipped", "missed", "paused", "exhausted"]
"""What became of a firing. The first three are starts: on time, after waiting for the run before,
and after the server was back. The others started nothing: the overlap policy skipped it, the
catch-up window had passed, the schedule was paused, or `number_of_executions` was used up."""

LONGEST_BUFFER = 1_000
"""Firings that Temporal's scheduler holds at most; the next ones are dropped (its source)."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """One firing, and what became of it.

    Attributes:
        nominal: When it was due.
        started: When its run started; `None` if none did.
        outcome: What became of it; see `Outcome`.
        reason: Why, in words; empty for a run that started on time and ended by itself.
        ended: When its run ended; `None` if there was none.
    """

    nominal: datetime
    started: datetime | None
    outcome: Outcome
    reason: str = ""
    ended: datetime | None = None


def simulate(
    due: Iterable[datetime],
    *,
    overlap: Overlap = "skip",
    catch_up: timedelta = timedelta(days=365),
    latest: bool = False,
    spread: timedelta = timedelta(0),
    duration: timedelta | Callable[[datetime], timedelta] = timedelta(0),
    outages: Sequence[Span] = (),
    pauses: Sequence[Span] = (),
    number_of_executions: int | None = None,
) -> tuple[Simulated, ...]:
    """Tell what becomes of each firing of a schedule.

    Args:
        due: Aware times at which the schedule fires, ascending; they must come to an end.
        overlap: What happens when a run is due while the one before still runs.
        catch_up: How late a run may start after an outage. Temporal's own default is a year.
        latest: Whether only the latest of the missed firings is caught up.
        spread: How much later than its nominal times the schedule fires.
        duration: How long a run takes, or a function that says so for a nominal time.
        outages: When the server is down. While only the workers are, nothing is skipped or caught
            up: runs start and wait for a worker, which is a matter of their `duration`.
        pauses: When the schedule is paused. It can't be paused or resumed while the server is
            down: that happens when it is back.
        number_of_executions: How many runs may start in all; no end if absent.

    Returns:
        One result for each firing, in their order. Runs that are buffered after the last firing
        are followed to their start.

    Raises:
        ValueError: A span's times are naive, or it ends before it starts.

    Example:
        >>> from datetime import UTC
        >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
        >>> hourly = [noon + timedelta(hours=hour) for hour in range(3)]
        >>> [each.outcome for each in simulate(hourly, duration=timedelta(minutes=90))]
        ['started', 'skipped', 'started']
    """
    for start, end in (*outages, *pauses):
        if start.tzinfo is None or end.tzinfo is None:
            raise ValueError("the times of an outage or a pause must be aware: add tzinfo=UTC")
        if end < start:
            raise ValueError(f"an outage or a pause ends at {end}, before it starts at {start}")
    server = _Server(
        overlap=overlap,
        catch_up=catch_up,
        latest=latest,
        spread=spread,
        duration=duration,
        outages=outages,
        pauses=pauses,
        number_of_executions=number_of_executions,
    )
    for at, together in groupby(due, key=server.looked_at):
        server.finish_runs(until=at)
        server.wake(at, list(together))
    server.finish_runs(until=None)
    return tuple(server.results)


def simulate_job(
    config: ScheduledJobConfig,
    *,
    start: datetime,
    end: datetime,
    spread: timedelta = timedelta(0),
    duration: timedelta | Callable[[datetime], timedelta] = timedelta(0),
    outages: Sequence[Span] = (),
    pauses: Sequence[Span] = (),
) -> tuple[Simulated, ...]:
    """Tell what becomes of each firing of a job, by its config.

    Args:
        config: The job's config: when it fires, and what it says of overlap, catch-up and
            executions, of which none are used up at the start.
        start: The first time to look at, aware.
        end: The last time to look at, aware.
        spread: How much later than its nominal times the job fires, for which its config's window
            alone isn't enough: see `spread_of`.
        duration: See `simulate`, as for those below.
        outages: When the server is down.
        pauses: When the schedule is paused.

    Raises:
        ScheduleInvalid: The config's schedule can't be read.
        ValueError: A time is naive, or a span ends before it starts.

    Example:
        >>> config = ScheduledJobConfig(name="report", schedule="@hourly")
        >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
        >>> len(simulate_job(config, start=noon, end=noon + timedelta(hours=2)))
        3
    """
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("`start` and `end` must be aware: add tzinfo=UTC")
    timetable = timetable_of(config)
    # Two times of one zone are compared by the clock on the wall, which a fold shows twice.
    last = end.astimezone(UTC)
    return simulate(
        takewhile(lambda time: time <= last, firings(timetable, after=just_before(start))),
        overlap=config.overlap,
        catch_up=catch_up_window(config, timetable),
        latest=config.catch_up == "latest",
        spread=spread,
        duration=duration,
        outages=outages,
        pauses=pauses,
        number_of_executions=config.number_of_executions,
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """A run under way: its place among the results, and when it ends by itself."""

    index: int
    ends: datetime


class _Server:
    """The state of a schedule on a server, which changes only when the server wakes up for it."""

    def __init__(
        self,
        *,
        overlap: Overlap,
        catch_up: timedelta,
        latest: bool,
        spread: timedelta,
        duration: timedelta | Callable[[datetime], timedelta],
        outages: Sequence[Span],
        pauses: Sequence[Span],
        number_of_executions: int | None,
    ) -> None:
        self._overlap = overlap
        self._catch_up = catch_up
        self._latest = latest
        self._spread = spread
        self._duration = duration
        # All is reckoned in UTC: Python reckons within a zone by its wall clock.
        self._outages = sorted(
            (start.astimezone(UTC), end.astimezone(UTC)) for start, end in outages
        )
        moved = ((self.up_at(start), self.up_at(end)) for start, end in pauses)
        # A pause that both begins and ends in an outage never reached the server.
        self._pauses = [(start, end) for start, end in moved if start < end]
        self._remaining = number_of_executions
        self._running: _Run | None = None
        self._buffer: list[int] = []
        self._zone: tzinfo | None = UTC
        self.results: list[Simulated] = []

    def up_at(self, moment: datetime) -> datetime:
        """The same moment in UTC, or the end of the outage that it lies in."""
        moment = moment.astimezone(UTC)
        for start, end in self._outages:
            if start <= moment <= end:
                moment = end
        return moment

    def looked_at(self, nominal: datetime) -> datetime:
        """When the server looks at a firing: when it is due, or when the server is back."""
        return self.up_at(self._due(nominal))

    def _due(self, nominal: datetime) -> datetime:
        return nominal.astimezone(UTC) + self._spread

    def _is_end_of_outage(self, at: datetime, run: _Run) -> bool:
        """Whether the server is back only now, so that it can't know yet that the run ended."""
        return run.ends == at and any(end == at for _, end in self._outages)

    def finish_runs(self, *, until: datetime | None) -> None:
        """Let runs end, and buffered ones start in their place."""
        while run := self._running:
            if until is not None and (run.ends > until or self._is_end_of_outage(until, run)):
                return
            self._running = None
            if not self._buffer:
                return
            self._act(run.ends)

    def wake(self, at: datetime, due: list[datetime]) -> None:
        """Look at what has become due, and start, buffer or skip it."""
        self._zone = due[0].tzinfo
        refusal = self._refusal(at)
        for nominal in due:
            index = len(self.results)
            self.results.append(Simulated(nominal, None, "missed"))
            if refusal:
                self._settle(index, *refusal)
            elif at - self._due(nominal) > self._catch_up:
                self._settle(index, "missed", f"the catch-up window of {self._catch_up} had passed")
            elif len(self._buffer) >= LONGEST_BUFFER:
                self._settle(index, "missed", f"{LONGEST_BUFFER} firings were waiting already")
            else:
                self._buffer.append(index)
        self._act(at)

    def _act(self, at: datetime) -> None:
        """Apply the overlap policy to the buffer, oldest first."""
        while self._buffer:
            waiting, self._buffer = self._buffer, []
            if self._overlap == "allow_all":
                chosen = self._superseding(waiting, waiting[-1]) if self._latest else waiting
                for index in chosen:
                    self._start(index, at)
            elif self._running is None:
                first, rest = self._choose(waiting)
                # Nothing starts if the schedule is paused or exhausted: then the next one is tried.
                self._start(first, at)
                self._buffer = rest
                if self._running is not None:
                    self._overlap_with(f"the run of {self._told(first)} was due before it")
                    return
            elif self._overlap in ("cancel_other", "terminate_other"):
                self._end_running(at, by=waiting[-1])
                self._buffer = waiting
            else:
                self._buffer = waiting
                running = self._told(self._running.index)
                self._overlap_with(f"the run of {running} was still running")
                return

    def _choose(self, waiting: list[int]) -> tuple[int, list[int]]:
        """Which one to start while nothing runs, and the ones that still wait after it."""
        if self._latest:
            # Also one that the server's buffer had no place for: the run itself sees to it.
            (chosen,) = self._superseding(waiting, len(self.results) - 1)
            return chosen, []
        if self._overlap not in ("cancel_other", "terminate_other"):
            return waiting[0], waiting[1:]
        (chosen,) = self._superseding(waiting, waiting[-1])
        return chosen, []

    def _superseding(self, waiting: list[int], chosen: int) -> list[int]:
        """The one firing that runs in place of all those that wait."""
        for index in waiting:
            if index != chosen:
                self._settle(index, "skipped", f"the run of {self._told(chosen)} took its place")
        return [chosen]

    def _overlap_with(self, reason: str) -> None:
        """Keep in the buffer what the policy keeps while a run is under way; skip the rest."""
        kept = {"skip": 0, "buffer_one": 1}.get(self._overlap, len(self._buffer))
        for index in self._buffer[kept:]:
            held = self._buffer[0]
            self._settle(
                index, "skipped", f"the run of {self._told(held)} was waiting" if kept else reason
            )
        self._buffer = self._buffer[:kept]

    def _start(self, index: int, at: datetime) -> None:
        refusal = self._refusal(at)
        if refusal:
            self._settle(index, *refusal)
            return
        if self._remaining is not None:
            self._remaining -= 1
        nominal = self.results[index].nominal
        length = self._duration(nominal) if callable(self._duration) else self._duration
        ends = self.up_at(at + length)
        outcome: Outcome = "started"
        reason = ""
        due = self._due(nominal)
        if (back := self.up_at(due)) > due:
            outcome, reason = "caught_up", f"the server was down until {self._local(back)}"
        elif at > due:
            outcome, reason = "buffered", "the run before it was still running"
        zone = nominal.tzinfo
        self.results[index] = Simulated(
            nominal, at.astimezone(zone), outcome, reason, ends.astimezone(zone)
        )
        if self._overlap != "allow_all":
            self._running = _Run(index, ends)

    def _end_running(self, at: datetime, *, by: int) -> None:
        run = self._running
        assert run is not None  # noqa: S101 -- for the type checker
        result = self.results[run.index]
        verb = "cancelled" if self._overlap == "cancel_other" else "terminated"
        reason = f"{verb} when the run of {self._told(by)} was due"
        self.results[run.index] = replace(
            result,
            ended=at.astimezone(result.nominal.tzinfo),
            reason=f"{result.reason}; {reason}" if result.reason else reason,
        )
        self._running = None

    def _refusal(self, at: datetime) -> tuple[Outcome, str] | None:
        """Why nothing can start at that time, if so."""
        for start, end in self._pauses:
            if start <= at <= end:
                return "paused", f"the schedule was paused until {self._local(end)}"
        if self._remaining is not None and self._remaining <= 0:
            return "exhausted", "number_of_executions was used up"
        return None

    def _settle(self, index: int, outcome: Outcome, reason: str) -> None:
        self.results[index] = replace(self.results[index], outcome=outcome, reason=reason)

    def _told(self, index: int) -> str:
        return self._local(self.results[index].nominal)

    def _local(self, moment: datetime) -> str:
        """A time in the firings' zone, to the second where it has any."""
        local = moment.astimezone(self._zone)
        return f"{local:%Y-%m-%d %H:%M:%S}" if local.second else f"{local:%Y-%m-%d %H:%M}"
