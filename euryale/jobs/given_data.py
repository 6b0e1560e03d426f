"""A run's data as it is given on the command line: a JSON object, single fields, or both.

What a field's text means is for the handler's declaration to say: `limit=10` is a number where a
number is declared, and a text where a text is.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from euryale.errors import DataInvalid
from euryale.jobs.job import Job, suggestion

OPTION = "--data"

_EXAMPLE = "write it as '{\"limit\": 10}' or as limit=10"


@dataclass(frozen=True, slots=True)
class _Field:
    """A field that was given by itself: its path, and what each of its texts may mean."""

    path: tuple[str, ...]
    texts: tuple[str, ...]

    def forms(self) -> list[Any]:
        """What may be meant, the likeliest first."""
        written, read = list(self.texts), [_value(text) for text in self.texts]
        if len(written) > 1:
            return [read, written]
        return [read[0], written[0], read, written]


def parse_data(text: str) -> dict[str, Any]:
    """Read a run's data as a JSON object.

    Raises:
        DataInvalid: It is none.

    Example:
        >>> parse_data('{"limit": 10}')
        {'limit': 10}
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise DataInvalid(f"the data is no JSON: {error}", where=OPTION, mend=_EXAMPLE) from None
    if not isinstance(value, dict):
        raise DataInvalid(
            f"the data is a JSON {type(value).__name__}, not an object",
            where=OPTION,
            mend=_EXAMPLE,
        )
    return value


def given_data(texts: Sequence[str], job: Job) -> dict[str, Any]:
    """Read a run's data from all that was given of it.

    Args:
        texts: A JSON object, which stands in place of the config's data; and `name=value` for
            single fields, which go over it. A field given several times is a list; `a.b=value` is
            a field of a field.
        job: The job whose data it is.

    Returns:
        The data as JSON can say it, which is what the handler declares.

    Raises:
        DataInvalid: A text is neither of the two, or the data isn't what the handler declares;
            names the field.
    """
    objects = [text for text in texts if _is_object(text)]
    if len(objects) > 1:
        raise DataInvalid(
            "the data is given as several JSON objects", where=OPTION, mend="give one"
        )
    base = parse_data(objects[0]) if objects else dict(job.config.data)
    fields = _fields(text for text in texts if not _is_object(text))
    _refuse_unknown(fields, job)
    data = _settled(base, fields, job)
    job.validate_data(data)
    return data


def _is_object(text: str) -> bool:
    return "=" not in text or text.lstrip()[:1] in {"{", "["}


def _fields(texts: Iterable[str]) -> tuple[_Field, ...]:
    given: dict[tuple[str, ...], list[str]] = {}
    for text in texts:
        name, _, value = text.partition("=")
        path = tuple(part.strip() for part in name.split("."))
        if not all(path):
            raise DataInvalid(f"'{name}' names no field", where=OPTION, mend=_EXAMPLE)
        given.setdefault(path, []).append(value)
    return tuple(_Field(path, tuple(values)) for path, values in given.items())


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return text


def _refuse_constant(name: str) -> None:
    # `NaN` and `Infinity`, which Python's parser takes and JSON doesn't have.
    raise ValueError(name)


def _settled(base: Mapping[str, Any], fields: Sequence[_Field], job: Job) -> dict[str, Any]:
    """The data in the first forms that the handler's declaration takes; or else in the first."""
    forms = [field.forms() for field in fields]
    chosen = [0] * len(fields)
    first = _with_fields(base, fields, [options[0] for options in forms])
    if job.data_type is None:
        return first
    adapter: TypeAdapter[Any] = TypeAdapter(job.data_type)
    while True:
        data = _with_fields(
            base, fields, [options[at] for options, at in zip(forms, chosen, strict=True)]
        )
        try:
            adapter.validate_python(data)
        except ValidationError as error:
            refused = {
                number
                for detail in error.errors(include_url=False, include_context=False)
                for number, field in enumerate(fields)
                if _concerns(detail["loc"], field.path) and chosen[number] + 1 < len(forms[number])
            }
        except TypeError:
            return first
        else:
            return data
        if not refused:
            return first
        for number in refused:
            chosen[number] += 1


def _concerns(location: Sequence[int | str], path: Sequence[str]) -> bool:
    """Whether what pydantic refuses is a field, a part of it, or what it is a part of."""
    return all(str(at) == part for at, part in zip(location, path, strict=False))


def _with_fields(
    base: Mapping[str, Any], fields: Sequence[_Field], values: Sequence[Any]
) -> dict[str, Any]:
    data = dict(base)
    for field, value in zip(fields, values, strict=True):
        *outer, last = field.path
        place = data
        for part in outer:
            inner = place.get(part, {})
            if not isinstance(inner, Mapping):
                raise DataInvalid(
                    f"'{'.'.join(field.path)}' is a field of '{part}', which is no object",
                    where=OPTION,
                    mend="give the whole of it as JSON",
                )
            place[part] = place = dict(inner)
        place[last] = value
    return data


def _refuse_unknown(fields: Sequence[_Field], job: Job) -> None:
    """Raise for a field that the declared model doesn't have, and would pass over in silence."""
    model = job.data_type
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return
    if model.model_config.get("extra") == "allow":
        return
    known = set(model.model_fields)
    for declared in model.model_fields.values():
        if declared.validation_alias is not None and not isinstance(declared.validation_alias, str):
            return
        known |= {name for name in (declared.alias, declared.validation_alias) if name}
    for field in fields:
        if field.path[0] not in known:
            raise DataInvalid(
                f"the data of job '{job.name}' has no field '{field.path[0]}'",
                where=OPTION,
                mend=suggestion(field.path[0], known),
            )
