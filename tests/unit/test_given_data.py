"""What `--data` means, by the declaration of the handler's `data`."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from euryale.config import ScheduledJobConfig
from euryale.errors import DataInvalid
from euryale.jobs.given_data import given_data
from euryale.jobs.job import Job, JobSource, inspect_handler


class Place(BaseModel):
    city: str = ""
    floor: int = 0


class Wanted(BaseModel):
    limit: int = 3
    version: str = ""
    since: date | None = None
    tags: list[str] = []
    numbers: list[int] = []
    place: Place = Place()
    quick: bool = False


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


def job_with(handler: Callable[..., Any], **data: Any) -> Job:
    signature = inspect_handler(handler, where="jobs/a.py:1")
    return Job(
        config=ScheduledJobConfig(name="a", schedule="0 0 * * *", data=data),
        handler=handler,
        module="jobs.a",
        file=Path("jobs/a.py"),
        line=1,
        parameters=signature.parameters,
        data_type=signature.data_type,
        source=JobSource(Path("jobs")),
    )


async def typed(data: Wanted) -> None: ...


async def untyped(data: dict[str, Any]) -> None: ...


async def anything(data: Open) -> None: ...


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (['{"limit": 5}'], {"limit": 5}),
        (["limit=5"], {"limit": 5}),
        (["version=1.10"], {"version": "1.10"}),
        (["version=5"], {"version": "5"}),
        (["version="], {"version": ""}),
        (["version=a=b"], {"version": "a=b"}),
        (["since=2026-01-05"], {"since": "2026-01-05"}),
        (["since=null"], {"since": None}),
        (["tags=a", "tags=b"], {"tags": ["a", "b"]}),
        (["tags=1", "tags=2"], {"tags": ["1", "2"]}),
        (["tags=a"], {"tags": ["a"]}),
        (["tags=5"], {"tags": ["5"]}),
        (['tags=["a", "b"]'], {"tags": ["a", "b"]}),
        (["numbers=1", "numbers=2"], {"numbers": [1, 2]}),
        (["numbers=1"], {"numbers": [1]}),
        (["quick=yes"], {"quick": "yes"}),
        (["place.city=5", "place.floor=2"], {"place": {"city": "5", "floor": 2}}),
        (['{"limit": 5}', "version=2"], {"limit": 5, "version": "2"}),
        (["version=2", '{"limit": 5}'], {"limit": 5, "version": "2"}),
    ],
)
def test_a_text_means_what_the_handler_declares(
    texts: list[str], expected: dict[str, object]
) -> None:
    assert given_data(texts, job_with(typed)) == expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["limit=5", "name=Ada"], {"limit": 5, "name": "Ada"}),
        (["ratio=NaN"], {"ratio": "NaN"}),
        (["names=Ada", "names=Grace"], {"names": ["Ada", "Grace"]}),
    ],
)
def test_without_a_declaration_what_is_json_is_read_so(
    texts: list[str], expected: dict[str, object]
) -> None:
    assert given_data(texts, job_with(untyped)) == expected


def test_fields_go_over_the_data_of_the_config_and_an_object_replaces_it() -> None:
    job = job_with(typed, limit=9, place={"city": "Pune"})
    assert given_data([], job) == job.config.data
    assert given_data(["place.floor=1"], job) == {"limit": 9, "place": {"city": "Pune", "floor": 1}}
    assert given_data(['{"version": "2"}'], job) == {"version": "2"}
    assert job.config.data == {"limit": 9, "place": {"city": "Pune"}}


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (["limit=many"], "data.limit"),
        (["limt=5"], "Did you mean 'limit'?"),
        (["place.floor=high"], "data.place.floor"),
        (["limit.most=5", '{"limit": 5}'], "'limit', which is no object"),
        (["=5"], "'' names no field"),
        (["a..b=5"], "'a..b' names no field"),
        (["limit"], "no JSON"),
        (["[]"], "not an object"),
        (["{}", "{}"], "several JSON objects"),
        (["numbers=1", "numbers=x"], "data.numbers.1"),
    ],
)
def test_what_is_refused_names_the_field(texts: list[str], reason: str) -> None:
    with pytest.raises(DataInvalid) as caught:
        given_data(texts, job_with(typed))
    assert reason in str(caught.value)


def test_a_model_that_takes_any_field_gets_it() -> None:
    assert given_data(["colour=red"], job_with(anything)) == {"colour": "red"}
