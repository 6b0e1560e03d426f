"""`euryale import`: jobs of other schedulers become job files that are proven to fire as before."""

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from euryale.cli.options import Output, OutputOption
from euryale.cli.screen import FAILED, Screen, reporting
from euryale.cli.times import day, moment

if TYPE_CHECKING:
    from euryale.imports.comparison import Comparison, Difference
    from euryale.imports.entry import Reading, Refusal
    from euryale.imports.importer import ProvenJob

_MOST_SHOWN = 5

imports = typer.Typer(
    help="Write job files from the jobs of another scheduler, and prove that they fire as before.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_ToOption = Annotated[
    Path,
    typer.Option(
        "--to",
        envvar="EURYALE_IMPORT_TO",
        metavar="FOLDER",
        help="The folder that the job files are written to; none is ever overwritten.",
    ),
]
_ZoneOption = Annotated[
    str | None,
    typer.Option(
        "--tz",
        envvar="EURYALE_TZ",
        metavar="ZONE",
        help="The zone that the other scheduler goes by where its file names none; by default UTC.",
    ),
]
_DryRunOption = Annotated[
    bool,
    typer.Option("--dry-run", envvar="EURYALE_DRY_RUN", help="Write nothing, and tell the same."),
]
_FOLDER = Path("jobs")


@imports.command("crontab")
def crontab(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The crontab; - for the standard input.")
    ],
    *,
    to: _ToOption = _FOLDER,
    tz: _ZoneOption = None,
    system: Annotated[
        bool,
        typer.Option(
            "--system",
            envvar="EURYALE_SYSTEM",
            help="The column before the command names a user, as it does without saying in "
            "/etc/crontab and in folders named cron.d.",
        ),
    ] = False,
    dry_run: _DryRunOption = False,
    output: OutputOption = "text",
) -> None:
    """Import a crontab."""

    def read() -> "Reading":
        from euryale.imports.crontab import read_crontab  # noqa: PLC0415 -- slow to import

        whole = file.resolve()
        return read_crontab(
            _text(file),
            place="crontab" if str(file) == "-" else file.name,
            zone=tz,
            system=system or whole == Path("/etc/crontab") or whole.parent.name == "cron.d",
        )

    _import(read, to, dry_run=dry_run, output=output)


@imports.command("celery")
def celery(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The Python file that has the beat schedule.")
    ],
    *,
    to: _ToOption = _FOLDER,
    tz: _ZoneOption = None,
    dry_run: _DryRunOption = False,
    output: OutputOption = "text",
) -> None:
    """Import Celery's beat schedule; the file is imported, and needs what it needs there."""

    def read() -> "Reading":
        from euryale.imports.celery import read_celery  # noqa: PLC0415 -- slow to import

        return read_celery(file, zone=tz)

    _import(read, to, dry_run=dry_run, output=output)


@imports.command("apscheduler")
def apscheduler(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The Python file that adds the jobs.")
    ],
    *,
    to: _ToOption = _FOLDER,
    tz: _ZoneOption = None,
    dry_run: _DryRunOption = False,
    output: OutputOption = "text",
) -> None:
    """Import the jobs of an APScheduler 3; the file is imported, but no scheduler starts."""

    def read() -> "Reading":
        from euryale.imports.apscheduler import read_apscheduler  # noqa: PLC0415 -- slow to import

        return read_apscheduler(file, zone=tz)

    _import(read, to, dry_run=dry_run, output=output)


@imports.command("medusa")
def medusa(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A job file, or the folder src/jobs.")
    ],
    *,
    to: _ToOption = _FOLDER,
    tz: _ZoneOption = None,
    dry_run: _DryRunOption = False,
    output: OutputOption = "text",
) -> None:
    """Import Medusa's job files, of version 1 or 2; no JavaScript is run."""

    def read() -> "Reading":
        from euryale.imports.medusa import read_medusa  # noqa: PLC0415 -- slow to import

        return read_medusa(file, zone=tz)

    _import(read, to, dry_run=dry_run, output=output)


def _import(read: "Callable[[], Reading]", folder: Path, *, dry_run: bool, output: Output) -> None:
    with reporting(output) as screen:
        from euryale.imports.entry import Refusal  # noqa: PLC0415 -- slow to import
        from euryale.imports.importer import ProvenJob, named_apart, prove  # noqa: PLC0415
        from euryale.imports.job_file_text import job_file_text  # noqa: PLC0415
        from euryale.imports.job_names import file_stem  # noqa: PLC0415
        from euryale.imports.writing import refuse_existing, write_job_files  # noqa: PLC0415

        reading = read()
        now = datetime.now(UTC).replace(microsecond=0)
        told = [prove(job, after=now) for job in named_apart(reading.jobs)]
        refusals = [*reading.refusals, *(each for each in told if isinstance(each, Refusal))]
        jobs = {
            folder / f"{file_stem(each.config.name)}.py": each
            for each in told
            if isinstance(each, ProvenJob)
        }
        texts = {path: job_file_text(job) for path, job in jobs.items()}
        if dry_run:
            refuse_existing(texts)
        else:
            write_job_files(texts)
        _tell(screen, jobs, texts, refusals, reading.notes, written=not dry_run)
        if refusals or not all(job.is_equal for job in jobs.values()):
            raise typer.Exit(FAILED)


def _text(file: Path) -> str:
    """The text of a crontab."""
    from euryale.errors import ImportUnreadable  # noqa: PLC0415 -- slow to import

    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it isn't UTF-8"
        raise ImportUnreadable(
            f"it can't be read: {reason}",
            where=str(file),
            mend="name a crontab, or - for the standard input, as in `crontab -l | …`",
        ) from None


def _tell(
    screen: Screen,
    jobs: "dict[Path, ProvenJob]",
    texts: dict[Path, str],
    refusals: "Sequence[Refusal]",
    notes: Sequence[str],
    *,
    written: bool,
) -> None:
    lines: list[Text] = []
    for path, job in jobs.items():
        lines += _job_lines(path, job)
    for refusal in refusals:
        lines.append(
            Text.assemble(
                ("not imported: ", "red"), f"{refusal.origin}  {refusal.written}".rstrip()
            )
        )
        lines.append(Text(f"  {refusal.reason}"))
    lines += [Text(f"note: {note}", style="yellow") for note in notes]
    lines.append(_summary(jobs, refusals, written=written))
    screen.result(
        {
            "written": written,
            "jobs": [_as_dict(path, job, texts[path]) for path, job in jobs.items()],
            "not_imported": [
                {"origin": each.origin, "theirs": each.written, "reason": each.reason}
                for each in refusals
            ],
            "notes": list(notes),
        },
        *lines,
    )


def _job_lines(path: Path, proven: "ProvenJob") -> Iterator[Text]:
    job, comparison = proven.job, proven.comparison
    yield Text.assemble((str(path), "cyan"), f"  {job.origin}")
    yield Text(f"  {job.written}  →  {_ours(proven)}")
    yield Text.assemble(
        ("  ✓ ", "green") if proven.is_equal else ("  ✗ ", "red"), _compared(comparison)
    )
    yield from _differences(comparison.differences)
    yield from (Text(f"    {sentence}", style="dim") for sentence in _sentences(proven))


def _ours(proven: "ProvenJob") -> str:
    """What the job file says of time, in a line."""
    from euryale.time.timetable_words import timetable_text  # noqa: PLC0415 -- slow to import

    config, timetable = proven.config, proven.timetable
    told = [timetable_text(timetable)]
    told += [f"except {each}" for each in config.except_]
    if timetable.zone != "UTC":
        told.append(timetable.zone)
    if config.dst != "once":
        told.append(f"dst {config.dst}")
    if config.start_at:
        told.append(f"from {moment(config.start_at)}")
    if config.end_at:
        told.append(f"until {moment(config.end_at)}")
    return ", ".join(told)


def _compared(comparison: "Comparison") -> str:
    if comparison.until is None:
        return "theirs never fires"
    told = (
        f"{comparison.equal:,} of {comparison.compared:,} firings equal until "
        f"{moment(comparison.until)}"
    )
    if comparison.differences:
        count = len(comparison.differences)
        return f"{told}; {count:,} difference{'s' * (count != 1)} in all that was compared"
    around = f" and those around {comparison.changes} changes of the clocks"
    return (
        f"{told}; so are the first of each day until {day(comparison.days_until)}"
        f"{around if comparison.changes else ''}"
    )


def _differences(differences: "Sequence[Difference]") -> Iterator[Text]:
    rows = [("theirs", "ours", "")]
    rows += [
        (_shown(each.theirs), _shown(each.ours), each.words) for each in differences[:_MOST_SHOWN]
    ]
    if len(rows) == 1:
        return
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for number, (theirs, ours, words) in enumerate(rows):
        line = f"    {theirs.ljust(widths[0])}  {ours.ljust(widths[1])}  {words}".rstrip()
        yield Text(line, style="" if number else "dim")
    if len(differences) > _MOST_SHOWN:
        yield Text(f"    and {len(differences) - _MOST_SHOWN:,} more", style="dim")


def _shown(time: datetime | None) -> str:
    return "none" if time is None else moment(time)


def _sentences(proven: "ProvenJob") -> list[str]:
    """What else is to be known of a job."""
    nights = proven.job.nights
    told = proven.comparison.differences and proven.comparison.changes and nights
    return [*proven.job.notes, *([nights] if told else [])]


def _summary(
    jobs: "dict[Path, ProvenJob]", refusals: "Sequence[Refusal]", *, written: bool
) -> Text:
    equal = sum(job.is_equal for job in jobs.values())
    count = f"{len(jobs)} job{'s' * (len(jobs) != 1)}"
    told = f"{count} written" if written else f"{count} would be written"
    if jobs:
        told += f", paused until ported; {equal} fire{'s' * (equal == 1)} as before"
    if refusals:
        told += f"; {len(refusals)} not imported"
    return Text(told, style="bold")


def _as_dict(path: Path, proven: "ProvenJob", text: str) -> dict[str, Any]:
    comparison = proven.comparison
    return {
        "file": str(path),
        "name": proven.config.name,
        "origin": proven.job.origin,
        "theirs": proven.job.written,
        "ours": _ours(proven),
        "time_zone": proven.timetable.zone,
        "equal": proven.is_equal,
        "compared": comparison.compared,
        "firings_equal": comparison.equal,
        "until": comparison.until and comparison.until.isoformat(),
        "days_until": comparison.days_until.isoformat(),
        "clock_changes": comparison.changes,
        "differences": [
            {
                "theirs": each.theirs and each.theirs.isoformat(),
                "ours": each.ours and each.ours.isoformat(),
                "words": each.words,
            }
            for each in comparison.differences
        ],
        "notes": _sentences(proven),
        "text": text,
    }
