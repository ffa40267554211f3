"""CPU per request, where response times speak against it."""

import numpy as np
import pytest

from kpp.queueing.estimation.demand_fall import SURE
from kpp.queueing.estimation.demands import CpuRecords, estimate_fall, fit_cpu

DEMAND_SECONDS = np.array([1.1, 1.8, 2.2, 5.1, 2.5, 5.2, 3.4, 0.9, 6.1, 1.1, 0.8]) / 1000
VISITS = np.array([0.5, 0.65, 1.0, 0.05, 1.0, 0.05, 0.05, 2.0, 0.3, 1.0, 0.8])
IDLE_CORES = 0.004


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("own_time_of_demand", [0.3, 0.5, 1.0, 5.0])
def test_demand_is_what_cpu_tells_however_long_requests_take(own_time_of_demand: float, seed: int) -> None:
    """A sidecar's CPU, or that of several threads, is more than the own time: in all services at once."""
    rng = np.random.default_rng(seed)
    load = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    throughput = 20.0 * load[:, None] * VISITS
    hours = np.exp(0.03 * rng.standard_normal(5))[:, None]
    scatter = np.exp(0.015 * rng.standard_normal(throughput.shape))
    cpu = (IDLE_CORES + DEMAND_SECONDS * hours * throughput) * scatter
    own_time = own_time_of_demand * DEMAND_SECONDS
    records = CpuRecords(cpu, np.ones_like(cpu), throughput, load / 3, np.full(5, 10.0), own_time)

    found = fit_cpu(records, 0.0, 5 / 3)

    busy = VISITS > 0.2  # of the others, CPU is mostly background
    assert found.demand[busy] == pytest.approx(DEMAND_SECONDS[busy], rel=0.1)


def test_good_and_bad_hours_of_a_few_services_seldom_seem_a_fall_of_demand() -> None:
    """All services of a machine have the same hours; each for itself would be believed three times."""
    load = np.array([0.2, 0.5, 0.9, 1.2, 1.5, 1.8])
    throughput = 50.0 * load[:, None] * np.array([1.0, 1.0, 2.4])
    believed = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        hours = np.exp(0.03 * rng.standard_normal(6))[:, None]
        scatter = np.exp(0.01 * rng.standard_normal(throughput.shape))
        cpu = (IDLE_CORES + 0.004 * hours * throughput) * scatter
        records = CpuRecords(cpu, np.ones_like(cpu), throughput, load, np.full(6, 6.0), np.full(3, 0.004))
        found = estimate_fall(records, 1.8)
        believed += found.value > SURE * found.standard_error

    assert believed <= 2
