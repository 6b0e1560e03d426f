"""What is wrong with a plugin's options, told without their values: these may be secrets."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError

from euryale.jobs.job import Problem, validation_problems

_SHORTEST_SECRET = 3
"""Characters from which on a value must not be repeated by a message."""


def option_problems(error: ValidationError) -> list[Problem]:
    """What validation refuses, a field at a time, without any of the values."""
    return [
        replace(problem, reason="the plugin's own check refuses it")
        if any(secret in str(detail["msg"]) for secret in _texts(detail["input"]))
        else problem
        for problem, detail in zip(
            validation_problems(error), error.errors(include_url=False), strict=True
        )
    ]


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value that a message might repeat."""
    if isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, BaseModel):
        yield from _texts(dict(value))
    else:
        shown = value.get_secret_value() if isinstance(value, SecretStr | SecretBytes) else value
        text = shown.decode(errors="replace") if isinstance(shown, bytes) else str(shown)
        if len(text) >= _SHORTEST_SECRET:
            yield text
