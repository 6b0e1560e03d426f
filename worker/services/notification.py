"""Notifications: who was told what, and claimed before being told, so that nobody is told twice."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite

from euryale import mutation, read
from worker.services.entities import NewNotification, Notification, NotificationStatus
from worker.services.rows import Conditions, Row, live_rows, slices, table_of
from worker.store import Store
from worker.store.tables import NotificationRow
from worker.store.types import new_id

_notification = table_of(NotificationRow)
_id = new_id("noti")


class NotificationService:
    """Lists notifications, and keeps who was told what.

    A message to somebody can't be taken back, and no database commits together with a mail server.
    So the row is there first: `claim` makes it, pending, and only who made it sends the message;
    `settle` says how that ended. A row that stays pending tells of somebody who died in between,
    and of a message that may have been sent.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @mutation
    async def claim(self, new: NewNotification) -> str | None:
        """Make the pending row of a message that is about to be sent.

        Returns:
            The row's id; None if there is a row with that idempotency key already, whoever made
            it: then nothing must be sent.
        """
        insert = sqlite.insert if self._store.dialect == "sqlite" else postgresql.insert
        statement = (
            insert(_notification)
            .values(id=_id(), status=NotificationStatus.PENDING.value, **new.model_dump())
            .on_conflict_do_nothing(
                index_elements=["idempotency_key"],
                index_where=_notification.c.deleted_at.is_(None),
            )
            .returning(_notification.c.id)
        )
        async with self._store.begin() as session:
            made: str | None = await session.scalar(statement)
        return made

    @mutation
    async def settle(
        self,
        notification_id: str,
        status: Literal[NotificationStatus.SUCCESS, NotificationStatus.FAILURE],
        *,
        data: dict[str, Any],
    ) -> None:
        """Say how a claimed message ended; what is known later is known better, and overwrites.

        Args:
            notification_id: The row that `claim` made.
            status: How it ended.
            data: What the row's `data` are from now on, such as the reason of a failure.
        """
        await self._change([notification_id], status=status.value, data=data)

    @mutation
    async def release(self, notification_ids: list[str], *, data: dict[str, Any]) -> None:
        """Soft-delete rows of messages that certainly were not sent: they may be claimed anew.

        Args:
            notification_ids: The rows.
            data: What their `data` are from now on, such as the reason.
        """
        await self._change(notification_ids, deleted_at=datetime.now(UTC), data=data)

    @read
    async def retrieve_for(
        self, receiver_ids: list[str], *, resource_type: str, resource_id: str
    ) -> list[Notification]:
        """The live notifications that some receivers got of one thing, in the order of their ids.

        Args:
            receiver_ids: The receivers.
            resource_type: What kind of thing it is about, such as `newsletter`.
            resource_id: Which of these.
        """
        conditions = (
            _notification.c.resource_type == resource_type,
            _notification.c.resource_id == resource_id,
        )
        found: dict[str, Row] = {}
        async with self._store.session() as session:
            for ids in slices(receiver_ids):
                chosen = _notification.c.receiver_id.in_(ids)
                rows = await live_rows(session, _notification, chosen, *conditions)
                found.update((row["id"], row) for row in rows)
        return [Notification.model_validate(dict(row)) for _, row in sorted(found.items())]

    async def _change(self, notification_ids: Sequence[str], **values: Any) -> None:
        async with self._store.begin() as session:
            for ids in slices(notification_ids):
                await session.execute(
                    update(_notification)
                    .where(_notification.c.id.in_(ids), _notification.c.deleted_at.is_(None))
                    .values(updated_at=datetime.now(UTC), **values)
                )

    # The last method: inside the class, its name hides the type in the annotations that follow.
    @read
    async def list(
        self,
        *,
        ids: list[str] | None = None,
        status: NotificationStatus | None = None,
        resource_type: str | None = None,
        resource_id: str | None = None,
        skip: int = 0,
        take: int | None = None,
    ) -> list[Notification]:
        """The live notifications that match, in the order of their ids.

        Args:
            ids: Only these; ids that don't exist are left out.
            status: Only those of this status.
            resource_type: Only those about this kind of thing, such as `newsletter`.
            resource_id: Only those about this one.
            skip: How many to leave out at the beginning.
            take: How many at most; all if None.
        """
        conditions: Conditions = []
        if ids is not None:
            conditions.append(_notification.c.id.in_(ids))
        if status is not None:
            conditions.append(_notification.c.status == NotificationStatus(status).value)
        if resource_type is not None:
            conditions.append(_notification.c.resource_type == resource_type)
        if resource_id is not None:
            conditions.append(_notification.c.resource_id == resource_id)
        async with self._store.session() as session:
            rows = await live_rows(session, _notification, *conditions, skip=skip, take=take)
        return [Notification.model_validate(dict(row)) for row in rows]
