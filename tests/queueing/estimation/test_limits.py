"""Which part of a pod's CPU is the application's, where no column tells."""

import numpy as np
import pytest

from kpp.queueing.estimation.estimation import estimate
from kpp.schema import SIDECAR_CPU_USAGE
from tests.queueing.closed_systems import Chain, Tier

LOADS = [5, 10, 20, 40, 80, 120, 160]


def _pair(store_seconds: float) -> Chain:
    edge = Tier("edge", 0.002, 0.002, background_cores=0.01, limit_cores=0.5)
    return Chain((edge, Tier("store", store_seconds, store_seconds, background_cores=0.01, limit_cores=0.5)))


def test_requests_that_cost_less_than_any_sidecar_have_none() -> None:
    """Else most of the CPU would be taken for a sidecar's, and the limit would seem to allow far more."""
    found = estimate(_pair(0.00015).measure(LOADS).drop(columns=SIDECAR_CPU_USAGE))

    assert not found.application.recorded.any()
    assert found.application.share == pytest.approx(1.0)
    service, bound = found.bottleneck()
    assert found.levels.services[service] == "edge"
    assert bound == pytest.approx((0.5 - 0.01) / 0.002, rel=0.1)


def test_where_a_sidecar_is_possible_it_is_reckoned_with() -> None:
    found = estimate(_pair(0.001).measure(LOADS).drop(columns=SIDECAR_CPU_USAGE))

    assert (found.application.share < 0.9).all()
    assert np.all(found.application.share > 0.5)
