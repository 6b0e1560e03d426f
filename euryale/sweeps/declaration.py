"""What a class of activities says of its sweeps: which rows there are, and what to do with them."""

import inspect
import typing
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from euryale.errors import SweepInvalid
from euryale.sweeps.source import Source

_MARK = "__euryale_sweep__"

Query = TypeVar("Query", bound=Callable[..., Source[Any]])


Step = TypeVar("Step", bound=Callable[..., Awaitable[None]])
Undo = Literal["restore"] | Callable[[Any, Any], Awaitable[None]] | None


@dataclass(frozen=True, slots=True)
class SweepMark:
    """What a method says of itself at its declaration; see `sweep_query` and `sweep_step`.

    Attributes:
        kind: Whether it tells which rows there are, or does something with them.
        name: Its name, as an activity's.
        undo: How a step is taken back.
        words: What a rehearsal says that a step would do.
    """

    kind: Literal["query", "step"]
    name: str
    undo: Undo = None
    words: str = ""

    @property
    def keeps(self) -> str:
        """What a batch keeps for its undo; see `Source.change`."""
        if self.undo is None:
            return ""
        return "rows" if self.undo == "restore" else "step"


def sweep_query(name: str) -> Callable[[Query], Query]:
    """Make a method say which rows a sweep goes over.

    It returns a source of rows, such as `euryale.sweeps.sql.Rows`, and may take one input.

    Args:
        name: Its name, such as `product.drafts`.

    Example:
        In a class of activities::

            @sweep_query("product.drafts")
            def drafts(self) -> Rows:
                return Rows(self._store, select(product).where(...), key=product.c.id)
    """
    return _marked(SweepMark("query", name))


def sweep_step(name: str, *, undo: Undo = None, words: str = "") -> Callable[[Step], Step]:
    """Make a method the step of a sweep: what is done with each batch of rows.

    It gets the batch that the query's source makes, such as `euryale.sweeps.sql.Batch`, and then
    the sweep's input where it has a parameter for that.

    Args:
        name: Its name, such as `product.publish`; activities bear it.
        undo: How it is taken back: `"restore"` puts back what `batch.update` changed, unless
            somebody changed it since; a method of the same class gets what the step kept of each
            row; None for a step that can't be taken back, and keeps nothing.
        words: What a rehearsal says that it would do, with `{}` for the number of rows.

    Example:
        In the same class::

            @sweep_step("product.publish", undo="restore", words="publish {} products")
            async def publish(self, batch: Batch) -> None:
                batch.update(status="published")
    """
    return _marked(SweepMark("step", name, undo=undo, words=words))


def _marked(mark: SweepMark) -> Callable[[Any], Any]:
    def apply(method: Any) -> Any:
        setattr(method, _MARK, mark)
        return method

    return apply


def sweep_mark(method: Any) -> SweepMark | None:
    """What a method says of itself; None where it is no part of a sweep."""
    found = getattr(method, _MARK, None)
    return found if isinstance(found, SweepMark) else None


@dataclass(frozen=True, slots=True)
class Declared:
    """A query or a step of a class.

    Attributes:
        cls: The class.
        method: The method's name.
        mark: What it says of itself.
        input_type: The type of its input; None where it takes none.
    """

    cls: type
    method: str
    mark: SweepMark
    input_type: Any

    @property
    def where(self) -> str:
        """Where it is declared."""
        return f"{self.cls.__module__}.{self.cls.__qualname__}.{self.method}"


def declared_in(classes: Iterable[type]) -> dict[str, Declared]:
    """The queries and steps of classes, by their names.

    Raises:
        SweepInvalid: Two bear one name, or a method has parameters that can't be filled in.
    """
    found: dict[str, Declared] = {}
    for one in _members(classes):
        other = found.setdefault(one.mark.name, one)
        if other is not one:
            raise SweepInvalid(
                f"the name '{one.mark.name}' is borne by {other.where} and by {one.where}",
                where=one.where,
                mend="rename one of them",
            )
    return found


def only_sweeps(cls: type) -> bool:
    """Whether a class declares queries or steps of sweeps, and no activities beside them."""
    members = [member for _, member in inspect.getmembers(cls, inspect.isfunction)]
    has_activities = any(hasattr(each, "__temporal_activity_definition") for each in members)
    return not has_activities and any(map(sweep_mark, members))


def _members(classes: Iterable[type]) -> Iterator[Declared]:
    for cls in classes:
        for name, member in inspect.getmembers(cls, inspect.isfunction):
            mark = sweep_mark(member)
            if mark is not None:
                yield _declared(cls, name, member, mark)


def _declared(cls: type, name: str, member: Callable[..., Any], mark: SweepMark) -> Declared:
    where = f"{cls.__module__}.{cls.__qualname__}.{name}"
    asynchronous = inspect.iscoroutinefunction(member)
    if asynchronous != (mark.kind == "step"):
        raise SweepInvalid(
            f"the {mark.kind} '{mark.name}' is {'an' if asynchronous else 'no'} async method",
            where=where,
            mend="a step is one, since it changes the rows; a query is none, since it only tells "
            "which rows are meant",
        )
    parameters = list(inspect.signature(member).parameters.values())[1:]
    given = parameters[1:] if mark.kind == "step" else parameters
    if len(given) > 1 or (mark.kind == "step" and not parameters):
        raise SweepInvalid(
            f"the {mark.kind} '{mark.name}' has parameters that nobody fills in",
            where=where,
            mend="a query may take one input; a step takes the batch, and then the same input",
        )
    if isinstance(mark.undo, str) and mark.undo != "restore":
        raise SweepInvalid(
            f"the undo of '{mark.name}' is '{mark.undo}'",
            where=where,
            mend='write undo="restore", or name the method itself, without quotes',
        )
    if callable(mark.undo) and getattr(cls, mark.undo.__name__, None) is not mark.undo:
        raise SweepInvalid(
            f"the undo of '{mark.name}' is no method of {cls.__qualname__}",
            where=where,
            mend="declare it in the same class, above the step",
        )
    hints = typing.get_type_hints(member, include_extras=True)
    input_type = hints.get(given[0].name, Any) if given else None
    return Declared(cls, name, mark, input_type)
