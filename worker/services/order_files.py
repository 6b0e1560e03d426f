"""Orders in files: CSV for people and spreadsheets, Parquet for machines.

The same rows give the same bytes: no file holds when or by whom it was written.
"""

import csv
import io
import os
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
from pyarrow import parquet

from worker.services.order_lines import OrderLine

CSV = "orders.csv"
PARQUET = "orders.parquet"

FILE_MODE = 0o640
"""Orders name customers: nobody but the worker's user and group may read them."""

_MOMENT = pa.timestamp("us", tz="UTC")
_AMOUNT = pa.decimal128(38, 9)
_SCHEMA = pa.schema(
    [
        ("order_id", pa.string()),
        ("display_id", pa.int64()),
        ("status", pa.string()),
        ("created_at", _MOMENT),
        ("canceled_at", _MOMENT),
        ("customer_id", pa.string()),
        ("email", pa.string()),
        ("currency_code", pa.string()),
        ("item_id", pa.string()),
        ("product_id", pa.string()),
        ("variant_id", pa.string()),
        ("sku", pa.string()),
        ("product_title", pa.string()),
        ("title", pa.string()),
        ("quantity", _AMOUNT),
        ("unit_price", _AMOUNT),
        ("total", _AMOUNT),
    ]
)

COLUMNS: tuple[str, ...] = tuple(_SCHEMA.names)

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would carry out. Titles and addresses come from outside."""


class OrderFiles:
    """Writes both files of an export, side by side, page by page.

    Example:
        A page of rows into two new files of a folder::

            with OrderFiles(folder) as files:
                files.write(lines)
    """

    def __init__(self, folder: Path) -> None:
        self._raw = [create(folder / name) for name in (CSV, PARQUET)]
        text, binary = self._raw
        self._text = io.TextIOWrapper(text, encoding="utf-8", newline="")
        self._csv = csv.writer(self._text, lineterminator="\n")
        self._csv.writerow(COLUMNS)
        self._parquet = parquet.ParquetWriter(binary, _SCHEMA, compression="zstd")
        self.rows = 0

    def write(self, lines: Sequence[OrderLine]) -> None:
        """Append rows; each call is a row group of the Parquet file."""
        self._csv.writerows([_cell(line[name]) for name in COLUMNS] for line in lines)
        self._parquet.write_table(pa.Table.from_pylist(list(lines), schema=_SCHEMA))
        self.rows += len(lines)

    def finish(self) -> None:
        """Complete the files, and wait until the disk has them."""
        self._parquet.close()
        self._text.flush()
        for file in self._raw:
            file.flush()
            os.fsync(file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in (self._parquet, self._text, *self._raw):
            file.close()


def create(path: Path) -> io.BufferedWriter:
    """A new file for writing, readable by the worker's user and group at the most."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb")


def _cell(value: Any) -> str:
    """A value as CSV holds it: times in ISO 8601, amounts without trailing zeros."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}".rstrip("0").rstrip(".")
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return str(value)
