"""Exports of orders: written, published, withdrawn and removed."""

import asyncio
import shutil
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from euryale import ChangedSince, mutation, read
from worker.days import midnights
from worker.services.errors import ExportGone
from worker.services.export_folder import (
    HIDDEN,
    MANIFEST,
    ExportFolder,
    digest,
    is_sealed,
    write_manifest,
)
from worker.services.order_files import COLUMNS, CSV, PARQUET, OrderFiles
from worker.services.order_lines import count_orders, order_lines
from worker.settings import Settings
from worker.store import Store


class OrdersOfDay(BaseModel):
    """Which orders to export, and for whom.

    Attributes:
        day: The day on which they were made.
        time_zone: The IANA name of the zone whose midnights the day begins and ends at.
        run: What the export is known by: the same over all attempts, and no other run's.
    """

    model_config = ConfigDict(frozen=True)

    day: date
    time_zone: str
    run: str


class OrderExport(BaseModel):
    """An export of a day's orders.

    Attributes:
        day: The day.
        version: Which of the day's versions it is; None where there is none yet.
        orders: How many orders were made on the day.
        rows: How many rows the files hold, one for each item.
        made: Whether this run made the version; not where the newest one holds the same already.
    """

    model_config = ConfigDict(frozen=True)

    day: date
    version: int | None
    orders: int
    rows: int
    made: bool


class MadeExport(BaseModel):
    """A version of a day's export and the run that made it; see `OrdersOfDay` and `OrderExport`."""

    model_config = ConfigDict(frozen=True)

    day: date
    version: int | None
    run: str


class ExportService:
    """Exports orders into the folder that the settings name.

    All workers must see the same folder there: a run may go on on another one.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._root = settings.export_dir / "orders"

    @read
    async def preview(self, orders: OrdersOfDay) -> OrderExport:
        """What `write` would export; whether it would make another version isn't known before."""
        begin, end = midnights(orders.day, orders.time_zone)
        async with self._store.session() as session:
            count = await count_orders(session, begin, end)
        return OrderExport(day=orders.day, version=None, orders=count, rows=0, made=True)

    # However many orders there are: one worker writes millions of rows in this time, and one that
    # died is noticed by its heartbeat.
    @mutation(undo="remove", timeout=timedelta(hours=1), words="export the orders of {} day(s)")
    async def write(self, orders: OrdersOfDay) -> OrderExport:
        """Write the orders of a day as a new version, not published yet.

        Doing it twice is harmless: a version that the run has made already is taken, and where the
        newest published one holds the same data there is nothing to do.
        """
        folder = ExportFolder(self._root, orders.day)
        made = await asyncio.to_thread(folder.made_by, orders.run)
        if made is not None:
            manifest = next(iter(folder.manifests(made).values()))
            return _export(orders, made, manifest, made=True)
        path = await asyncio.to_thread(folder.begin, orders.run)
        try:
            manifest = await self._write(path, orders)
            newest = await asyncio.to_thread(_same, folder, manifest)
            if newest is not None:
                return _export(orders, newest, manifest, made=False)
            # Not in a thread: a cancelled attempt must not put it there afterwards.
            return _export(orders, folder.place(path), manifest, made=True)
        finally:
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)

    @mutation(undo="withdraw", words="publish {} export(s)")
    async def publish(self, export: MadeExport) -> None:
        """Show a version's manifest, whose files are all there. Doing it twice is harmless.

        Raises:
            ExportGone: The run's version isn't there any more.
        """
        await asyncio.to_thread(self._publish, export)

    @mutation
    async def withdraw(self, export: MadeExport) -> None:
        """Hide a version's manifest again. Doing it twice is harmless.

        Raises:
            ChangedSince: Somebody changed the manifest.
        """
        await asyncio.to_thread(self._withdraw, export)

    @mutation
    async def remove(self, orders: OrdersOfDay, result: OrderExport | None = None) -> None:
        """Remove exactly what the run has written. Doing it twice is harmless.

        Args:
            orders: What `write` was given.
            result: What it returned; by default what the run made is looked for.

        Raises:
            ChangedSince: Somebody changed a file, added one or published the version; that is left
                as it is, and the run's other files are removed.
        """
        version = result.version if result is not None and result.made else None
        if result is None or result.made:
            await asyncio.to_thread(self._remove, orders, version)

    async def _write(self, path: Path, orders: OrdersOfDay) -> dict[str, Any]:
        """Write the files and the hidden manifest, all of one moment's orders."""
        begin, end = midnights(orders.day, orders.time_zone)
        async with self._store.session() as session:
            if self._store.dialect == "postgresql":
                await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            count = await count_orders(session, begin, end)
            with OrderFiles(path) as files:
                async for lines in order_lines(session, begin, end):
                    await asyncio.to_thread(files.write, lines)
                await asyncio.to_thread(files.finish)
        manifest = {
            "day": orders.day.isoformat(),
            "time_zone": orders.time_zone,
            "begins_at": begin.isoformat(),
            "ends_at": end.isoformat(),
            "orders": count,
            "rows": files.rows,
            "columns": list(COLUMNS),
            "files": [
                {
                    "name": name,
                    "sha256": await asyncio.to_thread(digest, path / name),
                    "bytes": (path / name).stat().st_size,
                    "rows": files.rows,
                }
                for name in (CSV, PARQUET)
            ],
            "run": orders.run,
            "written_at": datetime.now(UTC).isoformat(),
        }
        await asyncio.to_thread(write_manifest, path, manifest)
        return manifest

    def _publish(self, export: MadeExport) -> None:
        folder, number = ExportFolder(self._root, export.day), export.version or 0
        of = {name: found.get("run") for name, found in folder.manifests(number).items()}
        if of.get(MANIFEST) == export.run:
            return
        if of.get(HIDDEN) != export.run:
            raise ExportGone(
                f"version {number} of the orders of {export.day} isn't the one that this run "
                f"wrote any more: {folder.version(number)}; start the job again"
            )
        folder.rename_manifest(number, old=HIDDEN, new=MANIFEST)

    def _withdraw(self, export: MadeExport) -> None:
        folder, number = ExportFolder(self._root, export.day), export.version or 0
        if not (folder.version(number) / MANIFEST).exists():
            return
        manifest = folder.manifests(number).get(MANIFEST, {})
        if manifest.get("run") != export.run or not is_sealed(manifest):
            raise ChangedSince(
                f"{folder.version(number) / MANIFEST} isn't as this run wrote it any more; it was "
                "left as it is"
            )
        folder.rename_manifest(number, old=MANIFEST, new=HIDDEN)

    def _remove(self, orders: OrdersOfDay, version: int | None) -> None:
        folder = ExportFolder(self._root, orders.day)
        try:
            self._remove_version(folder, orders, version)
        finally:
            folder.clear(orders.run)

    def _remove_version(
        self, folder: ExportFolder, orders: OrdersOfDay, version: int | None
    ) -> None:
        made = folder.made_by(orders.run)
        if made is None:
            if version is not None and folder.version(version).exists():
                raise ChangedSince(
                    f"{folder.version(version)} doesn't say any more that this run wrote it; it "
                    "was left as it is"
                )
            return
        path = folder.version(made)
        manifest = next(iter(folder.manifests(made).values()))
        written = {file["name"]: file["sha256"] for file in manifest["files"]}
        changed = {found.name for found in path.iterdir()} - written.keys() - {HIDDEN}
        changed |= {name for name, is_same in _checked(path, written).items() if is_same is False}
        changed |= set() if is_sealed(manifest) else {HIDDEN}
        if not changed:
            folder.remove(made, orders.run)
            return
        for name in written.keys() - changed:
            with suppress(FileNotFoundError):
                (path / name).unlink()
        raise ChangedSince(
            f"in {path} somebody has changed {', '.join(sorted(changed))} since; that was left as "
            "it is, and this run's other files were removed"
        )


def _same(folder: ExportFolder, manifest: dict[str, Any]) -> int | None:
    """The newest published version, if it holds the same files, whole as they were written."""
    newest = folder.newest()
    if newest is None:
        return None
    number, published = newest
    written = {file["name"]: file["sha256"] for file in manifest["files"]}
    if {file["name"]: file["sha256"] for file in published.get("files", ())} != written:
        return None
    return number if all(_checked(folder.version(number), written).values()) else None


def _checked(path: Path, written: dict[str, str]) -> dict[str, bool | None]:
    """Whether each file is as it was written; None where it is gone."""
    return {
        name: digest(path / name) == sha256 if (path / name).exists() else None
        for name, sha256 in written.items()
    }


def _export(
    orders: OrdersOfDay, version: int, manifest: dict[str, Any], *, made: bool
) -> OrderExport:
    return OrderExport(
        day=orders.day,
        version=version,
        orders=manifest["orders"],
        rows=manifest["rows"],
        made=made,
    )
