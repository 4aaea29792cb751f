"""Label selectors, checked: an unreadable one raises InvalidConfig and names the place.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from genie_core.errors import InvalidConfig
from genie_core.fields import describe, get_list, get_object, get_str, get_strings, place
from genie_core.published import JSON

_WITH_VALUES, _WITHOUT_VALUES = ("In", "NotIn"), ("Exists", "DoesNotExist")


@dataclass(frozen=True, slots=True, order=True)
class Selector:
    """`labels` must all be there; each expression is (key, operator, values). Without any of both it selects all."""

    labels: tuple[tuple[str, str], ...] = ()
    expressions: tuple[tuple[str, str, tuple[str, ...]], ...] = ()

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        return all(labels.get(key) == value for key, value in self.labels) and all(
            _holds(key, operator, values, labels) for key, operator, values in self.expressions
        )

    @property
    def absent(self) -> set[str]:
        """The labels that may, or have to be, absent from what is selected."""
        return {key for key, operator, _ in self.expressions if operator in ("NotIn", "DoesNotExist")}

    def as_json(self) -> JSON:
        """The selector, as Kubernetes writes it."""
        expressions = [
            {"key": key, "operator": operator, **({"values": list(values)} if values else {})}
            for key, operator, values in self.expressions
        ]
        return {
            **({"matchLabels": dict(self.labels)} if self.labels else {}),
            **({"matchExpressions": expressions} if expressions else {}),
        }


ALL = Selector()


def _holds(key: str, operator: str, values: tuple[str, ...], labels: Mapping[str, str]) -> bool:
    if operator == "In":
        return key in labels and labels[key] in values
    if operator == "NotIn":
        return key not in labels or labels[key] not in values
    return (key in labels) == (operator == "Exists")


def object_at(value: object, where: str) -> JSON:
    """The object at a place. Raises InvalidConfig for anything else."""
    if not isinstance(value, dict):
        raise InvalidConfig(f"{where} must be an object, not {describe(value)}")
    return value


def read_selector(data: JSON, key: str, where: str) -> Selector | None:
    """The selector that is `key` of an object; None where it is absent. Raises InvalidConfig."""
    if data.get(key) is None:
        return None
    here = place(where, key)
    raw = object_at(data[key], here)
    unknown = sorted(set(raw) - {"matchLabels", "matchExpressions"})
    if unknown:
        raise InvalidConfig(f"{here}: {unknown[0]!r} is no part of a selector")
    labels = get_object(raw, "matchLabels", where=here)
    for name, value in labels.items():
        if value is None:
            raise InvalidConfig(f"{here}.matchLabels.{name} must be a string, not null")
        get_str(labels, name, where=f"{here}.matchLabels")
    expressions = [
        _expression(item, place(f"{here}.matchExpressions", index))
        for index, item in enumerate(get_list(raw, "matchExpressions", where=here))
    ]
    return Selector(tuple(sorted(labels.items())), tuple(sorted(expressions)))


def _expression(item: object, where: str) -> tuple[str, str, tuple[str, ...]]:
    data = object_at(item, where)
    key, operator = get_str(data, "key", where=where), get_str(data, "operator", where=where)
    values = tuple(sorted(set(get_strings(data, "values", where=where))))
    if not key:
        raise InvalidConfig(f"{where}.key is missing")
    if operator not in _WITH_VALUES + _WITHOUT_VALUES:
        raise InvalidConfig(
            f"{where}.operator must be In, NotIn, Exists or DoesNotExist, not {operator[:40]!r}"
        )
    if bool(values) != (operator in _WITH_VALUES):
        wanted = "needs values" if operator in _WITH_VALUES else "takes no values"
        raise InvalidConfig(f"{where}: {operator} {wanted}")
    return key, operator, values
