"""The laws that predictions of the models with physics obey, whatever is asked."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from kpp.schema import (
    CPU_LIMIT,
    CPU_USAGE,
    REPLICAS,
    RESPONSE_TIME,
    SERVICE,
    SIDECAR_CPU_USAGE,
    THROUGHPUT,
    USER_COUNT,
)
from kpp.whatif.model import SATURATION, THINK_TIME, Campaign
from kpp.whatif.models.queueing_network import QueueingNetwork
from kpp.whatif.scenario import complete
from tests.queueing.closed_systems import Chain, Tier

ROUNDING = 1e-6


@dataclass(frozen=True)
class Asked:
    """A model that was fitted to a system, and a scenario of ascending user counts for it."""

    model: QueueingNetwork
    chain: Chain
    user_counts: list[int]
    scenario: pd.DataFrame
    limits_known: bool
    sidecar_apart: bool
    replicas_known: bool


@st.composite
def chains(draw: DrawFn) -> Chain:
    """One to three tiers, whatever their speed."""
    seconds = st.floats(0.0005, 0.05)
    tiers = []
    for number in range(draw(st.integers(1, 3))):
        service = draw(seconds)
        tiers.append(
            Tier(
                name=f"tier-{number}",
                service_seconds=service,
                demand_seconds=service * draw(st.floats(0.1, 1.0)),
                background_cores=draw(st.floats(0.0, 0.05)),
                replicas=draw(st.integers(1, 3)),
                calls=draw(st.sampled_from([0.3, 1.0, 4.0])),
                limit_cores=draw(st.sampled_from([None, 0.2, 1.0])),
            )
        )
    think_time = draw(st.sampled_from([0.0, 0.5, 5.0]))
    return Chain(tuple(tiers), think_time, minutes=2, noise=draw(st.sampled_from([0.0, 0.1])))


@st.composite
def asked_situations(draw: DrawFn, make: type[QueueingNetwork]) -> Asked:
    """A system, measured at some loads, and asked at 0.1 to 100 times these, in a layout never seen."""
    chain = draw(chains())
    measured = sorted(draw(st.sets(st.integers(1, 150), min_size=1, max_size=6)))
    lacking = draw(st.sets(st.sampled_from([CPU_LIMIT, REPLICAS, SIDECAR_CPU_USAGE])))
    rows = chain.measure(measured).drop(columns=list(lacking))
    model = make()
    model.fit(Campaign(rows, chain.calls() if draw(st.booleans()) and len(chain.tiers) > 1 else None))
    replicas = {tier.name: draw(st.sampled_from([np.nan, 1.0, 2.0, 7.0])) for tier in chain.tiers}
    limits = {tier.name: draw(st.sampled_from([np.nan, 0.05, 0.5, 4.0])) for tier in chain.tiers}
    pause = draw(st.sampled_from([np.nan, 0.0, 2.0]))
    factors = sorted(draw(st.sets(st.floats(0.1, 100), min_size=2, max_size=6)))
    user_counts = sorted({max(1, round(factor * measured[-1])) for factor in factors})
    scenario = pd.DataFrame(
        [
            (number, tier.name, float(users), replicas[tier.name], limits[tier.name], pause)
            for number, users in enumerate(user_counts)
            for tier in chain.tiers
        ],
        columns=["Scenario", SERVICE, USER_COUNT, REPLICAS, CPU_LIMIT, THINK_TIME],
    )
    known = [column not in lacking for column in (CPU_LIMIT, SIDECAR_CPU_USAGE, REPLICAS)]
    return Asked(model, chain, user_counts, complete(scenario), *known)


def check_laws(asked: Asked) -> None:
    """Assert them all."""
    scenario = asked.scenario
    found = asked.model.predict(scenario).assign(**{SERVICE: scenario[SERVICE]})
    assert np.isfinite(found[[RESPONSE_TIME, THROUGHPUT, CPU_USAGE]].to_numpy()).all()
    saturation = asked.model.saturation(scenario)[SATURATION]
    network = asked.model.network
    entry = network.layouts.services[network.parameters.entry]
    at_entry = found[found[SERVICE] == entry]
    # throughput never above the bound
    assert (found[THROUGHPUT] <= saturation.fillna(np.inf) * (1 + ROUNDING)).all()
    # N = X (Z + R)
    pause = asked.model.explain(scenario)["Think Time (s)"][at_entry.index]
    users = scenario[USER_COUNT][at_entry.index]
    np.testing.assert_allclose(at_entry[THROUGHPUT] * (pause + at_entry[RESPONSE_TIME]), users, rtol=1e-6)
    # visit ratios
    for _, rows in found.groupby(SERVICE):
        ratios = rows[THROUGHPUT].to_numpy() / at_entry[THROUGHPUT].to_numpy()
        np.testing.assert_allclose(ratios, ratios[0], rtol=1e-9)
    _check_cpu(asked, found)
    _check_saturated(found, saturation, at_entry.index)


def _check_cpu(asked: Asked, found: pd.DataFrame) -> None:
    """CPU never above the limit; the sidecar's on top where it was measured with it."""
    recorded = {
        tier.name: tier.limit_cores for tier in asked.chain.tiers if asked.limits_known and tier.limit_cores
    }
    limits = asked.scenario[CPU_LIMIT].fillna(asked.scenario[SERVICE].map(recorded).astype("float64"))
    measured = {tier.name: float(tier.replicas) for tier in asked.chain.tiers}
    if not asked.replicas_known:  # as many as it takes to use the CPU within the limit
        layouts = asked.model.network.layouts
        measured = dict(zip(layouts.services, layouts.replicas[-1], strict=True))
    replicas = asked.scenario[REPLICAS].fillna(asked.scenario[SERVICE].map(measured))
    most = limits * replicas
    share = dict(zip(asked.model.network.layouts.services, asked.model.network.parameters.share, strict=True))
    application = found[CPU_USAGE] * asked.scenario[SERVICE].map(share)
    if asked.sidecar_apart:
        assert (found[CPU_USAGE] <= most.fillna(np.inf) * (1 + ROUNDING)).all()
    else:
        over = found[CPU_USAGE] - most.fillna(np.inf)
        assert (over <= found[CPU_USAGE] - np.minimum(application, most.fillna(np.inf)) + ROUNDING).all()


def _check_saturated(found: pd.DataFrame, saturation: "pd.Series[float]", at_entry: pd.Index) -> None:
    """Once saturated, response times do not fall as users are added."""
    full = (found[THROUGHPUT] >= 0.98 * saturation).groupby(found.index // len(found[SERVICE].unique())).any()
    for _, rows in found.groupby(SERVICE):
        times = rows[RESPONSE_TIME].to_numpy()[full.to_numpy()]
        assert (np.diff(times) >= -ROUNDING * times[:-1] - 1e-9).all()
