from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from euryale.config import ScheduledJobConfig
from euryale.errors import DataInvalid, HandlerInvalid
from euryale.jobs.job import (
    Job,
    JobSource,
    inspect_handler,
    read_config,
    suggestion,
    validation_problems,
)

if TYPE_CHECKING:
    from nowhere import Container  # type: ignore[import-not-found]


class Item(BaseModel):
    sku: str
    count: int = 1


class Order(BaseModel):
    items: list[Item] = []
    placed: datetime | None = None


class NotData:
    pass


def job_with(handler: Any) -> Job:
    signature = inspect_handler(handler)
    return Job(
        config=ScheduledJobConfig(name="order", schedule="0 0 * * *"),
        handler=handler,
        module="jobs.shop.order",
        file=Path("order.py"),
        line=7,
        parameters=signature.parameters,
        data_type=signature.data_type,
        source=JobSource(path=Path("jobs")),
    )


def refusal_of(handler: Any) -> str:
    with pytest.raises(HandlerInvalid) as refused:
        inspect_handler(handler, where="jobs/x.py:3")
    return str(refused.value)


def test_a_handler_names_what_it_needs_in_its_own_order() -> None:
    async def handler(
        scheduled_for: Any, data: Any = None, *, container: Any, plugin_options: Any = None
    ) -> None: ...

    assert inspect_handler(handler).parameters == (
        "scheduled_for",
        "data",
        "container",
        "plugin_options",
    )


def test_a_handler_may_need_nothing() -> None:
    async def handler() -> None: ...

    assert inspect_handler(handler).parameters == ()


def test_a_decorated_async_function_is_a_handler_with_the_parameters_of_the_function() -> None:
    def logged(function: Any) -> Any:
        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    @logged
    async def handler(data: Order) -> None: ...

    signature = inspect_handler(handler)
    assert signature.parameters == ("data",)
    assert signature.data_type is Order


def test_partials_and_instances_with_an_async_call_are_handlers() -> None:
    async def function(container: Any, data: Any) -> None: ...

    class Handler:
        async def __call__(self, container: Any) -> None: ...

    assert inspect_handler(partial(function, data={})).parameters == ("container", "data")
    assert inspect_handler(Handler()).parameters == ("container",)


def test_a_plain_function_is_refused_with_the_line_and_how_to_write_it() -> None:
    def handler(container: Any) -> None: ...

    message = refusal_of(handler)
    assert message.startswith("jobs/x.py:3: ")
    assert "async def handler" in message


def test_a_generator_and_a_value_are_refused() -> None:
    async def handler(container: Any) -> Any:
        yield 1

    assert "yield" in refusal_of(handler)
    assert "of type str" in refusal_of("handler")


def test_an_unknown_parameter_is_refused_with_the_known_ones_and_the_nearest() -> None:
    async def handler(container: Any, pluginOptions: Any, dta: Any, x: Any) -> None: ...  # noqa: N803

    message = refusal_of(handler)
    assert "'pluginOptions' (did you mean 'plugin_options'?)" in message
    assert "'dta' (did you mean 'data'?)" in message
    assert "'x'." in message
    assert "'container', 'data', 'plugin_options', 'scheduled_for'" in message


@pytest.mark.parametrize("name", ["*args", "**kwargs", "container"])
def test_parameters_that_cannot_be_given_by_name_are_refused(name: str) -> None:
    async def variadic(*args: Any) -> None: ...
    async def keywords(**kwargs: Any) -> None: ...
    async def positional(container: Any, /) -> None: ...

    handlers = {"*args": variadic, "**kwargs": keywords, "container": positional}
    assert f"'{name}'" in refusal_of(handlers[name])


def test_unannotated_and_dict_annotated_data_stays_a_plain_dict() -> None:
    async def missing(data) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001
    async def anything(data: Any) -> None: ...
    async def plain(data: dict[str, Any]) -> None: ...
    async def mapping(data: Mapping[str, Any]) -> None: ...

    for handler in (missing, anything, plain, mapping):
        job = job_with(handler)
        assert job.data_type is None
        assert job.validate_data({"a": 1}) == {"a": 1}


def test_data_that_is_no_object_is_refused_where_the_handler_declares_none() -> None:
    async def handler(data: Any) -> None: ...

    with pytest.raises(DataInvalid, match="should be an object"):
        job_with(handler).validate_data([1])


def test_only_the_annotation_of_data_has_to_exist_at_run_time() -> None:
    async def handler(container: "Container", data: "Order") -> None: ...

    assert inspect_handler(handler).data_type is Order


def test_an_annotation_of_data_that_does_not_exist_at_run_time_is_refused() -> None:
    async def handler(data: "Container") -> None: ...

    assert "name 'Container' is not defined" in refusal_of(handler)


def test_an_annotation_of_data_that_cannot_be_validated_is_refused() -> None:
    async def handler(data: NotData) -> None: ...

    assert "can't be validated" in refusal_of(handler)


def test_data_becomes_an_instance_of_what_the_handler_declares() -> None:
    async def handler(data: Order) -> None: ...

    order = job_with(handler).validate_data(
        {"items": [{"sku": "A", "count": 2}], "placed": "2026-01-02T03:04:05Z"}
    )
    assert order == Order(
        items=[Item(sku="A", count=2)], placed=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    )
    assert job_with(handler).validate_data(order) == order


def test_constraints_on_the_annotation_hold() -> None:
    async def handler(data: Annotated[dict[str, int], Field(min_length=1)]) -> None: ...

    with pytest.raises(DataInvalid, match="at least 1 item"):
        job_with(handler).validate_data({})


def test_each_field_of_invalid_data_is_named_with_its_reason() -> None:
    async def handler(data: Order) -> None: ...

    with pytest.raises(DataInvalid) as refused:
        job_with(handler).validate_data({"items": [{"count": "many"}]})
    message = str(refused.value)
    assert "job 'order'" in message
    assert "data.items.0.sku: field required" in message
    assert "data.items.0.count: input should be a valid integer" in message


def test_refused_data_is_not_repeated_in_the_message() -> None:
    secret = "s3cret" * 10

    def never(value: str) -> str:
        msg = f"no key: {value}"
        raise ValueError(msg)

    from pydantic import AfterValidator  # noqa: PLC0415 -- only this test needs it

    class Keyed(BaseModel):
        count: int
        key: Annotated[str, AfterValidator(never)]

    async def handler(data: Any) -> None: ...

    handler.__annotations__["data"] = Keyed
    with pytest.raises(DataInvalid) as refused:
        job_with(handler).validate_data({"count": secret, "key": secret})
    assert "data.key" in str(refused.value)
    assert secret not in str(refused.value)


def test_a_job_names_its_file_from_the_project_root() -> None:
    async def handler() -> None: ...

    job = job_with(handler)
    assert job.where == "jobs/shop/order.py:7"
    assert job.name == "order"


def test_a_config_may_be_a_dict() -> None:
    config = read_config({"name": "a", "schedule": "0 0 * * *", "retry": {"maximum_attempts": 2}})
    assert config.retry.maximum_attempts == 2


def test_a_config_of_another_type_is_refused() -> None:
    with pytest.raises(TypeError, match="config is of type str"):
        read_config("0 0 * * *")


def test_unknown_config_fields_are_told_with_the_nearest_known_one() -> None:
    with pytest.raises(ValidationError) as refused:
        read_config(
            {
                "name": "a",
                "schedule": "0 0 * * *",
                "numberOfExecutions": 3,
                "retry": {"maximumAttempts": 2},
            }
        )
    told = {problem.field: problem.mend for problem in validation_problems(refused.value)}
    assert told == {
        "numberOfExecutions": "did you mean 'number_of_executions'?",
        "retry.maximumAttempts": "did you mean 'maximum_attempts'?",
    }


def test_a_name_that_resembles_none_gets_the_whole_list() -> None:
    assert suggestion("zzz", ["b", "a"]) == "the known ones are 'a', 'b'"
