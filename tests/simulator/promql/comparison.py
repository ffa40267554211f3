"""Asks both servers the same and compares their answers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

Parameters = Mapping[str, str | Sequence[str]]

RELATIVE_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Servers:
    """The URLs of the servers that are compared, and connections to them."""

    real: str
    embedded: str
    session: requests.Session

    def assert_same_data(self, path: str, parameters: Parameters) -> Any:
        """Both answer the same: the data, or an error of the same type under the same status.

        Returns:
            The answer of the real one.
        """
        real = self.session.get(f"{self.real}{path}", params=parameters, timeout=60)
        embedded = self.session.get(f"{self.embedded}{path}", params=parameters, timeout=60)
        wanted, got = real.json(), embedded.json()
        context = f"{path} {dict(parameters)}\nreal: {real.text[:2000]}\nembedded: {embedded.text[:2000]}"
        assert (embedded.status_code, got.get("errorType")) == (real.status_code, wanted.get("errorType")), (
            context
        )
        if wanted["status"] == "success":
            compare_data(wanted["data"], got["data"], context)
        return wanted

    def assert_same_answer(self, query: str, instant: float) -> Any:
        """Both answer an instant query alike; returns the answer of the real one."""
        return self.assert_same_data("/api/v1/query", {"query": query, "time": f"{instant:.3f}"})

    def assert_same_matrix(self, query: str, start: float, end: float, step: float) -> Any:
        """Both answer a range query alike; returns the answer of the real one."""
        parameters = {"query": query, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        return self.assert_same_data("/api/v1/query_range", parameters)


def compare_data(wanted: Any, got: Any, context: str) -> None:
    """Compare `data`: of a vector the order does not count, values need only be near."""
    if not isinstance(wanted, Mapping) or "resultType" not in wanted:
        assert got == wanted, context
        return
    assert got["resultType"] == wanted["resultType"], context
    if wanted["resultType"] in ("scalar", "string"):
        _compare_samples([wanted["result"]], [got["result"]], context)
        return
    wanted_series, got_series = _by_labels(wanted["result"]), _by_labels(got["result"])
    assert got_series.keys() == wanted_series.keys(), context
    if wanted["resultType"] == "matrix":
        assert list(got_series) == list(wanted_series), f"the order differs: {context}"
    for labels, samples in wanted_series.items():
        _compare_samples(samples, got_series[labels], context)


def _by_labels(result: Sequence[Any]) -> dict[frozenset[tuple[str, str]], Sequence[Any]]:
    series = {frozenset(row["metric"].items()): row.get("values", [row.get("value")]) for row in result}
    assert len(series) == len(result), "two series have the same labels"
    return series


def _compare_samples(wanted: Sequence[Any], got: Sequence[Any], context: str) -> None:
    assert [instant for instant, _ in got] == [instant for instant, _ in wanted], context
    for (_, wanted_value), (_, got_value) in zip(wanted, got, strict=True):
        assert wanted_value == got_value or is_near(float(wanted_value), float(got_value)), (
            f"{wanted_value} != {got_value}\n{context}"
        )


def is_near(wanted: float, got: float) -> bool:
    """Equal to within the tolerance; NaN is equal to NaN."""
    return math.isclose(wanted, got, rel_tol=RELATIVE_TOLERANCE) or (math.isnan(wanted) and math.isnan(got))
