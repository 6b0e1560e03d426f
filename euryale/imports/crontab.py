"""Reads a crontab: a user's, or a system's with a column for the user.

The other engine is cronsim, which follows Debian's cron. Our dialect holds Debian's, so an
expression stays as it was written.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from euryale.config import ScheduledJobConfig
from euryale.errors import ImportUnreadable
from euryale.imports.entry import Firings, ImportedJob, Reading, Refusal
from euryale.imports.job_names import job_name
from euryale.time.zones import time_zone

_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_SETTING = re.compile(
    r"""\s*(?P<quote>["']?)(?P<name>[A-Za-z_]\w*)(?P=quote)\s*=\s*(?P<value>.*)"""
)
_SCHEDULE = r"@\S+|(?:[^\s@]\S*\s+){4}\S+"
_USERS_LINE = re.compile(rf"\s*(?P<schedule>{_SCHEDULE})\s+(?P<command>\S.*)")
_SYSTEMS_LINE = re.compile(rf"\s*(?P<schedule>{_SCHEDULE})\s+(?P<user>\S+)\s+(?P<command>\S.*)")
_FIVE = 5
_NUMBERS = re.compile(r"[0-9*,/-]+", re.ASCII)
_NUMBERS_OR_NAMES = re.compile(r"(?:[A-Za-z]{3}(?![A-Za-z])|[0-9*,/-])+", re.ASCII)
_FIELDS = {
    "minute": _NUMBERS,
    "hour": _NUMBERS,
    "day of month": _NUMBERS,
    "month": _NUMBERS_OR_NAMES,
    "day of week": _NUMBERS_OR_NAMES,
}

# Comments that describe the columns and no job.
_COLUMNS = re.compile(r"[.|*+-]|m\s+h\s+dom\b|min(ute)?\s+hour\b", re.IGNORECASE)

_STDIN = re.compile(r"(?<!\\)%")
_JOINS = re.compile(r"&&|\|\||[;|{}()]|\[\[?|\]\]?")
_NO_WORK = frozenset(
    {"", "cd", "test", "command", "sleep", "set", "export", "true", ":", ".", "source", "umask"}
    | {"fi", "done", "esac", "for", "case"}
)
_WRAPPERS = frozenset(
    {"exec", "nice", "ionice", "nohup", "sudo", "time", "env", "chronic"}
    | {"if", "then", "else", "while", "do", "!"}
)
_REDIRECTION = re.compile(r"[0-9&]?>+\s*(&[0-9-]|\S+)|<\s*\S+|&\s*$")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=\S*")
_WORDS_IN_NAME = 5


@dataclass(frozen=True)
class _Settings:
    """What the lines above an entry have set."""

    zone: str
    names: frozenset[str] = frozenset()
    comments: tuple[str, ...] = ()


def read_crontab(
    text: str, *, place: str, zone: str | None = None, system: bool = False
) -> Reading:
    """Read a crontab.

    Args:
        text: The crontab's text.
        place: Its name, for messages.
        zone: The IANA name of the zone that the machine's clock shows; UTC if absent.
        system: Whether a column for the user stands before the command, as in `/etc/crontab`.

    Raises:
        ImportUnreadable: The text holds no entry at all, or cronsim isn't installed.
        ScheduleInvalid: No zone bears the name.

    Example:
        >>> (job,) = read_crontab("0 3 * * 1 /bin/backup --all", place="crontab").jobs
        >>> job.name, job.candidates[0].schedule
        ('backup-all', '0 3 * * 1')
    """
    _need_cronsim()
    found = tuple(_entries(text, place, time_zone(zone or "UTC", where="--tz").key, system=system))
    jobs = tuple(each for each in found if isinstance(each, ImportedJob))
    refusals = tuple(each for each in found if isinstance(each, Refusal))
    if not found:
        raise ImportUnreadable(
            "there is no entry in it",
            where=place,
            mend="give a crontab: lines of five time fields and a command",
        )
    return Reading(jobs, refusals, tuple(_notes(jobs, zone, system=system)))


def _notes(jobs: tuple[ImportedJob, ...], zone: str | None, *, system: bool) -> Iterator[str]:
    if zone is None:
        yield (
            "a crontab goes by its machine's clock, which was taken to show UTC; `--tz` names "
            "another zone"
        )
    if jobs and not system and all(job.work.split()[0] == "root" for job in jobs):
        yield (
            "each command begins with `root`, as if that were a column for the user; `--system` "
            "reads it so"
        )


def _entries(text: str, place: str, zone: str, *, system: bool) -> Iterator[ImportedJob | Refusal]:
    settings = _Settings(zone)
    line_pattern = _SYSTEMS_LINE if system else _USERS_LINE
    for number, line in enumerate(text.split("\n"), start=1):
        written = line.strip()
        origin = f"{place}:{number}"
        if written.startswith("#"):
            settings = replace(settings, comments=_comments(settings.comments, written))
            continue
        if not written:
            settings = replace(settings, comments=())
            continue
        if (setting := _SETTING.fullmatch(line)) is not None:
            named = settings.names | {setting["name"]}
            settings = replace(settings, names=named, comments=())
            if setting["name"] == "CRON_TZ":
                settings = replace(settings, zone=setting["value"].strip().strip("\"'") or zone)
            continue
        match = line_pattern.fullmatch(line)
        if match is None:
            wanted = "five time fields, a user and" if system else "five time fields and"
            yield Refusal(origin, written, f"it is no entry: {wanted} a command make one")
        else:
            yield _entry(origin, match, settings, system=system)
        settings = replace(settings, comments=())


def _entry(
    origin: str, match: re.Match[str], settings: _Settings, *, system: bool
) -> ImportedJob | Refusal:
    schedule = " ".join(match["schedule"].split())
    written = f"{schedule} {match['command'].strip()}"
    reason = _refused(schedule)
    if reason is not None:
        return Refusal(origin, written, reason)
    command, stdin = _command(match["command"].strip())
    notes, kept = [], [match.group().strip()]
    if system:
        kept.append(f"as the user {match['user']}")
    if stdin is not None:
        kept.append(f"with the standard input {stdin!r}")
    names = sorted(settings.names - {"CRON_TZ"})
    if names:
        kept.append(f"with these settings, whose values stay in the crontab: {', '.join(names)}")
    if "TZ" in settings.names:
        notes.append("TZ is what the command sees; the time of firing doesn't go by it")
    if "CRON_TZ" in settings.names:
        notes.append("CRON_TZ was taken for the zone, as cronie does; Debian's own cron ignores it")
    try:
        zone = time_zone(settings.zone, where=origin).key
    except Exception as error:  # noqa: BLE001 -- whatever the name is, it goes to the report
        return Refusal(origin, written, f"CRON_TZ: {error}")
    config = ScheduledJobConfig(
        name=job_name(*_named_words(command)),
        schedule=schedule,
        time_zone=None if zone == "UTC" else zone,
        # cron starts a command whether or not the one before still runs.
        overlap="allow_all",
        description=" ".join(settings.comments),
        paused=True,
    )
    return ImportedJob(
        origin=origin,
        written=schedule,
        work=command,
        candidates=(config,),
        firings=_firings(schedule, zone),
        zone=zone,
        original=tuple(kept),
        notes=tuple(notes),
    )


def _refused(schedule: str) -> str | None:
    """Why cron, as Debian has it, doesn't take a schedule; None if it does."""
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 -- of the extra `import`

    if schedule == "@reboot":
        return "`@reboot` fires when the machine boots, and no machine boots here: start it with it"
    if schedule.startswith("@"):
        known = schedule.lower() in _NICKNAMES
        return None if known else f"cron knows no {schedule}"
    for (name, pattern), field in zip(_FIELDS.items(), schedule.split(), strict=True):
        if not pattern.fullmatch(field):
            return f"Debian's cron doesn't take the {name} '{field}'"
    try:
        CronSim(schedule, datetime(2026, 1, 1))  # noqa: DTZ001 -- it is only asked whether it can be read
    except CronSimError as error:
        return f"Debian's cron doesn't take it: {error}"
    return None


def _firings(schedule: str, zone: str) -> Firings:
    from cronsim import CronSim  # noqa: PLC0415 -- as above

    expression = _NICKNAMES.get(schedule.lower(), schedule)
    return lambda after: CronSim(expression, after.astimezone(time_zone(zone)))


def _comments(before: tuple[str, ...], line: str) -> tuple[str, ...]:
    """The comment lines that describe the next entry, with one more."""
    text = line.strip("# \t")
    is_entry = _USERS_LINE.fullmatch(text) is not None and _refused_text(text)
    return () if not text or _COLUMNS.match(text) or is_entry else (*before, text)


def _refused_text(text: str) -> bool:
    """Whether a comment is an entry that was taken out: its first five words are time fields."""
    words = text.split()[:_FIVE]
    return words[0].startswith("@") or all(re.fullmatch(r"[0-9*][\w*,/-]*", word) for word in words)


def _command(text: str) -> tuple[str, str | None]:
    """A command and its standard input: `%` ends a line unless a backslash stands before it."""
    command, *lines = _STDIN.split(text)
    return (
        command.strip().replace("\\%", "%"),
        "\n".join(line.replace("\\%", "%") for line in lines) if lines else None,
    )


def _named_words(command: str) -> list[str]:
    """The words of a command that tell it from others."""
    parts = _JOINS.split(_REDIRECTION.sub(" ", command))
    for part in parts:
        words = [word for word in part.split() if not _ASSIGNMENT.fullmatch(word)]
        while words and words[0].rpartition("/")[2] in _WRAPPERS:
            words = words[1:]
        first = words[0].rpartition("/")[2] if words else ""
        if first not in _NO_WORK and not first.startswith("-"):
            return [first, *words[1:_WORDS_IN_NAME]]
    return command.split()[:_WORDS_IN_NAME]


def _need_cronsim() -> None:
    try:
        import cronsim  # noqa: F401, PLC0415 -- as above
    except ImportError:
        raise ImportUnreadable(
            "what Debian's cron would do is told by the package cronsim, which isn't installed",
            mend="install euryale[import]",
        ) from None
