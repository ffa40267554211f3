"""Label and field selectors, as list and watch calls carry them.

Source of the grammar: k8s.io/apimachinery `pkg/labels/selector.go` and `pkg/fields/selector.go`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kpp.simulator.kubernetes.objects.resources import Json, Resource
from kpp.simulator.kubernetes.objects.status_errors import bad_request

_KEY = r"(?:[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_TERM = re.compile(
    rf"\s*(?:(?P<absent>!)\s*)?(?P<key>{_KEY})\s*"
    rf"(?:(?P<sign>==|=|!=|<|>)\s*(?P<value>{_VALUE})|(?P<among>in|notin)\s*\((?P<values>[^()]*)\))?\s*(?:,|$)"
)
_FIELD_TERM = re.compile(r"([^=!,]+)(==|=|!=)([^,]*)(?:,|$)")

Predicate = Callable[[Json], bool]
_Labels = dict[str, str]


@dataclass(frozen=True)
class Requirement:
    """One term of a label selector."""

    key: str
    operator: str  # exists, absent, in, notin, >, <
    values: frozenset[str] = frozenset()

    def matches(self, labels: _Labels) -> bool:
        """Whether an object with these labels is selected."""
        value = labels.get(self.key)
        match self.operator:
            case "exists":
                return value is not None
            case "absent":
                return value is None
            case "in":
                return value in self.values
            case "notin":  # an object without the label is selected too
                return value not in self.values
            case _:
                return _compare(value, self.operator, *self.values)


def parse_label_selector(text: str) -> tuple[Requirement, ...]:
    """The terms of a selector such as `app=shop,tier in (web, api),!canary`.

    >>> [requirement.operator for requirement in parse_label_selector("app=shop, tier notin (a,b), !canary")]
    ['in', 'notin', 'absent']

    Raises:
        StatusError: 400, it is no label selector.
    """
    requirements: list[Requirement] = []
    position = 0
    while position < len(text):
        term = _TERM.match(text, position)
        if term is None or (term["absent"] and (term["sign"] or term["among"])):
            raise bad_request(
                f'unable to parse requirement: found "{text[position:]}", expected: a requirement'
            )
        requirements.append(_requirement(term))
        position = term.end()
    return tuple(requirements)


def parse_field_selector(text: str, resource: Resource) -> Predicate:
    """A test for objects from a selector such as `metadata.name=shop,status.phase!=Running`.

    Raises:
        StatusError: 400, it is no field selector, or names a field that this resource is not selected by.
    """
    terms: list[tuple[str, bool, str]] = []
    position = 0
    while position < len(text):
        term = _FIELD_TERM.match(text, position)
        if term is None:
            raise bad_request(f'invalid selector: "{text}"; can\'t understand "{text[position:]}"')
        terms.append((term[1].strip(), term[2] != "!=", term[3].strip()))
        position = term.end()
    for field, _, _ in terms:
        _check_selectable(field, resource)
    return lambda manifest: all(
        (read_field(manifest, field) == value) is equal for field, equal, value in terms
    )


def selects(requirements: tuple[Requirement, ...], manifest: Json) -> bool:
    """Whether the object's labels meet all terms."""
    labels = manifest["metadata"].get("labels") or {}
    return all(requirement.matches(labels) for requirement in requirements)


def matches_labels(selector: Json, labels: _Labels) -> bool:
    """Whether the `selector` of a Deployment or ReplicaSet selects these labels."""
    wanted = (selector.get("matchLabels") or {}).items()
    expressions = [
        Requirement(
            expression["key"],
            {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}[
                expression["operator"]
            ],
            frozenset(expression.get("values") or ()),
        )
        for expression in selector.get("matchExpressions") or []
    ]
    return all(labels.get(key) == value for key, value in wanted) and all(
        expression.matches(labels) for expression in expressions
    )


def format_selector(selector: Json) -> str:
    """The `selector` of a Deployment or ReplicaSet as text.

    >>> format_selector({"matchLabels": {"app": "shop", "tier": "web"}})
    'app=shop,tier=web'
    """
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or []:
        key, values = expression["key"], f"({','.join(expression.get('values') or [])})"
        written = {"In": f"{key} in {values}", "NotIn": f"{key} notin {values}", "Exists": key}
        terms.append(written.get(expression["operator"], f"!{key}"))
    return ",".join(terms)


def read_field(manifest: Json, field: str) -> str:
    """A field by its dotted name, as text; "" when it is absent."""
    if field == "source":  # an event's short name for source.component
        field = "source.component"
    value: Any = manifest
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _requirement(term: re.Match[str]) -> Requirement:
    key = term["key"]
    if term["among"]:
        return Requirement(
            key, term["among"], frozenset(value.strip() for value in term["values"].split(","))
        )
    if term["sign"] is None:
        return Requirement(key, "absent" if term["absent"] else "exists")
    operator = {"=": "in", "==": "in", "!=": "notin"}.get(term["sign"], term["sign"])
    return Requirement(key, operator, frozenset([term["value"]]))


def _compare(value: str | None, operator: str, bound: str) -> bool:
    try:
        number, limit = int(value or ""), int(bound)
    except ValueError:
        return False
    return number > limit if operator == ">" else number < limit


def _check_selectable(field: str, resource: Resource) -> None:
    known = ("metadata.name", "metadata.namespace", *resource.selectable_fields)
    if field in known:
        return
    if resource.selectable_fields:
        raise bad_request(f"field label not supported: {field}")
    raise bad_request(f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"')
