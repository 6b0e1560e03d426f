"""A week of all jobs as one static HTML page, without scripts and without anything from outside."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from string import Template

from euryale.time.week import HOURS, STARTS_A_SECOND, Day, Herd, Week, level, same_herds

_MOST_IN_TIP = 12
_MOST_IN_HERD = 40
_MOST_TIMES = 8

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --ink: #1f2528; --soft: #667075; --line: #e3e1da; --empty: #f0eee8;
  --s1: #cfe8e0; --s2: #8ccbb8; --s3: #3c9b84; --s4: #0d5f4d; --on-dark: #fff; --herd: #c2410c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181a; --ink: #e4e8e8; --soft: #96a1a4; --line: #2a3134; --empty: #1c2225;
    --s1: #17403a; --s2: #1f6d5e; --s3: #35a68c; --s4: #83ecd0; --on-dark: #08201b;
    --herd: #ff9466;
  }
}
body {
  margin: 0 auto; padding: 2.5rem 1.5rem 4rem; max-width: 68rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums;
}
h1 { font-size: 1.6rem; font-weight: 650; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 1.05rem; margin: 2.75rem 0 0.6rem; }
p { margin: 0.25rem 0; color: var(--soft); max-width: 46rem; }
code { font: 0.87em ui-monospace, monospace; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
.week { margin-top: 1.75rem; table-layout: fixed; min-width: 54rem; border-collapse: separate;
  border-spacing: 3px; }
.week th { font-weight: 400; color: var(--soft); font-size: 0.8rem; text-align: center;
  padding: 0; }
.week tbody th { text-align: left; color: var(--ink); white-space: nowrap; }
.week .label { width: 8rem; }
.week .sum { width: 4.2rem; text-align: right; color: var(--soft); font-size: 0.8rem; }
.cell { height: 2.1rem; padding: 0; border-radius: 4px; text-align: center; font-size: 0.72rem;
  background: var(--empty); }
.s1 { background: var(--s1); } .s2 { background: var(--s2); }
.s3 { background: var(--s3); color: var(--on-dark); }
.s4 { background: var(--s4); color: var(--on-dark); }
@media (prefers-color-scheme: dark) { .s3, .s2 { color: #fff; } .s4 { color: var(--on-dark); } }
.herd { box-shadow: 0 0 0 2px var(--herd); font-weight: 700; }
.week td.change { font-size: 0.8rem; color: var(--herd); padding: 0 0 0.35rem; }
.legend { display: flex; flex-wrap: wrap; gap: 0.35rem 1.2rem; margin-top: 0.9rem; padding: 0;
  font-size: 0.8rem; color: var(--soft); list-style: none; }
.legend i { display: inline-block; width: 1.1rem; height: 1.1rem; border-radius: 3px;
  margin-right: 0.45rem; vertical-align: -0.25rem; background: var(--empty); }
.missing, .legend i.missing {
  background: repeating-linear-gradient(45deg, var(--line) 0 3px, transparent 3px 7px); }
.legend i.s1 { background: var(--s1); } .legend i.s2 { background: var(--s2); }
.legend i.s3 { background: var(--s3); } .legend i.s4 { background: var(--s4); }
.list th { text-align: left; font-weight: 400; color: var(--soft); font-size: 0.8rem; }
.list th, .list td { padding: 0.5rem 1rem 0.5rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
.list .number { text-align: right; }
.list .times { white-space: nowrap; }
.list small { display: block; color: var(--soft); font-size: 0.8rem; }
.strip { width: 17rem; min-width: 12rem; }
.strip svg { display: block; width: 100%; height: 1.3rem; margin-top: 0.15rem;
  background: var(--empty); border-radius: 3px; }
.strip path { fill: var(--s3); } .strip line { stroke: var(--paper); stroke-width: 0.5; }
</style>
</head>
<body>
<h1>$app</h1>
<p>$summary</p>
<div class="wide">
$picture
</div>
$legend
$herds
<h2>Jobs</h2>
<div class="wide">
$jobs
</div>
</body>
</html>
""")


@dataclass(frozen=True, slots=True)
class JobText:
    """What the page says of a job.

    Attributes:
        name: Its name.
        schedule: The schedule as it was written.
        words: What it means.
        zone: The zone whose wall clock it means.
        description: What its config says of it; may be empty.
    """

    name: str
    schedule: str
    words: str
    zone: str
    description: str = ""


def week_page(app: str, shown: Week, jobs: Sequence[JobText]) -> str:
    """Write the page.

    Args:
        app: The application's name.
        shown: The days.
        jobs: What is said of each of their jobs, in the order of the list.

    Returns:
        The page's HTML.
    """
    first, last = shown.days[0].date, shown.days[-1].date
    firings = sum(shown.jobs.values())
    return _PAGE.substitute(
        title=escape(f"{app}: {first} to {last}"),
        app=escape(app),
        summary=escape(
            f"{_day(first)} to {_day(last)}, hours of {shown.zone}. "
            f"{_counted(len(shown.jobs), 'job')}, {_counted(firings, 'firing')}, at most "
            f"{shown.busiest:,} in an hour."
        ),
        picture=_picture(shown),
        legend=_legend(shown),
        herds=_herds(shown.herds),
        jobs=_jobs(shown, jobs),
    )


# --- the picture ------------------------------------------------------------------------------


def _picture(shown: Week) -> str:
    hours = "".join(f'<th scope="col">{hour:02}</th>' for hour in HOURS)
    bounds = shown.shades
    rows = "".join(_row(shown, day, bounds) for day in shown.days)
    return (
        '<table class="week"><thead><tr><th class="label"></th>'
        f'{hours}<th class="sum">firings</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def _row(shown: Week, day: Day, bounds: tuple[int, ...]) -> str:
    cells = "".join(_cell(shown, day, hour, bounds) for hour in HOURS)
    row = (
        f'<tr><th scope="row">{_day(day.date)}</th>{cells}'
        f'<td class="sum">{sum(day.counts):,}</td></tr>'
    )
    if not day.seams:
        return row
    changes = "; ".join(seam.words for seam in day.seams)
    return f'{row}<tr><td></td><td class="change" colspan="25">{changes}</td></tr>'


def _cell(shown: Week, day: Day, hour: int, bounds: tuple[int, ...]) -> str:
    if hour in day.missing:
        return '<td class="cell missing" title="the clocks leave this hour out"></td>'
    count = day.counts[hour]
    herds = shown.herds_in(day.date, hour)
    kinds = f"cell s{level(count, bounds)}{' herd' if herds else ''}"
    tip = escape(f"{_day(day.date)}, {hour:02}:00 to {hour:02}:59: {_tip(day.hours[hour], herds)}")
    text = f"{_short(count)}{'!' if herds else ''}" if count else ""
    return f'<td class="{kinds}" title="{tip}">{text}</td>'


def _tip(hour: Mapping[str, int], herds: Sequence[Herd]) -> str:
    if not hour:
        return "nothing fires"
    ordered = sorted(hour.items(), key=lambda item: (-item[1], item[0]))
    told = [name if count == 1 else f"{name} ({count})" for name, count in ordered[:_MOST_IN_TIP]]
    more = len(ordered) - len(told)
    told += [f"{more:,} more jobs"] if more else []
    herd = f"; {_counted(len(herds), 'herd')}" if herds else ""
    return f"{', '.join(told)}{herd}"


def _short(count: int) -> str:
    """A count that fits into its cell."""
    thousand = 1_000
    return str(count) if count < thousand else f"{count / thousand:.0f}k"


def _legend(shown: Week) -> str:
    bounds = shown.shades
    items = ["<li><i></i>no firing</li>"]
    for number, bound in enumerate(bounds, start=1):
        last = bounds[number] - 1 if number < len(bounds) else shown.busiest
        told = f"{bound:,}" if bound == last else f"{bound:,} to {last:,}"
        items.append(f'<li><i class="s{number}"></i>{told}</li>')
    if shown.herds:
        items.append('<li><i class="herd"></i>! a herd: more than Temporal starts in a second</li>')
    if any(day.missing for day in shown.days):
        items.append('<li><i class="missing"></i>the clocks leave the hour out</li>')
    return f'<ul class="legend">{"".join(items)}</ul>'


# --- herds and jobs ---------------------------------------------------------------------------


def _herds(herds: Sequence[Herd]) -> str:
    if not herds:
        return ""
    rows = "".join(
        f"<tr><td class='times'>{_times(herds_of)}</td><td class='number'>{len(names):,}</td>"
        f"<td>{escape(_names(names))}</td></tr>"
        for names, herds_of in same_herds(herds)
    )
    return (
        f"<h2>Herds</h2><p>More than {STARTS_A_SECOND} firings in one second: Temporal starts that "
        "many of a namespace in a second by default, and the rest late. <code>window</code>, "
        "<code>jitter</code> or <code>H</code> for the minute spreads them.</p>"
        "<div class='wide'><table class='list'>"
        "<thead><tr><th>due at</th><th class='number'>jobs</th><th></th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _times(herds: Sequence[Herd]) -> str:
    told = [f"{_day(herd.at.date())} {herd.at:%H:%M:%S}" for herd in herds[:_MOST_TIMES]]
    more = len(herds) - len(told)
    return "<br>".join([*told, *([f"and {more:,} times more"] if more else [])])


def _names(names: Sequence[str]) -> str:
    more = len(names) - _MOST_IN_HERD
    return ", ".join(names[:_MOST_IN_HERD]) + (f" and {more:,} more" if more > 0 else "")


def _jobs(shown: Week, jobs: Sequence[JobText]) -> str:
    rows = "".join(
        f"<tr><td>{escape(job.name)}<small>{escape(job.description)}</small></td>"
        f"<td>{escape(job.words)}<small><code>{escape(job.schedule)}</code> "
        f"{escape(job.zone)}</small></td>"
        f"<td class='number'>{shown.jobs.get(job.name, 0):,}</td>"
        f"<td class='strip'>{_strip(shown, job.name)}</td></tr>"
        for job in jobs
    )
    return (
        "<table class='list'><thead><tr><th>job</th><th>schedule</th>"
        "<th class='number'>firings</th><th>over the days</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _strip(shown: Week, name: str) -> str:
    """The hours in which a job fires, from the first day's midnight to the last one's."""
    length = len(shown.days) * len(HOURS)
    path = "".join(f"M{start} 0h{end - start}v1H{start}z" for start, end in _spans(shown, name))
    midnights = "".join(
        f'<line x1="{x}" x2="{x}" y1="0" y2="1"/>' for x in range(len(HOURS), length, len(HOURS))
    )
    return (
        f'<svg viewBox="0 0 {length} 1" preserveAspectRatio="none" role="img" '
        f'aria-label="the hours in which {escape(name)} fires">'
        f'<path d="{path}"/>{midnights}</svg>'
    )


def _spans(shown: Week, name: str) -> Iterator[tuple[int, int]]:
    """Runs of hours that a job fires in, counted from the first midnight."""
    hours = [name in hour for day in shown.days for hour in day.hours]
    start = None
    for number, fires in enumerate([*hours, False]):
        if fires and start is None:
            start = number
        elif not fires and start is not None:
            yield start, number
            start = None


def _day(day: date) -> str:
    return f"{_WEEKDAYS[day.weekday()]} {day}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


# Not `%a`, which speaks the machine's language.
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
