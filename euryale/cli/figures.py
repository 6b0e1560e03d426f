"""An application's figures: what a reader looks at before and after a run."""

import inspect
import typing
from collections.abc import Mapping

from rich.text import Text

from euryale.app import Euryale
from euryale.services.service_container import ServiceContainer

Figures = Mapping[str, int]


async def read_figures(app: Euryale) -> Figures:
    """Count the application's figures; none if it names none."""
    if app.figures is None:
        return {}
    types = typing.get_type_hints(app.figures)
    async with (
        ServiceContainer(app.parts.services, app.parts.providers) as container,
        container.activity_scope() as scope,
    ):
        needs = {
            name: await scope.get(types[name]) for name in inspect.signature(app.figures).parameters
        }
        return dict(await app.figures(**needs))


def changed_figures(before: Figures, after: Figures) -> dict[str, dict[str, int | None]]:
    """The figures that are not what they were.

    Example:
        >>> changed_figures({"drafts": 200, "products": 1000}, {"drafts": 0, "products": 1000})
        {'drafts': {'before': 200, 'after': 0}}
    """
    return {
        name: {"before": before.get(name), "after": after.get(name)}
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    }


def figures_text(changed: Mapping[str, Mapping[str, int | None]]) -> Text:
    """The changed figures for people, a line each."""
    if not changed:
        return Text("  no figure changed", style="dim")
    width = max(map(len, changed))
    text = Text()
    for number, (name, values) in enumerate(changed.items()):
        text.append("\n" if number else "").append(f"  {name:<{width}}  ")
        text.append(_number(values["before"]), style="red").append(" ⇒ ")
        text.append(_number(values["after"]), style="green")
    return text


def _number(value: int | None) -> str:
    return "none" if value is None else f"{value:,}"
