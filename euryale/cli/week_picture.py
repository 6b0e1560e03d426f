"""A week of all jobs as a picture on a terminal, made of blocks that need no color."""

from collections.abc import Iterator, Sequence

from rich.text import Text

from euryale.cli.times import day as day_told
from euryale.cli.times import moment
from euryale.time.week import HOURS, STARTS_A_SECOND, Day, Herd, Week, level, same_herds

_BLOCKS = ("·", "░", "▒", "▓", "█")
_EVERY = 3
_LABEL = " " * len("Mon 2026-01-05   ")
_MISSING = "--"
_HERD = "!"
_MOST_HERDS = 10
_MOST_TIMES = 3
_MOST_NAMES = 10


def week_picture(shown: Week) -> Iterator[Text]:
    """The lines of the picture: rows of days, columns of hours, a legend, and the herds."""
    bounds = shown.shades
    hours = "".join(f"{hour:02}".ljust(2 * _EVERY) for hour in HOURS[::_EVERY])
    yield Text(f"{_LABEL}{hours}   firings", style="dim")
    for day in shown.days:
        yield _row(shown, day, bounds)
    yield Text()
    yield _legend(shown, bounds)
    yield from _herds(shown.herds)


def _row(shown: Week, day: Day, bounds: tuple[int, ...]) -> Text:
    line = Text(f"{day_told(day.date)}   ")
    for hour in HOURS:
        line.append_text(_cell(shown, day, hour, bounds))
    line.append(f"{sum(day.counts):>10,}")
    for seam in day.seams:
        line.append(f"   ~ {seam.words}", style="yellow")
    return line


def _cell(shown: Week, day: Day, hour: int, bounds: tuple[int, ...]) -> Text:
    if hour in day.missing:
        return Text(_MISSING, style="dim")
    number = level(day.counts[hour], bounds)
    if shown.herds_in(day.date, hour):
        return Text.assemble((_block(number, len(bounds)), "red"), (_HERD, "bold red"))
    if not number:
        return Text(f"{_BLOCKS[0]} ", style="dim")
    return Text(_block(number, len(bounds)) * 2, style="green")


def _block(number: int, of: int) -> str:
    """The block of a shade; the darkest one is always full."""
    return _BLOCKS[number + len(_BLOCKS) - 1 - of]


def _legend(shown: Week, bounds: tuple[int, ...]) -> Text:
    parts = [f"{_BLOCKS[0]} no firing in the hour"]
    for number, bound in enumerate(bounds, start=1):
        last = bounds[number] - 1 if number < len(bounds) else shown.busiest
        told = f"{bound:,}" if bound == last else f"{bound:,} to {last:,}"
        parts.append(f"{_block(number, len(bounds)) * 2} {told}")
    if shown.herds:
        parts.append(f"{_HERD} a herd")
    if any(day.missing for day in shown.days):
        parts.append(f"{_MISSING} the clocks leave the hour out")
    return Text("   ".join(parts), style="dim")


def _herds(herds: Sequence[Herd]) -> Iterator[Text]:
    if not herds:
        return
    yield Text()
    yield Text.assemble(
        ("herds", "bold red"),
        f": more than {STARTS_A_SECOND} firings in one second; Temporal starts that many of a "
        "namespace in a second by default, and the rest late. `window`, `jitter` or H for the "
        "minute spreads them",
    )
    groups = same_herds(herds)
    for names, group in groups[:_MOST_HERDS]:
        times = _some([moment(herd.at) for herd in group], _MOST_TIMES)
        yield Text(f"  {times}: {len(names):,} jobs: {_some(names, _MOST_NAMES)}")
    if len(groups) > _MOST_HERDS:
        yield Text(f"  and {len(groups) - _MOST_HERDS:,} other herds; `-o json` lists them all")


def _some(told: Sequence[str], most: int) -> str:
    more = len(told) - most
    return ", ".join(told[:most]) + (f" and {more:,} more" if more > 0 else "")
