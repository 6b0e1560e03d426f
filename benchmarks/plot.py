"""The rates as a plot: bars of items a second on a logarithmic scale, as SVG."""

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from benchmarks.figures import Figure, Published
from benchmarks.page import DATABASES, TITLES

WIDTH, LABELS, ROW, GAP = 860, 300, 20, 34
OURS = "Euryale"
_COLORS = {True: "#7c3aed", False: "#a8a29e"}
_STYLE = "font: 12px system-ui, sans-serif; fill: #57534e"


def plot(figures: Sequence[Figure]) -> str:
    """The plot of all rates, a block for each scenario and database."""
    blocks = [
        (f"{title}, {database}: items/s", rates)
        for scenario, title in TITLES.items()
        if scenario != "calls"
        for store, database in DATABASES.items()
        if (rates := _rates(figures, scenario, store))
    ]
    every = [rate for _, rates in blocks for _, rate in rates] or [1.0]
    low, high = math.floor(math.log10(min(every))), math.log10(max(every))
    drawn: list[str] = []
    y = GAP
    for title, rates in blocks:
        drawn.append(f'<text x="8" y="{y}" font-weight="bold">{escape(title)}</text>')
        y += ROW // 2
        for label, rate in rates:
            share = (math.log10(rate) - low) / max(high - low, 1)
            length = max(2, round((WIDTH - LABELS - 90) * share))
            color = _COLORS[label.startswith(OURS)]
            drawn += [
                f'<text x="{LABELS - 8}" y="{y + 13}" text-anchor="end">{escape(label)}</text>',
                f'<rect x="{LABELS}" y="{y + 2}" width="{length}" height="14" fill="{color}"/>',
                f'<text x="{LABELS + length + 6}" y="{y + 13}">{rate:,.0f}</text>',
            ]
            y += ROW
        y += GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" style="{_STYLE}">',
        "<title>Items a second, on a logarithmic scale</title>",
        f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>',
        *drawn,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _rates(figures: Sequence[Figure], scenario: str, store: str) -> list[tuple[str, float]]:
    found = [
        (figure.subject.label, figure.rate)
        for figure in figures
        if isinstance(figure, Published)
        and (figure.subject.scenario, figure.subject.store) == (scenario, store)
    ]
    return sorted(found, key=lambda one: -one[1])
