"""A query: PromQL as text that a person can paste into Prometheus, with gaps that are filled safely."""

import json
from dataclasses import dataclass
from string import Template

NAMESPACE, WINDOW = "namespace", "window"
PLACEHOLDERS = (NAMESPACE, WINDOW)


@dataclass(frozen=True)
class Query:
    """A PromQL text with two gaps, and the name it has in messages."""

    name: str
    template: str

    def text(self, namespace: str, window_seconds: int) -> str:
        """Fill in the namespace and the range of `rate`, in seconds.

        >>> print(Query("up", "count_over_time(up{namespace=$namespace}[$window])").text('a "b"', 60))
        count_over_time(up{namespace="a \\"b\\""}[60s])
        """
        return Template(self.template.strip()).substitute(
            {NAMESPACE: quote(namespace), WINDOW: f"{window_seconds}s"}
        )


def quote(value: str) -> str:
    r"""Write a string as PromQL does: JSON's escapes are a subset of those of Go, which PromQL uses.

    >>> print(quote('a "b" \\'))
    "a \"b\" \\"
    """
    return json.dumps(value, ensure_ascii=False)


# what a Prometheus answers whatever it holds
SELF_TEST = Query("self-test", "vector(1)")
