"""Names for imported jobs: valid, of one kind, unique, and the same each time."""

import re
from collections.abc import Iterable, Sequence

_LONGEST = 60
_UNWELCOME = re.compile(r"[^A-Za-z0-9._-]+")


def job_name(*parts: str) -> str:
    """A valid name for a job, made of words from elsewhere.

    Args:
        parts: What it did there, such as the words of a command.

    Returns:
        The name; `job` if the words hold nothing that a name may.

    Example:
        >>> job_name("backup", "--all", "/srv/data")
        'backup-all-srv-data'
        >>> job_name("Send report, 2!")
        'Send-report-2'
    """
    words = [_UNWELCOME.sub("-", part).strip("-._") for part in parts]
    name = re.sub(r"-{2,}", "-", "-".join(word for word in words if word))
    if len(name) > _LONGEST:
        name = name[:_LONGEST].rpartition("-")[0] or name[:_LONGEST]
    return name.strip("-._") or "job"


def file_stem(name: str) -> str:
    """The name of a job's file, without its ending; none that discovery takes for a test's.

    Example:
        >>> file_stem("publish.once-a-day"), file_stem("test-mail")
        ('publish_once_a_day', 'job_test_mail')
    """
    stem = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower() or "job"
    stem = f"job_{stem}" if stem.startswith("test_") or stem == "conftest" else stem
    return f"{stem}_job" if stem.endswith("_test") else stem


def unique_names(wanted: Sequence[str], taken: Iterable[str] = ()) -> tuple[str, ...]:
    """The names, with a number added to each whose file would bear the name of an earlier one's.

    Args:
        wanted: Valid names, in the order of their jobs.
        taken: Names that others bear.

    Example:
        >>> unique_names(["backup", "report", "backup", "Report"])
        ('backup', 'report', 'backup-2', 'Report-2')
    """
    stems = {file_stem(name) for name in taken}
    # A name that some job has from the start isn't given to another one.
    wished = {file_stem(name) for name in wanted}
    names: list[str] = []
    for name in wanted:
        given, number = name, 2
        while file_stem(given) in stems or (given != name and file_stem(given) in wished):
            given, number = f"{name}-{number}", number + 1
        stems.add(file_stem(given))
        names.append(given)
    return tuple(names)
