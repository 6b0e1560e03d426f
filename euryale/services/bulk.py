"""A service's own way to carry out many calls of one of its methods at once."""

from collections.abc import Mapping
from typing import Any


class BulkCall:
    """One of the calls that a bulk method gets.

    Attributes:
        arguments: The call's arguments by name; those not given are left out.
        idempotency_key: Its key, the same over all its attempts.
        attempt: Which attempt it is, from 1.
        undo: What was recorded for its undo; None if nothing was.

    Example:
        >>> call = BulkCall({"product_id": "prod_1"}, "shop/nightly/0b1c/product.update/7", 1)
        >>> call.record_undo({"status": "draft"})
        >>> call.arguments["product_id"], call.undo
        ('prod_1', {'status': 'draft'})
    """

    __slots__ = ("arguments", "attempt", "idempotency_key", "undo")

    def __init__(self, arguments: Mapping[str, Any], idempotency_key: str, attempt: int) -> None:
        self.arguments = arguments
        self.idempotency_key = idempotency_key
        self.attempt = attempt
        self.undo: Any = None

    def record_undo(self, value: Any) -> None:
        """Leave something for this call's undo, as `euryale.record_undo` does in a method."""
        self.undo = value
