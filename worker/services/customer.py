"""Customers, as Medusa's customer service has them."""

from euryale import read
from worker.services.entities import Customer
from worker.services.errors import CustomerNotFound
from worker.services.rows import Conditions, live_rows, table_of
from worker.store import Store
from worker.store.tables import CustomerRow

_customer = table_of(CustomerRow)


class CustomerService:
    """Lists and finds customers."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @read
    async def retrieve(self, customer_id: str) -> Customer:
        """One customer.

        Raises:
            CustomerNotFound: There is none of that id, or it was deleted.
        """
        async with self._store.session() as session:
            rows = await live_rows(session, _customer, _customer.c.id == customer_id)
        if not rows:
            raise CustomerNotFound(f"no customer has the id {customer_id!r}")
        return Customer.model_validate(dict(rows[0]))

    # The last method: inside the class, its name hides the type in the annotations that follow.
    @read
    async def list(
        self,
        *,
        ids: list[str] | None = None,
        email: str | None = None,
        skip: int = 0,
        take: int | None = None,
    ) -> list[Customer]:
        """The live customers that match, in the order of their ids.

        Args:
            ids: Only these; ids that don't exist are left out.
            email: Only those of this address.
            skip: How many to leave out at the beginning.
            take: How many at most; all if None.
        """
        conditions: Conditions = []
        if ids is not None:
            conditions.append(_customer.c.id.in_(ids))
        if email is not None:
            conditions.append(_customer.c.email == email)
        async with self._store.session() as session:
            rows = await live_rows(session, _customer, *conditions, skip=skip, take=take)
        return [Customer.model_validate(dict(row)) for row in rows]
