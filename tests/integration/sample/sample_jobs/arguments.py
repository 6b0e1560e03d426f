"""A job that names all that a handler may name."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from euryale import Container, ScheduledJobConfig


class Options(BaseModel):
    limit: int
    tags: list[str] = []


config = ScheduledJobConfig(name="arguments", schedule="0 0 * * *", data={"limit": 3})


async def handler(
    data: Options, scheduled_for: datetime, plugin_options: Mapping[str, Any], container: Container
) -> dict[str, Any]:
    assert isinstance(data, Options)
    return {
        "limit": data.limit,
        "scheduled_for": scheduled_for,
        "plugin_options": plugin_options,
        "now": container.now(),
    }
