"""What a type checker sees of handlers and sagas.

`make check` is what proves these: an `assert_type` that doesn't hold is an error there, and so is
an ignored error that isn't one.
"""

from typing import Any, assert_type

from temporalio import activity, workflow

from euryale import Container, DurableLogger, Saga, StepResponse, Unfinished, step


class Greeter:
    async def greet(self, name: str) -> str:
        return f"hello {name}"


class Lamps:
    @activity.defn
    async def off(self, lamp_id: str) -> None: ...

    @step("lamp.on", compensation=off)
    async def on(self, volts: int) -> StepResponse[bool, str]:
        return StepResponse(output=True, undo="lamp")


async def a_service_is_typed_by_its_class(container: Container) -> None:
    greeter = assert_type(container.resolve(Greeter), Greeter)
    assert_type(await greeter.greet("Ada"), str)
    await greeter.greet(3)  # type: ignore[arg-type]
    await greeter.gret("Ada")  # type: ignore[attr-defined]


async def a_name_is_typed_only_for_the_logger(container: Container) -> None:
    assert_type(container.resolve("logger"), DurableLogger)
    assert_type(container.resolve("greeter"), Any)


async def a_step_is_typed_end_to_end(saga: Saga) -> None:
    assert_type(await saga.step(Lamps.on, 230), bool)
    await saga.step(Lamps.on, "230")  # type: ignore[arg-type]
    await saga.step(Lamps.off, "lamp")  # type: ignore[arg-type]


def a_compensation_must_take_what_the_step_leaves() -> None:
    class Doors:
        @activity.defn
        async def close(self, door: int) -> None: ...

        @step("door.open", compensation=close)  # type: ignore[arg-type]
        async def open(self, door: str) -> StepResponse[bool, str]:
            return StepResponse(output=True, undo=door)


def a_cut_off_step_is_taken_back_by_what_its_compensation_takes() -> None:
    def number(cut: Unfinished[int]) -> int:
        return cut.input

    class Gates:
        @activity.defn
        async def close(self, gate: int) -> None: ...

        @activity.defn
        async def look(self, gate: int) -> bool:
            return True

        @step("gate.open", compensation=close, unfinished=number, preview=look)
        async def open(self, gate: int) -> StepResponse[bool, int]:
            return StepResponse(output=True, undo=gate)

        @step("gate.lift", compensation=close, unfinished=number)  # type: ignore[arg-type]
        async def lift(self, gate: str) -> StepResponse[bool, int]:
            return StepResponse(output=True, undo=1)

        @step("gate.bar", compensation=close, preview=look)  # type: ignore[arg-type]
        async def bar(self, gate: int) -> StepResponse[str, int]:
            return StepResponse(output="", undo=gate)

        @step("gate.paint", compensation=None)
        async def paint(self, gate: int) -> StepResponse[str, None]:
            return StepResponse(output="red", undo=None)

        @step("gate.sell", compensation=None)  # type: ignore[arg-type]
        async def sell(self, gate: int) -> StepResponse[str, int]:
            return StepResponse(output="sold", undo=gate)

    async def run(saga: Saga) -> None:
        assert_type(await saga.step(Gates.open, 1), bool)
        assert_type(await saga.step(Gates.paint, 1), str)
        assert_type(await saga.step(Gates.open, 1, continue_on_failure=True), bool | None)


@workflow.defn
class Doubles:
    @workflow.run
    async def run(self, number: int) -> str:
        return str(2 * number)


async def a_child_workflow_is_typed_end_to_end(saga: Saga) -> None:
    assert_type(await saga.child(Doubles.run, 4), str)
    await saga.child(Doubles.run, "4")  # type: ignore[misc]


def test_the_checks_above_are_checked() -> None:
    checked = [name for name in globals() if name.startswith("a_")]
    assert len(checked) == 6
