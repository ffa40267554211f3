"""What a PromQL text selects, read off the text: enough to say why a query of ours is empty."""

import re
from collections.abc import Iterator
from dataclasses import replace

from kpp.collector.preflight.metrics import Selector

_SELECTOR = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)\s*\{((?:[^}"]|"(?:[^"\\]|\\.)*")*)\}')
_MATCHER = re.compile(r'([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*")')
_GROUPING = re.compile(r"\bby\s*\(([^)]*)\)")
_BUCKET = "le"


def read_selectors(text: str) -> Iterator[Selector]:
    """Each metric that a query selects, once, and the labels that have to be there.

    A label has to be there if a matcher asks for a value, or if the query groups by it.

    >>> [*read_selectors('sum by (pod) (rate(cpu{namespace="shop", image=""}[60s]))')]
    [Selector(metric='cpu', labels=('namespace', 'pod'))]
    """
    grouped = {name.strip() for names in _GROUPING.findall(text) for name in names.split(",")}
    found: dict[str, Selector] = {}
    for metric, matchers in _SELECTOR.findall(text):
        wanted = {name for name, kind, value in _MATCHER.findall(matchers) if kind == "=" and value != '""'}
        grouping = grouped if metric.endswith("_bucket") else grouped - {_BUCKET}
        selector = Selector(metric, tuple(sorted(wanted | grouping)))
        known = found.setdefault(metric, selector)
        found[metric] = replace(known, labels=tuple(sorted({*known.labels, *selector.labels})))
    yield from found.values()


def first_selection(text: str) -> str | None:
    """The first metric of a query with its matchers, as text; None in a query that names none so.

    >>> first_selection('sum(rate(cpu{pod="a"}[60s]))')
    'cpu{pod="a"}'
    >>> first_selection('cpu{pod=~"a{2}"}'), first_selection("sum(cpu)")
    ('cpu{pod=~"a{2}"}', None)
    """
    match = _SELECTOR.search(text)
    return None if match is None else f"{match[1]}{{{' '.join(match[2].split())}}}"
