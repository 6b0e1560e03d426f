"""How far a sweep has come, as the Web UI shows it."""

from euryale.sweeps.messages import SweepProgress


def details_of(progress: SweepProgress) -> str:
    """A sweep's progress in words, in Markdown.

    Example:
        >>> from datetime import UTC, datetime
        >>> print(
        ...     details_of(
        ...         SweepProgress(
        ...             query="product.drafts",
        ...             step="product.publish",
        ...             rows=340_000,
        ...             total=1_000_000,
        ...             slabs=34,
        ...             rate=110_000,
        ...             eta=6,
        ...             updated=datetime(2026, 1, 1, tzinfo=UTC),
        ...         )
        ...     )
        ... )
        **product.publish** on product.drafts: running
        <BLANKLINE>
        340,000 of 1,000,000 rows (34 %), 34 slabs, 0 set aside
        <BLANKLINE>
        110,000 rows a second, about 6 s to go
    """
    of_all = ""
    if progress.total:
        part = min((progress.rows + progress.dead_letters) / progress.total, 1)
        of_all = f" of {progress.total:,} rows ({part:.0%})".replace("%", " %")
    done = f"{progress.rows:,}{of_all or ' rows'}, {progress.slabs:,} slabs"
    said = f": {progress.note}" if progress.note else ""
    lines = [
        f"**{progress.step}** on {progress.query}: {progress.state}{said}",
        f"{done}, {progress.dead_letters:,} set aside",
    ]
    if progress.rate:
        to_go = "" if progress.eta is None else f", about {progress.eta:,.0f} s to go"
        lines.append(f"{progress.rate:,.0f} rows a second{to_go}")
    return "\n\n".join(lines)
