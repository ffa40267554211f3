"""Which part of a pod's CPU is the application's, where no column tells."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kpp.queueing.estimation.estimates import Estimates
from kpp.queueing.estimation.estimation import estimate
from kpp.queueing.estimation.limits import LEAST_SIDECAR_SECONDS, estimate_share
from kpp.schema import CPU_USAGE, SERVICE, SIDECAR_CPU_USAGE, THROUGHPUT
from tests.queueing.closed_systems import Chain, Tier

LOADS = [5, 10, 20, 40, 80, 120, 160]
# the edge saturates at its CPU limit, 122.5 req/s, and calls the store twice, which could serve 490 of these
EDGE = Tier("edge", 0.004 / 0.49, 0.004, background_cores=0.01, limit_cores=0.5, calls=2.0)
STORE = Tier("store", 0.001, 0.001, background_cores=0.01, limit_cores=0.5)
SATURATED = Chain((EDGE, STORE), 1.0, noise=0.01)
PROXIED = {"edge": 3.0, "store": 1.0}


def _pair(store_seconds: float) -> Chain:
    edge = Tier("edge", 0.002, 0.002, background_cores=0.01, limit_cores=0.5)
    return Chain((edge, Tier("store", store_seconds, store_seconds, background_cores=0.01, limit_cores=0.5)))


def test_requests_that_cost_less_than_any_sidecar_have_none() -> None:
    """Else most of the CPU would be taken for a sidecar's, and the limit would seem to allow far more."""
    found = estimate(_pair(0.00015).measure(LOADS).drop(columns=SIDECAR_CPU_USAGE))

    assert not found.application.recorded
    assert found.application.share == pytest.approx(1.0)
    service, bound = found.bottleneck()
    assert found.levels.services[service] == "edge"
    assert bound == pytest.approx((0.5 - 0.01) / 0.002, rel=0.1)


def test_where_a_sidecar_is_possible_it_is_reckoned_with() -> None:
    found = estimate(_pair(0.001).measure(LOADS).drop(columns=SIDECAR_CPU_USAGE))

    assert (found.application.share < 0.9).all()
    assert np.all(found.application.share > 0.5)


def _as_pods(rows: pd.DataFrame, sidecar_seconds: float) -> pd.DataFrame:
    """The rows with the CPU of a sidecar in that of the pod, for each request in or out."""
    sidecars = sidecar_seconds * rows[SERVICE].map(PROXIED) * rows[THROUGHPUT]
    return rows.assign(**{CPU_USAGE: rows[CPU_USAGE] + sidecars}).drop(columns=SIDECAR_CPU_USAGE)


def _of_store(found: Estimates) -> tuple[float, float]:
    """What a replica could serve, and the relative standard error of that."""
    store = found.levels.services.index("store")
    return float(found.saturation_of_replica()[store]), float(found.capacity.error[store])


@pytest.mark.parametrize("sidecar_seconds", [0.0, 0.0003, 0.0005])
def test_a_service_at_its_limit_tells_what_sidecars_use_elsewhere(sidecar_seconds: float) -> None:
    rows = _as_pods(SATURATED.measure([10, 30, 60, 90, 160, 240]), sidecar_seconds)

    rate, error = _of_store(estimate(rows, SATURATED.calls()))

    assert rate == pytest.approx(0.49 / 0.001, rel=0.08)
    assert error < 0.12


@pytest.mark.parametrize("sidecar_seconds", [0.0, LEAST_SIDECAR_SECONDS, 0.0005])
def test_without_a_saturated_service_the_doubt_spans_all_sidecars_and_none(sidecar_seconds: float) -> None:
    rows = _as_pods(SATURATED.measure([10, 20, 30, 40, 50]), sidecar_seconds)

    rate, error = _of_store(estimate(rows, SATURATED.calls()))

    truth = 0.49 / 0.001
    assert rate / (1 + error) * 0.95 < truth < rate * (1 + error) * 1.05
    assert error > 0.15


def test_a_service_without_a_sidecar_among_others_that_have_one_is_an_application_alone() -> None:
    """Containers were told apart: what is no sidecar's is the application's."""
    rows = SATURATED.measure([10, 20, 30, 40, 50])
    rows.loc[rows[SERVICE] == "store", SIDECAR_CPU_USAGE] = np.nan

    found = estimate(rows, SATURATED.calls())

    assert found.application.recorded
    assert found.application.share.tolist() == [1.0, 1.0]


def test_a_service_whose_cpu_goes_by_no_request_tells_nothing_of_sidecars() -> None:
    """All of its CPU is background, near the limit: no request can be made out to cost anything."""
    found = estimate(_as_pods(SATURATED.measure([10, 30, 60, 90, 160, 240]), 0.0003), SATURATED.calls())
    (plateau,) = found.capacity.plateaus
    edge = plateau.service
    demand, background = found.cpu.demand.copy(), found.cpu.background.copy()
    demand[edge], background[edge] = 0.0, 0.5
    idle = replace(found.cpu, demand=demand, background=background)
    proxied = np.array([PROXIED[name] for name in found.levels.services])

    share = estimate_share(found.levels, proxied, idle, [plateau])

    alone = estimate_share(found.levels, proxied, idle, [])
    assert share.share.tolist() == alone.share.tolist()
    assert share.error.tolist() == alone.error.tolist()
