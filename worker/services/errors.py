"""What the services refuse. All of these are permanent: the same call would fail again."""

from difflib import get_close_matches


class NotFound(LookupError):
    """No live row bears the id."""


class ProductNotFound(NotFound):
    """No live product bears the id."""


class CartNotFound(NotFound):
    """No live cart bears the id."""


class CustomerNotFound(NotFound):
    """No live customer bears the id."""


class ExportGone(NotFound):
    """An export's files are not where the run put them any more."""


class QueryInvalid(ValueError):
    """A query names something unknown, or uses something known in a way that means nothing."""


class EntityUnknown(QueryInvalid):
    """No entity bears that name."""


class FieldUnknown(QueryInvalid):
    """The entity has no field or relation of that name."""


class OperatorUnknown(QueryInvalid):
    """No operator is written like that."""


class SyncMarkMoved(ValueError):
    """Another sync has moved the mark since this one began."""


def known_names(name: str, known: list[str]) -> str:
    """The end of an error's sentence about an unknown name: the nearest one, and all.

    Example:
        >>> known_names("prodcut", ["cart", "product"])
        "did you mean 'product'? Known are cart, product"
    """
    nearest = get_close_matches(name, known, n=1)
    every = ", ".join(known)
    return f"did you mean {nearest[0]!r}? Known are {every}" if nearest else f"known are {every}"
