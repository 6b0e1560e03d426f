"""Plots as SVG: rates as bars, and what grows as curves, on logarithmic scales."""

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from benchmarks.figures import Figure, Published
from benchmarks.page import DATABASES, TITLES

WIDTH, LABELS, ROW, GAP = 860, 300, 20, 34
OURS = "Euryale"
_COLORS = {True: "#7c3aed", False: "#a8a29e"}
_CURVES = ("#a8a29e", "#7c3aed", "#db2777", "#ea580c", "#0891b2")
_CURVE_HEIGHT, _LEFT, _RIGHT = 320, 60, 250
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
    return _svg("Items a second, on a logarithmic scale", y, drawn)


def curves(title: str, across: Sequence[float], values: Mapping[str, Sequence[float]]) -> str:
    """What grows with something else, a curve for each, both on logarithmic scales.

    Args:
        title: What the horizontal axis says.
        across: Its values.
        values: The curves by their names, a value for each of those.
    """
    every = [value for curve in values.values() for value in curve if value > 0]
    left, right = math.log10(min(across)), math.log10(max(across))
    low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)))

    def place(x: float, y: float) -> tuple[float, float]:
        wide = (math.log10(x) - left) / max(right - left, 1)
        tall = (math.log10(max(y, 10**low)) - low) / max(high - low, 1)
        return (
            round(_LEFT + wide * (WIDTH - _LEFT - _RIGHT), 1),
            round(GAP + (1 - tall) * _CURVE_HEIGHT, 1),
        )

    bottom = GAP + _CURVE_HEIGHT
    drawn = []
    for power in range(low, high + 1):
        _, y = place(across[0], 10**power)
        drawn += [
            f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}" stroke="#e7e5e4"/>',
            f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{10**power:,g}</text>',
        ]
    drawn += [
        f'<text x="{place(x, 1)[0]}" y="{bottom + 18}" text-anchor="middle">{x:,.0f}</text>'
        for x in across
    ]
    drawn.append(f'<text x="{_LEFT}" y="{bottom + 38}" font-weight="bold">{escape(title)}</text>')
    taken: list[float] = []
    for (name, curve), color in zip(values.items(), _CURVES, strict=False):
        points = [place(x, y) for x, y in zip(across, curve, strict=True)]
        line = " ".join(f"{x},{y}" for x, y in points)
        text = points[-1][1] + 4
        while any(abs(text - other) < ROW - 6 for other in taken):
            text += 1
        taken.append(text)
        drawn += [
            f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>',
            f'<text x="{WIDTH - _RIGHT + 8}" y="{text}" fill="{color}">{escape(name)}</text>',
        ]
    return _svg(title, bottom + GAP + ROW, drawn)


def _svg(title: str, height: int, drawn: Sequence[str]) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" style="{_STYLE}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
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
