"""The worker's service container: wiring, lifetimes, cleanup and health."""

import asyncio
import contextvars
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Self, assert_type

import pytest
from structlog.testing import capture_logs

from euryale.errors import ServiceInvalid, ServiceUnavailable, ServiceUnknown
from euryale.services.provider import instance, per_activity, singleton
from euryale.services.service_container import Health, ServiceContainer


class Store:
    """What services keep things in."""


class Clock:
    """Something else to need."""


class ProductService:
    def __init__(self, store: Store) -> None:
        self.store = store


class CartService:
    def __init__(self, store: Store, product_service: ProductService, limit: int = 20) -> None:
        self.store = store
        self.product_service = product_service
        self.limit = limit


class ProductActivities:
    def __init__(self, product_service: ProductService, clock: Clock | None = None) -> None:
        self.product_service = product_service
        self.clock = clock


class Left:
    def __init__(self, right: "Right") -> None: ...


class Right:
    def __init__(self, left: Left) -> None: ...


# --- wiring ----------------------------------------------------------------------------------


async def test_a_service_is_found_by_type_and_by_name_with_what_it_needs() -> None:
    async with (
        ServiceContainer({"product": ProductService}, [singleton(Store)]) as services,
        services.activity_scope() as scope,
    ):
        product_service = await scope.get(ProductService)
        assert_type(product_service, ProductService)
        assert isinstance(product_service.store, Store)
        assert await scope.get("product") is product_service


async def test_a_parameter_that_nothing_provides_keeps_its_default() -> None:
    services = ServiceContainer(
        {"cart": CartService, "product": ProductService}, [singleton(Store)]
    )
    async with services, services.activity_scope() as scope:
        cart_service = await scope.get(CartService)
        assert cart_service.limit == 20
        assert cart_service.product_service is await scope.get(ProductService)


async def test_a_default_gives_way_to_a_provider() -> None:
    services = ServiceContainer(
        {"cart": CartService, "product": ProductService}, [singleton(Store), instance(5)]
    )
    async with services, services.activity_scope() as scope:
        assert (await scope.get(CartService)).limit == 5


async def test_optional_and_annotated_parameters_are_filled_in_by_the_type_behind_them() -> None:
    @dataclass
    class Wants:
        store: Annotated[Store, "where things are kept"]
        clock: Clock | None = None

    async with (
        ServiceContainer({"wants": Wants}, [singleton(Store), singleton(Clock)]) as services,
        services.activity_scope() as scope,
    ):
        wants = await scope.get(Wants)
        assert isinstance(wants.store, Store)
        assert isinstance(wants.clock, Clock)


async def test_a_ready_instance_is_provided_as_the_type_that_is_asked_for() -> None:
    class Fake(Store):
        pass

    fake = Fake()
    async with (
        ServiceContainer({"product": ProductService}, [instance(fake, Store)]) as services,
        services.activity_scope() as scope,
    ):
        assert (await scope.get(ProductService)).store is fake


async def test_a_class_of_activities_is_built_without_being_a_service() -> None:
    async with (
        ServiceContainer({"product": ProductService}, [singleton(Store)]) as services,
        services.activity_scope() as scope,
    ):
        activities = await scope.make(ProductActivities)
        assert activities.product_service is await scope.get(ProductService)
        assert activities.clock is None
        with pytest.raises(ServiceUnknown):
            await scope.get(ProductActivities)


async def test_an_async_function_is_called_with_the_services_that_it_names() -> None:
    async def count(product_service: ProductService, store: Store) -> bool:
        return product_service.store is store

    async with (
        ServiceContainer({"product": ProductService}, [singleton(Store)]) as services,
        services.activity_scope() as scope,
    ):
        assert await (await scope.make(count))


def test_a_class_of_activities_can_be_refused_before_any_activity_runs() -> None:
    with pytest.raises(ServiceInvalid, match="'ProductActivities' wants as its parameter"):
        ServiceContainer({}).prepare(ProductActivities)


def test_two_names_may_mean_one_service() -> None:
    services = ServiceContainer(
        {"product": ProductService, "productService": ProductService}, [singleton(Store)]
    )
    assert services.services == {"product": ProductService, "productService": ProductService}


# --- what is refused -------------------------------------------------------------------------


def test_a_parameter_without_annotation_is_refused_with_its_name() -> None:
    def make_store(path) -> Store:  # type: ignore[no-untyped-def]  # noqa: ANN001 -- the point
        return Store()

    with pytest.raises(ServiceInvalid, match=r"parameter 'path' of .*make_store.* no annotation"):
        singleton(make_store)


def test_a_function_that_does_not_say_what_it_provides_is_refused() -> None:
    def make_store():  # type: ignore[no-untyped-def]  # noqa: ANN202 -- the point
        return Store()

    with pytest.raises(ServiceInvalid, match="doesn't say what it provides"):
        singleton(make_store)


def test_a_type_that_cannot_be_resolved_is_refused_with_its_name_and_place() -> None:
    def make_store(path: "Pth") -> Store:  # type: ignore[name-defined]  # noqa: F821 -- the point
        return Store()

    with pytest.raises(ServiceInvalid, match=r"test_service_container.py:\d+: .*'Pth'"):
        singleton(make_store)


def test_something_that_nothing_provides_is_refused_with_the_nearest_name() -> None:
    class Stores:
        pass

    with pytest.raises(ServiceInvalid, match=r"nothing provides 'Store'.*Stores"):
        ServiceContainer({"product": ProductService}, [singleton(Stores)])


def test_two_providers_for_one_type_are_refused() -> None:
    with pytest.raises(ServiceInvalid, match="'Store' has two providers"):
        ServiceContainer({}, [singleton(Store), per_activity(Store)])


def test_a_cycle_is_refused_with_its_whole_chain() -> None:
    with pytest.raises(ServiceInvalid, match="Left -> Right -> Left"):
        ServiceContainer({"left": Left, "right": Right})


def test_a_singleton_that_needs_something_per_activity_is_refused_with_both_names() -> None:
    with pytest.raises(ServiceInvalid, match="singleton 'ProductService' needs 'Store'"):
        ServiceContainer({"product": singleton(ProductService)}, [per_activity(Store)])


def test_an_abstract_class_is_refused() -> None:
    class Abstract(ABC):
        @abstractmethod
        def save(self) -> None: ...

    with pytest.raises(ServiceInvalid, match="is abstract"):
        singleton(Abstract)


def test_a_decorated_generator_is_refused_because_its_cleanup_would_be_lost() -> None:
    @asynccontextmanager
    async def open_store() -> AsyncIterator[Store]:
        yield Store()

    with pytest.raises(ServiceInvalid, match="without @contextmanager"):
        singleton(open_store)


def test_a_service_that_is_no_class_is_refused() -> None:
    with pytest.raises(ServiceInvalid, match="service 'product'"):
        ServiceContainer({"product": Store()})  # type: ignore[dict-item]  # the point


async def test_an_unknown_service_is_refused_with_the_nearest_suggestion() -> None:
    async with (
        ServiceContainer({"product": ProductService}, [singleton(Store)]) as services,
        services.activity_scope() as scope,
    ):
        with pytest.raises(ServiceUnknown, match=r"'produkt'.*did you mean 'product'\?"):
            await scope.get("produkt")
        with pytest.raises(ServiceUnknown, match="'Clock'"):
            await scope.get(Clock)


# --- lifetimes -------------------------------------------------------------------------------


async def test_a_singleton_is_made_once_when_fifty_activities_ask_at_the_same_time() -> None:
    made: list[Store] = []
    asked = asyncio.Event()
    gate = asyncio.Event()

    async def open_store() -> Store:
        asked.set()
        await gate.wait()
        made.append(Store())
        return made[-1]

    async with ServiceContainer({"product": ProductService}, [singleton(open_store)]) as services:

        async def activity() -> Store:
            async with services.activity_scope() as scope:
                return (await scope.get(ProductService)).store

        running = [asyncio.create_task(activity()) for _ in range(50)]
        await asked.wait()
        gate.set()
        stores = await asyncio.gather(*running)
    assert len(made) == 1
    assert set(stores) == set(made)


async def test_a_failure_to_make_a_singleton_is_shared_by_those_who_wait_and_then_forgotten() -> (
    None
):
    attempts = 0

    async def open_store() -> Store:
        nonlocal attempts
        attempts += 1
        await asyncio.sleep(0)
        if attempts == 1:
            raise ConnectionError("postgres://shop:hunter2@db/shop refused")
        return Store()

    async with ServiceContainer({"product": ProductService}, [singleton(open_store)]) as services:

        async def activity() -> Store:
            async with services.activity_scope() as scope:
                return (await scope.get(ProductService)).store

        outcomes = await asyncio.gather(*(activity() for _ in range(5)), return_exceptions=True)
        assert all(isinstance(outcome, ServiceUnavailable) for outcome in outcomes)
        assert "'Store' could not be made: ConnectionError" in str(outcomes[0])
        assert "hunter2" not in str(outcomes[0])
        assert attempts == 1
        assert isinstance(await activity(), Store)


async def test_an_activity_that_is_cancelled_does_not_take_a_singleton_from_the_others() -> None:
    asked = asyncio.Event()
    gate = asyncio.Event()

    async def open_store() -> Store:
        asked.set()
        await gate.wait()
        return Store()

    async with ServiceContainer({"product": ProductService}, [singleton(open_store)]) as services:

        async def activity() -> Store:
            async with services.activity_scope() as scope:
                return (await scope.get(ProductService)).store

        first, second = asyncio.create_task(activity()), asyncio.create_task(activity())
        await asked.wait()
        first.cancel()
        gate.set()
        assert isinstance(await second, Store)
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_a_singleton_is_made_outside_of_the_context_of_the_activity_that_asks_first() -> None:
    activity_name = contextvars.ContextVar("activity_name", default="none")
    seen = []

    def make_store() -> Store:
        seen.append(activity_name.get())
        return Store()

    async with ServiceContainer({"product": ProductService}, [singleton(make_store)]) as services:
        activity_name.set("product.update")
        async with services.activity_scope() as scope:
            await scope.get(ProductService)
    assert seen == ["none"]


async def test_per_activity_means_once_in_each_activity_also_for_calls_side_by_side() -> None:
    made: list[Store] = []

    async def open_store() -> Store:
        await asyncio.sleep(0)
        made.append(Store())
        return made[-1]

    services = ServiceContainer({"product": ProductService}, [per_activity(open_store)])
    async with services:
        async with services.activity_scope() as scope:
            first, second, service = await asyncio.gather(
                scope.get(Store), scope.get(Store), scope.get(ProductService)
            )
            assert first is second is service.store
        async with services.activity_scope() as scope:
            assert await scope.get(Store) is not first
    assert len(made) == 2


async def test_nothing_is_made_before_it_is_asked_for() -> None:
    def make_store() -> Store:
        raise AssertionError("nobody asked")

    services = ServiceContainer({"product": ProductService}, [singleton(make_store)])
    async with services, services.activity_scope():
        pass


async def test_a_container_that_is_not_open_makes_no_singletons() -> None:
    services = ServiceContainer({"product": ProductService}, [singleton(Store)])
    async with services.activity_scope() as scope:
        with pytest.raises(ServiceUnavailable, match="not open"):
            await scope.get(ProductService)


async def test_a_task_that_outlives_its_activity_gets_no_services() -> None:
    services = ServiceContainer({"product": ProductService}, [per_activity(Store)])
    async with services:
        async with services.activity_scope() as scope:
            pass
        with pytest.raises(ServiceUnavailable, match="after the end of its activity"):
            await scope.get(ProductService)


# --- cleanup ---------------------------------------------------------------------------------


async def test_what_was_made_is_closed_in_reverse_order_activity_before_singletons() -> None:
    order: list[str] = []

    async def open_store() -> AsyncIterator[Store]:
        order.append("open store")
        yield Store()
        order.append("close store")

    def open_clock(store: Store) -> Iterator[Clock]:
        order.append("open clock")
        yield Clock()
        order.append("close clock")

    async def open_products(store: Store, clock: Clock) -> AsyncIterator[ProductService]:
        order.append("open products")
        yield ProductService(store)
        order.append("close products")

    services = ServiceContainer(
        {"product": per_activity(open_products)}, [singleton(open_store), per_activity(open_clock)]
    )
    async with services:
        async with services.activity_scope() as scope:
            await scope.get("product")
        order.append("activity over")
    assert order == [
        "open store",
        "open clock",
        "open products",
        "close products",
        "close clock",
        "activity over",
        "close store",
    ]


async def test_an_error_in_one_cleanup_is_logged_without_credentials_and_stops_no_other() -> None:
    closed = []

    def open_store() -> Iterator[Store]:
        yield Store()
        closed.append("store")

    def open_clock(store: Store) -> Iterator[Clock]:
        yield Clock()
        raise OSError("can't close redis://:hunter2@cache")

    services = ServiceContainer({}, [singleton(open_store), singleton(open_clock)])
    with capture_logs() as logs:
        async with services, services.activity_scope() as scope:
            await scope.get(Clock)
    assert closed == ["store"]
    (line,) = logs
    assert line["action"] == "service-cleanup-failed"
    assert line["service"] == "Clock"
    assert "OSError: can't close redis://***@cache" in line["error"]


async def test_a_cancelled_activity_still_closes_everything() -> None:
    closed = []
    asked = asyncio.Event()
    closing = asyncio.Event()

    async def open_store() -> AsyncIterator[Store]:
        try:
            yield Store()
        finally:
            closed.append("store")

    async def open_clock(store: Store) -> AsyncIterator[Clock]:
        try:
            yield Clock()
        finally:
            closing.set()
            await asyncio.Event().wait()  # hangs until it is cancelled, too

    services = ServiceContainer({}, [per_activity(open_store), per_activity(open_clock)])

    async def activity() -> None:
        async with services.activity_scope() as scope:
            await scope.get(Clock)
            asked.set()
            await asyncio.Event().wait()

    async with services:
        running = asyncio.create_task(activity())
        await asked.wait()
        running.cancel()
        await closing.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert closed == ["store"]


class Begun:
    """A transaction as a store makes it, which tells how it ended."""

    def __init__(self, name: str, ended: list[str], problem: Exception | None = None) -> None:
        self.name = name
        self.ended = ended
        self.problem = problem

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, exc_type: object, error: object, traceback: object) -> None:
        if self.problem is not None:
            raise self.problem
        self.ended.append(f"{self.name}: {'committed' if error is None else error!r}")


async def failing_activity(
    services: ServiceContainer, wanted: type[object], problem: Exception
) -> None:
    async with services.activity_scope() as scope:
        await scope.get(wanted)
        raise problem


@pytest.mark.parametrize("hides", [False, True])
async def test_an_activity_that_fails_commits_nothing_whatever_another_cleanup_hides(
    hides: bool,
) -> None:
    ended: list[str] = []

    async def begin() -> AsyncIterator[Store]:
        async with Begun("store", ended):
            yield Store()

    def open_clock(store: Store) -> Iterator[Clock]:
        try:
            yield Clock()
        except OSError as error:
            ended.append(f"clock: {error!r}")
            if not hides:
                raise

    async with ServiceContainer({}, [per_activity(begin), per_activity(open_clock)]) as services:
        with pytest.raises(OSError, match="half done"):
            await failing_activity(services, Clock, OSError("half done"))
    assert ended == ["clock: OSError('half done')", "store: OSError('half done')"]


async def test_a_commit_that_fails_fails_the_activity_and_what_began_before_it() -> None:
    ended: list[str] = []

    async def begin() -> AsyncIterator[Store]:
        async with Begun("store", ended):
            yield Store()

    async def open_clock(store: Store) -> AsyncIterator[Clock]:
        async with Begun("clock", ended, problem=OSError("no commit")):
            yield Clock()

    async with ServiceContainer({}, [per_activity(begin), per_activity(open_clock)]) as services:
        with pytest.raises(OSError, match="no commit"):
            async with services.activity_scope() as scope:
                await scope.get(Clock)
    assert ended == ["store: OSError('no commit')"]


async def test_a_rollback_that_fails_is_logged_and_the_activity_keeps_its_own_error() -> None:
    async def begin() -> AsyncIterator[Store]:
        async with Begun("store", [], problem=OSError("connection lost")):
            yield Store()

    async with ServiceContainer({}, [per_activity(begin)]) as services:
        with capture_logs() as logs, pytest.raises(ValueError, match="no such product"):
            await failing_activity(services, Store, ValueError("no such product"))
    (line,) = logs
    assert "OSError: connection lost" in line["error"]


async def test_a_service_that_is_a_context_manager_is_left_to_whoever_uses_it() -> None:
    class Session:
        entered = False

        async def __aenter__(self) -> Self:
            self.entered = True
            return self

        async def __aexit__(self, *error: object) -> None: ...

    async with (
        ServiceContainer({"session": Session, "one": singleton(Clock)}) as services,
        services.activity_scope() as scope,
    ):
        assert not (await scope.get(Session)).entered


async def test_closing_gives_up_singletons_that_are_still_being_made() -> None:
    started = asyncio.Event()
    interrupted = []

    async def open_store() -> Store:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            interrupted.append("store")
            raise
        return Store()

    async with ServiceContainer({}, [singleton(open_store)]) as services:

        async def activity() -> None:
            async with services.activity_scope() as scope:
                await scope.get(Store)

        running = asyncio.create_task(activity())
        await started.wait()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert interrupted == ["store"]


# --- health ----------------------------------------------------------------------------------


async def test_health_asks_sync_and_async_pings_and_names_what_is_wrong() -> None:
    async def ping_store(store: Store) -> None:
        raise ConnectionError("database is gone")

    services = ServiceContainer(
        {"product": per_activity(ProductService, ping=lambda service: service.store)},
        [singleton(Store, ping=ping_store), singleton(Clock)],
    )
    async with services:
        product, store = await services.check_health()
    assert product == Health("product", ok=True)
    assert (store.name, store.ok) == ("Store", False)
    assert "ConnectionError: database is gone" in store.error


async def test_a_ping_that_does_not_answer_in_time_is_no_health() -> None:
    async def ping(_: Store) -> None:
        await asyncio.Event().wait()

    async with ServiceContainer({}, [singleton(Store, ping=ping)]) as services:
        (health,) = await services.check_health(timeout=timedelta(milliseconds=10))
    assert health == Health("Store", ok=False, error="no answer within 0.01 s")


async def test_a_service_that_cannot_be_made_is_no_health() -> None:
    async def open_store() -> Store:
        raise ConnectionError("refused")

    async with ServiceContainer({}, [singleton(open_store, ping=lambda store: store)]) as services:
        (health,) = await services.check_health()
    assert not health.ok
    assert "ConnectionError: refused" in health.error
