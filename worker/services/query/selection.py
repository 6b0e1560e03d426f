"""Which fields of an entity are wanted, and of which related ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.services.errors import QueryInvalid
from worker.services.query.catalog import Entity, find_entity, unknown_field

_DEEPEST = 8
"""Relations lead in circles; a path longer than this is a mistake."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The wanted fields of one entity, in the order of its table, and of its relations."""

    entity: Entity
    fields: tuple[str, ...]
    relations: Mapping[str, "Selection"]


def parse_fields(of: Entity, fields: object) -> Selection:
    """Fields as Medusa writes them.

    `title` is a field, `*` all of them; `variants.sku` and `variants.*` lead over a relation, and
    `variants` alone is short for `variants.*`.

    Raises:
        FieldUnknown: A name is no field or relation of its entity.
        QueryInvalid: It is no list of names, or an empty one.
    """
    if not isinstance(fields, list | tuple) or not all(isinstance(each, str) for each in fields):
        raise QueryInvalid('fields: a list of names is needed, such as ["id", "variants.sku"]')
    if not fields:
        raise QueryInvalid('fields: name at least one; ["*"] means all of them')
    wanted: dict[str, Any] = {}
    for path in fields:
        names = path.split(".")
        if len(names) > _DEEPEST:
            raise QueryInvalid(f"fields: {path!r} leads over too many relations")
        branch = wanted
        for name in names:
            branch = branch.setdefault(name, {})
    return _selection(of, wanted, "fields")


def _selection(of: Entity, wanted: Mapping[str, Any], place: str) -> Selection:
    fields: set[str] = set()
    relations: dict[str, Selection] = {}
    for name, below in wanted.items():
        if name in of.relations:
            target = find_entity(of.relations[name].entity)
            relations[name] = _selection(target, below or {"*": {}}, f"{place}.{name}")
        elif below or (name != "*" and name not in of.fields):
            raise unknown_field(of, name, place)
        else:
            fields.update(of.fields if name == "*" else [name])
    return Selection(of, tuple(name for name in of.fields if name in fields), relations)
