"""Noise from minute to minute has the sizes and the memory that the application's file states."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from kpp.simulator.engine import Engine
from tests.simulator.small_applications import build

MINUTES = 1500
SIGMA, MEMORY, BACKGROUND_SIGMA = 0.1, 0.6, 0.4


@pytest.fixture(scope="module")
def minutes() -> dict[str, NDArray[np.float64]]:
    """The CPU of one request, and the background of two pods, minute by minute."""
    variation = {
        "demand_sigma": SIGMA,
        "demand_autocorrelation": MEMORY,
        "background_sigma": BACKGROUND_SIGMA,
    }
    busy = {"operations": {"get": {"cpu_ms": 1}}, "demand": {"distribution": "constant"}}
    idle = {"operations": {"get": {"cpu_ms": 1}}, "background_cores": 0.01, "replicas": 2}
    application = build({"web": busy, "idle": idle}, think_seconds=2.0, variation=variation)
    engine = Engine.with_pods(application, seed=1)
    engine.set_users(2, spawn_rate=2)
    snapshots = []
    for minute in range(1, MINUTES + 1):
        engine.advance(60.0 * minute)
        snapshots.append(engine.snapshot())
    return {
        "demand": np.array(
            [last.service_truths(since=first)["web"].demand_seconds for first, last in pairwise(snapshots)]
        ),
        **{
            pod: np.diff([snapshot.pod(pod).cpu_seconds for snapshot in snapshots]) / 60
            for pod in ("idle-0", "idle-1")
        },
    }


def correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    return float(np.corrcoef(first, second)[0, 1])


def test_a_demand_drifts_with_memory_around_what_the_file_says(
    minutes: dict[str, NDArray[np.float64]],
) -> None:
    logarithms = np.log(minutes["demand"])
    assert minutes["demand"].mean() == pytest.approx(0.001, rel=0.02)
    assert logarithms.std() == pytest.approx(SIGMA, rel=0.1)
    assert correlation(logarithms[1:], logarithms[:-1]) == pytest.approx(MEMORY, abs=0.08)
    assert correlation(logarithms[3:], logarithms[:-3]) == pytest.approx(MEMORY**3, abs=0.1)


def test_the_background_jumps_in_each_pod_for_itself(minutes: dict[str, NDArray[np.float64]]) -> None:
    first, second = np.log(minutes["idle-0"]), np.log(minutes["idle-1"])
    for logarithms in (first, second):
        assert np.exp(logarithms).mean() == pytest.approx(0.01, rel=0.05)
        assert logarithms.std() == pytest.approx(BACKGROUND_SIGMA, rel=0.1)
        assert abs(correlation(logarithms[1:], logarithms[:-1])) < 0.08
    assert abs(correlation(first, second)) < 0.08
