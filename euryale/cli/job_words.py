"""A job's config in words, a line for each thing that it says."""

import json
from collections.abc import Iterator
from datetime import timedelta

from euryale.cli.times import distance, took
from euryale.config import Overlap, Retry
from euryale.jobs.job import Job
from euryale.time.catch_up import catch_up_window
from euryale.time.timetable_words import timetable_in_words, timetable_text

_OVERLAP: dict[Overlap, str] = {
    "skip": "a firing while a run is under way is skipped",
    "buffer_one": "a firing while a run is under way waits for its end; only one waits",
    "buffer_all": "firings while a run is under way wait for its end, one after the other",
    "cancel_other": "a firing cancels the run under way",
    "terminate_other": "a firing terminates the run under way",
    "allow_all": "each firing starts a run, whatever is under way",
}

_CATCH_UP = {
    "none": "firings missed in an outage are dropped",
    "latest": "of the firings missed in an outage the latest runs",
    "all": "all firings missed in an outage run",
}

_LONGEST_DATA = 300


def job_in_words(job: Job) -> Iterator[tuple[str, str]]:
    """What a job's config says: a name and a sentence for each of its parts that matter.

    Yields:
        The part's name, and what it says.
    """
    config, timetable = job.config, job.timetable
    yield "schedule", timetable_text(timetable)
    yield "in words", f"{timetable_in_words(timetable)} ({timetable.zone})"
    if config.dst != "once":
        yield "dst", config.dst
    yield "overlap", f"{config.overlap}: {_OVERLAP[config.overlap]}"
    yield "catch_up", _catch_up(job)
    if config.window:
        yield "window", f"put off by a constant time within {distance(config.window)}"
    if config.jitter:
        yield "jitter", f"each start put off by a random time up to {distance(config.jitter)}"
    yield "retry", _retry(config.retry)
    if config.timeout:
        yield "timeout", distance(config.timeout)
    if config.number_of_executions is not None:
        yield "executions", f"{config.number_of_executions:,} scheduled runs in all"
    if config.expect is not None:
        yield "expect", config.expect
    if config.data:
        data = json.dumps(config.data, ensure_ascii=False, default=str)
        yield "data", data if len(data) <= _LONGEST_DATA else f"{data[:_LONGEST_DATA]}…"


def _catch_up(job: Job) -> str:
    mode = job.config.catch_up
    if isinstance(mode, str):
        return f"{mode}: {_CATCH_UP[mode]}"
    window = catch_up_window(job.config, job.timetable)
    return f"firings missed in an outage run up to {_rounded(window)} late"


def _retry(retry: Retry) -> str:
    if retry.maximum_attempts == 1:
        return "none"
    often = f"{retry.maximum_attempts} attempts" if retry.maximum_attempts else "without end"
    first, longest = _rounded(retry.initial_interval), _rounded(retry.maximum_interval)
    return (
        f"{often}, {first} apart, each time {retry.backoff_coefficient:g}-fold, {longest} at most"
    )


def _rounded(duration: timedelta) -> str:
    whole = not duration % timedelta(seconds=1)
    return distance(duration) if whole else took(duration)
