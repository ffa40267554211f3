from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.errors import InputError
from kpp.schema import SERVICE, TARGETS, THROUGHPUT, USER_COUNT
from kpp.whatif.intervals.held_out import RESOLUTION, errors_on_held_out_loads, leave_loads_out, span_of
from kpp.whatif.model import Campaign, State
from kpp.whatif.registry import make_model
from tests.whatif.systems import SHOP, make_system


@given(st.lists(st.integers(1, 500).map(float), min_size=1, max_size=60))
def test_every_load_is_left_out_and_none_of_the_folds_is_all(user_counts: list[float]) -> None:
    steps = sorted(set(user_counts))

    folds = leave_loads_out(user_counts)

    inner = [count for fold in folds for count in fold if fold[0] > steps[0] and fold[-1] < steps[-1]]
    assert all(set(fold) < set(steps) for fold in folds)
    assert all(fold == sorted(fold) for fold in folds)
    assert set(steps[1:-1]) <= set(inner)
    if len(steps) > 1:
        assert {count for fold in folds for count in fold} == set(steps)
        assert [steps[-1]] == [fold[-1] for fold in folds if fold[-1] == steps[-1]][:1]
        assert any(fold[0] == steps[0] for fold in folds)


def test_a_span_is_the_logarithm_of_the_ratio() -> None:
    assert span_of(pd.Series([50.0, 10.0, 20.0])) == pytest.approx(np.log(5))
    assert span_of(pd.Series([50.0])) == 1.0


@dataclass
class Recorder:
    """A model that predicts 1 and remembers what it learned and was asked."""

    seen: "list[tuple[set[float], set[float]]]" = field(default_factory=list)
    learned: set[float] = field(default_factory=set)
    name: str = "recorder"
    notes: tuple[str, ...] = ()

    def fit(self, campaign: Campaign) -> None:
        self.learned = set(campaign.measurements[USER_COUNT])

    def predict(self, scenario: pd.DataFrame) -> pd.DataFrame:
        assert not set(TARGETS) & set(scenario.columns)
        self.seen.append((self.learned, set(scenario[USER_COUNT])))
        return pd.DataFrame(1.0, columns=list(TARGETS), index=scenario.index)

    def dump(self) -> State:
        raise NotImplementedError

    def restore(self, state: State) -> None:
        raise NotImplementedError


def test_no_model_is_asked_for_a_load_that_it_learned() -> None:
    seen: list[tuple[set[float], set[float]]] = []

    errors_on_held_out_loads(lambda: Recorder(seen), make_system((10, 20, 40, 80, 160), minutes=2))

    assert len(seen) == len(leave_loads_out([10, 20, 40, 80, 160]))
    for learned, asked in seen:
        assert not learned & asked
        assert learned | asked == {10, 20, 40, 80, 160}


def test_errors_are_logarithms_of_ratios_above_the_resolution() -> None:
    campaign = make_system((10, 20, 40), minutes=2, noise=0.0)

    found = errors_on_held_out_loads(Recorder, campaign)

    rows = found.loads == found.loads[0]  # 20 users are the one inner load
    exact = campaign.measurements[campaign.measurements[USER_COUNT] == 20]
    expected = np.log(exact[list(TARGETS)].to_numpy() + RESOLUTION) - np.log(1 + RESOLUTION)
    np.testing.assert_allclose(found.errors[rows], expected)
    assert found.services[rows].tolist() == exact[SERVICE].tolist()
    assert not found.beyond[rows].any()
    np.testing.assert_allclose(found.distances[rows], np.log(2))
    np.testing.assert_allclose(found.spans[rows], np.log(4))


def test_what_is_beyond_the_learned_range_is_known_as_such() -> None:
    found = errors_on_held_out_loads(lambda: make_model("linear"), make_system((10, 20, 40, 80), minutes=2))

    assert found.distances[found.beyond].max() == pytest.approx(np.log(4))  # 80 and 40 from 20
    assert found.distances[~found.beyond].max() == pytest.approx(np.log(2))
    assert set(found.services) == set(SHOP)


class NeedsThreeLoads(Recorder):
    def fit(self, campaign: Campaign) -> None:
        super().fit(campaign)
        if len(self.learned) < 3:
            raise InputError("too few loads", mend="measure more")


def test_folds_that_are_too_small_for_a_model_are_passed_over() -> None:
    found = errors_on_held_out_loads(NeedsThreeLoads, make_system((10, 20, 40, 80), minutes=1))

    assert len(set(found.loads)) == 4  # each inner load alone, the last one, the first one
    assert len(errors_on_held_out_loads(NeedsThreeLoads, make_system((10, 20), minutes=1)).errors) == 0


def test_a_target_that_was_not_measured_has_no_error() -> None:
    campaign = make_system((10, 20, 40), minutes=1)
    campaign.measurements.loc[campaign.measurements[USER_COUNT] == 20, THROUGHPUT] = np.nan

    found = errors_on_held_out_loads(Recorder, campaign)

    column = list(TARGETS).index(THROUGHPUT)
    assert np.isnan(found.errors[found.loads == found.loads[0], column]).all()


def test_a_service_that_a_fold_has_not_seen_is_not_asked_for() -> None:
    rows = make_system((20, 40, 60, 80), minutes=2).measurements
    late = rows[(rows[SERVICE] != "cart") | (rows[USER_COUNT] > 70)].reset_index(drop=True)

    found = errors_on_held_out_loads(lambda: make_model("nearest"), Campaign(late))

    assert np.isfinite(found.distances).all()
    assert "cart" not in found.services[found.loads == found.loads.max()]
