"""The text of a job file: a config, and a handler that says what is to be ported.

Nobody can port a command or a task to durable calls but the people who know it. So the handler
raises, and the job is paused until somebody has written it.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from euryale.config import ScheduledJobConfig
from euryale.imports.importer import ProvenJob

_PAUSED = "  # until the handler is ported"
_UNITS = {
    "days": timedelta(days=1),
    "hours": timedelta(hours=1),
    "minutes": timedelta(minutes=1),
    "seconds": timedelta(seconds=1),
}
_MOST_IN_MESSAGE = 200


def job_file_text(proven: ProvenJob) -> str:
    """Write a job file.

    Args:
        proven: The job.

    Returns:
        Python that `euryale check` accepts. All that the config leaves at its default is left out.
    """
    job, config = proven.job, proven.config
    fields = "".join(f"    {line}\n" for line in _fields(config))
    body = f"config = ScheduledJobConfig(\n{fields})\n"
    named = "data: dict[str, Any]" if config.data else ""
    port = f"port: {' '.join(job.work.split())}"[:_MOST_IN_MESSAGE]
    kept = "".join(_comment(line) for text in job.original for line in text.splitlines() or [""])
    return (
        f'"""Imported from {_docstring(job.origin)}; the handler is still to be ported."""\n'
        f"\n{_imports(body, named)}\n"
        f"# This is what it was:\n#\n{kept}\n"
        f"{body}"
        f"\n\nasync def handler({named}) -> None:\n"
        f"    raise NotImplementedError({_literal(port)})\n"
    )


def _imports(body: str, named: str) -> str:
    lines = []
    times = [name for name in ("datetime", "timedelta") if f"{name}(" in body]
    if "tzinfo=UTC" in body:
        times.insert(0, "UTC")
    if times:
        lines.append(f"from datetime import {', '.join(times)}\n")
    if named:
        lines.append("from typing import Any\n")
    return "".join([*lines, "\n" if lines else "", "from euryale import ScheduledJobConfig\n"])


def _fields(config: ScheduledJobConfig) -> Iterator[str]:
    for name, field in ScheduledJobConfig.model_fields.items():
        value = getattr(config, name)
        if field.is_required() or value != field.get_default(call_default_factory=True):
            yield f"{name}={_literal(value)},{_PAUSED if name == 'paused' else ''}"


def _literal(value: Any) -> str:
    """A value as Python writes it, with double quotes."""
    text = repr(value)
    match value:
        case str():
            # JSON's escapes are Python's too.
            text = json.dumps(value, ensure_ascii=not value.isprintable())
        case tuple():
            inside = ", ".join(map(_literal, value))
            text = f"({inside},)" if len(value) == 1 else f"({inside})"
        case list():
            text = f"[{', '.join(map(_literal, value))}]"
        case dict():
            pairs = (f"{_literal(key)}: {_literal(each)}" for key, each in value.items())
            text = f"{{{', '.join(pairs)}}}"
        case datetime():
            text = _datetime(value)
        case timedelta():
            text = _timedelta(value)
    return text


def _datetime(moment: datetime) -> str:
    moment = moment.astimezone(UTC)
    parts = [moment.year, moment.month, moment.day, moment.hour, moment.minute]
    if moment.second:
        parts.append(moment.second)
    return f"datetime({', '.join(map(str, parts))}, tzinfo=UTC)"


def _timedelta(duration: timedelta) -> str:
    told = []
    for name, unit in _UNITS.items():
        count, duration = divmod(duration, unit)
        if count:
            told.append(f"{name}={count}")
    return f"timedelta({', '.join(told)})"


def _comment(line: str) -> str:
    shown = "".join(each if each.isprintable() else " " for each in line.expandtabs(4))
    return f"#     {shown}".rstrip() + "\n"


def _docstring(text: str) -> str:
    shown = "".join(each if each.isprintable() else " " for each in text)
    return shown.replace("\\", "/").replace('"', "'")
