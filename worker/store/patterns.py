r"""SQL's `LIKE`, as Postgres means it, for SQLite: whose own `LIKE` always ignores ASCII case."""

import re
from functools import lru_cache


def like_matches(text: str | None, pattern: str | None, ignore_case: int) -> bool | None:
    r"""Whether a text matches a pattern: `%` any characters, `_` one, `\` takes the next literally.

    Args:
        text: The column's value.
        pattern: The pattern.
        ignore_case: 1 as in `ILIKE`, 0 as in `LIKE`.

    Returns:
        As SQL would: nothing where one of the two is NULL.

    Example:
        >>> like_matches("Medusa T-Shirt", "medusa%", 1), like_matches("50%", r"50\%", 0)
        (True, True)
    """
    if text is None or pattern is None:
        return None
    return _expression(pattern, bool(ignore_case)).fullmatch(text) is not None


@lru_cache(maxsize=128)
def _expression(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    parts = []
    characters = iter(pattern)
    for character in characters:
        if character == "%":
            parts.append(".*")
        elif character == "_":
            parts.append(".")
        else:
            parts.append(re.escape(next(characters, "") if character == "\\" else character))
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignore_case else 0))
