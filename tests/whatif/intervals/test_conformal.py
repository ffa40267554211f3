import json
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.schema import RESPONSE_TIME, SERVICE, TARGETS, THROUGHPUT, USER_COUNT
from kpp.whatif.calibrated import COVERAGE, CalibratedModel, lower_of, upper_of
from kpp.whatif.intervals.conformal import calibrate
from kpp.whatif.intervals.difficulty import Difficulty, estimate_difficulty
from kpp.whatif.intervals.held_out import HeldOutErrors, to_logs
from kpp.whatif.intervals.hidden_knees import Knees
from kpp.whatif.intervals.intervals import COVERAGES, Intervals, Place
from kpp.whatif.intervals.noise import Noise, estimate_noise
from kpp.whatif.model import Campaign
from kpp.whatif.registry import make_model
from tests.whatif.systems import SHOP, make_system

USUAL_RPS = 10.0
FLOW = list(TARGETS).index(THROUGHPUT)
CAMPAIGN = make_system(tuple(range(20, 120, 5)), minutes=15, noise=0.1)


def held_out(errors: np.ndarray, loads: np.ndarray, distances: np.ndarray) -> HeldOutErrors:
    """Errors of one service, the same for all targets, beyond the measured range."""
    rows = len(errors)
    return HeldOutErrors(
        services=np.full(rows, "frontend", dtype=object),
        loads=loads,
        distances=distances,
        spans=np.ones(rows),
        beyond=np.ones(rows, dtype=bool),
        above=np.ones(rows, dtype=bool),
        errors=np.repeat(errors[:, None], len(TARGETS), axis=1),
        spreads=np.zeros((rows, len(TARGETS))),
        throughput_rps=np.full(rows, USUAL_RPS),
    )


def measured_alone(highest: np.ndarray) -> Knees:
    """What was measured is certain, and nothing more."""
    nothing = np.zeros(len(highest))
    return Knees(highest, nothing, nothing, highest[:, FLOW], excluded=False)


def difficulty_of(noise: float) -> Difficulty:
    """Noise and nothing else."""
    nothing = np.zeros(len(TARGETS))
    return Difficulty(Noise(np.full(len(TARGETS), noise), USUAL_RPS), nothing, nothing, nothing)


@given(st.integers(0, 1000), st.integers(30, 300))
def test_the_width_is_the_conformal_quantile_of_what_was_left_out(seed: int, count: int) -> None:
    """The ceil((n + 1) c)-th smallest score (Vovk and others); each row is a load, all equally difficult."""
    errors = np.random.default_rng(seed).standard_t(3, count)
    campaign = make_system((10, 20), minutes=3, services={"frontend": SHOP["frontend"]})
    calibration = held_out(errors, np.arange(count), np.full(count, 0.5))

    intervals = calibrate(calibration, campaign).services["frontend"]

    noise = intervals.difficulty.noise.at(np.array([USUAL_RPS]))
    difficulty = intervals.difficulty.at(noise, np.array([0.5]), np.array([0.5]), np.zeros((1, 3)))[0]
    scores = np.sort(np.abs(errors))
    for number, coverage in enumerate(COVERAGES):
        if count > 1.001 / (1 - coverage):
            rank = int(np.ceil((count + 1) * coverage - 1e-9))
            expected = scores[rank - 1 : rank + 1]  # the library takes the next where 1 - c is no exact float
            width = float((intervals.beyond[number] * difficulty)[1])
            assert np.isclose(width, expected).any()


def share_inside(found: pd.DataFrame, observed: pd.DataFrame) -> float:
    """Of all targets together."""
    inside = [
        found[lower_of(target)].le(observed[target]) & observed[target].le(found[upper_of(target)])
        for target in TARGETS
    ]
    return float(np.mean(inside))


def test_intervals_hold_what_they_state_on_new_minutes_of_new_loads() -> None:
    """Lognormal noise of 10 % around exact laws: with the right model, coverage is nominal."""
    shares: dict[float, list[float]] = {0.5: [], 0.8: [], 0.9: [], 0.95: []}
    for seed in range(4):
        learned = make_system(tuple(range(20, 120, 5)), minutes=15, noise=0.1, seed=seed)
        model = CalibratedModel.fit(partial(make_model, "linear"), learned)
        fresh = make_system(tuple(range(22, 112, 5)), minutes=30, noise=0.1, seed=100 + seed).measurements
        for coverage, found_shares in shares.items():
            found = model.predict(fresh[[SERVICE, USER_COUNT]], coverage)
            found_shares.append(share_inside(found, fresh))

    for coverage, found_shares in shares.items():
        assert np.mean(found_shares) == pytest.approx(coverage, abs=0.03)


def test_intervals_hold_beyond_the_data_too() -> None:
    model = CalibratedModel.fit(partial(make_model, "linear"), CAMPAIGN)
    fresh = make_system((150, 200, 250), minutes=40, noise=0.1, seed=1).measurements

    found = model.predict(fresh[[SERVICE, USER_COUNT]])

    assert share_inside(found, fresh) >= COVERAGE - 0.03


@pytest.mark.parametrize("name", ["nearest", "linear", "boosting"])
def test_intervals_widen_with_the_distance_and_the_coverage(name: str) -> None:
    model = CalibratedModel.fit(partial(make_model, name), CAMPAIGN)
    asked = pd.DataFrame({SERVICE: "frontend", USER_COUNT: [100.0, 130.0, 200.0, 400.0, 1000.0]})
    widths = []
    for coverage in COVERAGES:
        found = model.predict(asked, coverage)
        for target in TARGETS:
            assert (found[lower_of(target)] <= found[target]).all()
            assert (found[target] <= found[upper_of(target)]).all()
        upper = found[[upper_of(target) for target in TARGETS]].to_numpy()
        half_widths = to_logs(upper) - to_logs(found[list(TARGETS)].to_numpy())
        half_widths[:, FLOW] = found[upper_of(THROUGHPUT)] - found[THROUGHPUT]  # a share of more requests
        assert (np.diff(half_widths, axis=0) >= -1e-9).all()
        assert (half_widths[-1] > 1.05 * half_widths[0]).all()
        widths.append(half_widths)
    assert (np.diff(np.stack(widths), axis=0) > 0).all()


def test_a_model_that_errs_with_distance_has_wider_intervals_there() -> None:
    """The nearest load's throughput is off by the ratio of the loads: the interval has to hold that."""
    asked = pd.DataFrame({SERVICE: "frontend", USER_COUNT: [300.0]})
    upper = {}
    for name in ("nearest", "linear"):
        found = CalibratedModel.fit(partial(make_model, name), CAMPAIGN).predict(asked)
        upper[name] = float((found[upper_of(THROUGHPUT)] / found[THROUGHPUT]).iloc[0])

    assert upper["nearest"] > 300 / 115
    assert upper["linear"] < 1.5


def test_drift_and_tilt_are_recovered_from_the_errors_of_loads() -> None:
    """Many loads outweigh the one that is known before."""
    rng = np.random.default_rng(0)
    distances = rng.uniform(0.1, 2.0, 400)
    calibration = held_out(0.3 * distances, np.arange(400), distances)

    found = estimate_difficulty(Noise(np.full(3, 0.01), USUAL_RPS), calibration)

    at, nothing = np.array([0.5, 2.0]), np.zeros((2, 3))
    np.testing.assert_allclose(
        found.at(nothing, at, at, nothing), 0.3 * np.repeat(at[:, None], 3, axis=1), rtol=0.02
    )


def test_what_hours_differ_by_is_no_drift() -> None:
    """Loads that err as much near as far say nothing of the distance."""
    rng = np.random.default_rng(0)
    distances = rng.uniform(0.01, 0.5, 400)
    calibration = held_out(np.full(400, 0.2), np.arange(400), distances)

    found = estimate_difficulty(Noise(np.full(3, 0.01), USUAL_RPS), calibration)

    far = found.at(np.zeros((1, 3)), np.array([2.0]), np.array([2.0]), np.zeros((1, 3)))
    np.testing.assert_allclose(far, 0.2, rtol=0.1)
    # four times as far as anything that was tried, it may have been drift all the same
    farther = found.at(np.zeros((1, 3)), np.array([2.0]), np.zeros(1), np.zeros((1, 3)), np.array([4.0]))
    np.testing.assert_allclose(farther, 0.8, rtol=0.1)


def test_what_chance_makes_of_a_median_is_no_error_of_the_model() -> None:
    """A hundred loads of 25 minutes each, around a model without error."""
    rng = np.random.default_rng(0)
    loads = np.repeat(np.arange(100), 25)
    distances = rng.uniform(0.1, 1.0, 100)[loads]
    calibration = held_out(rng.normal(0, 0.2, len(loads)), loads, distances)

    found = estimate_difficulty(Noise(np.full(3, 0.2), USUAL_RPS), calibration)

    shape = found.at(np.zeros((1, 3)), np.array([0.5]), np.array([0.5]), np.zeros((1, 3)))
    assert shape.max() < 0.02  # the medians alone scatter by 0.05


def test_without_any_load_left_out_a_model_is_off_by_the_distance() -> None:
    nothing = held_out(np.empty(0), np.empty(0, int), np.empty(0))

    found = estimate_difficulty(Noise(np.zeros(3), USUAL_RPS), nothing)

    none = np.zeros((1, 3))
    np.testing.assert_allclose(found.at(none, np.array([0.7]), np.array([0.7]), none), 0.7)


def test_noise_is_the_deviation_of_minutes_around_their_load() -> None:
    campaign = make_system((1000, 2000, 4000), minutes=2000, noise=0.2)

    noise = estimate_noise(campaign)["frontend"]

    assert noise.usual[1] == pytest.approx(0.2, rel=0.05)  # throughput, far above what can be resolved


def test_requests_that_come_by_chance_scatter_as_their_number_by_poisson() -> None:
    rng = np.random.default_rng(0)
    usual, asked = (np.std(np.log(rng.poisson(60 * rps, 100_000))) for rps in (20.0, 500.0))

    found = Noise(np.full(3, usual), 20.0).at(np.array([20.0, 500.0]))

    np.testing.assert_allclose(found[:, 1], [usual, asked], rtol=0.1)
    np.testing.assert_array_equal(found[:, [0, 2]], np.full((2, 2), usual))


def test_what_throughput_scatters_beyond_chance_stays() -> None:
    found = Noise(np.full(3, 0.3), 2.0).at(np.array([1e6]))

    assert found[0, 1] == pytest.approx(np.sqrt(0.3**2 - 1 / (60 * 2)), rel=0.01)


def test_one_load_gives_no_interval() -> None:
    model = CalibratedModel.fit(partial(make_model, "linear"), make_system((50,)))

    found = model.predict(pd.DataFrame({SERVICE: ["frontend"], USER_COUNT: [50.0]}))

    assert found[[lower_of(target) for target in TARGETS]].isna().all(axis=None)
    assert "too few loads" in found["Reason"].iloc[0]


def test_few_minutes_at_a_few_loads_borrow_from_the_other_services() -> None:
    campaign = make_system((10, 20, 40, 80), minutes=3)

    intervals = calibrate_linear(campaign)

    inside = np.stack([each.inside for each in intervals.services.values()])
    assert np.isfinite(inside[:, COVERAGES.index(0.9)]).all()


def calibrate_linear(campaign: Campaign) -> Intervals:
    return CalibratedModel.fit(partial(make_model, "linear"), campaign).intervals


def test_what_is_dumped_and_restored_gives_the_same_intervals() -> None:
    intervals = calibrate_linear(CAMPAIGN)

    again = Intervals.restore(json.loads(json.dumps(intervals.dump(), allow_nan=False)))

    scenario = pd.DataFrame({SERVICE: ["frontend", "cart", "stranger"]})
    distances, beyond = np.array([0.1, 2.0, np.inf]), np.array([False, True, True])
    place = Place(distances, beyond, np.full((3, 3), 0.05), np.array([False, True, True]))
    knees = measured_alone(np.full((3, 3), 0.5))
    for coverage in COVERAGES:
        points = np.ones((3, 3))
        restored = again.around(scenario, points, place, knees, coverage)
        before = intervals.around(scenario, points, place, knees, coverage)
        for part in ("lower", "upper", "noise", "room"):
            np.testing.assert_array_equal(getattr(restored, part), getattr(before, part))


def test_a_smaller_spread_than_was_tried_counts_as_the_usual_one() -> None:
    service = difficulty_of(0.1)
    intervals = calibrate_linear(CAMPAIGN)
    one = next(iter(intervals.services.values()))
    known = type(one)(service, np.full(3, 0.2), np.ones_like(one.inside), np.ones_like(one.beyond))
    tried = Intervals({"frontend": known}, 1.0, 0.0, 1.0, 1.0, intervals.usual_errors)
    scenario = pd.DataFrame({SERVICE: ["frontend"] * 3})
    spreads = np.array([[0.0] * 3, [0.2] * 3, [0.5] * 3])
    place = Place(np.zeros(3), np.zeros(3, bool), spreads, np.zeros(3, bool))
    knees = measured_alone(np.full((3, 3), np.nan))

    upper = tried.around(scenario, np.full((3, 3), USUAL_RPS), place, knees, 0.9).upper

    column = list(TARGETS).index(RESPONSE_TIME)
    assert upper[0, column] == upper[1, column]
    assert upper[2, column] / USUAL_RPS == pytest.approx(np.exp(0.6), rel=1e-3)


def test_a_knee_never_seen_takes_throughput_down_to_what_was_measured_and_no_further() -> None:
    none = difficulty_of(1e-9)
    intervals = calibrate_linear(CAMPAIGN)
    one = next(iter(intervals.services.values()))
    sure = type(one)(none, np.zeros(3), np.ones_like(one.inside), np.ones_like(one.beyond))
    tried = Intervals({"frontend": sure}, 1.0, 0.0, 10.0, 10.0, intervals.usual_errors)
    scenario = pd.DataFrame({SERVICE: ["frontend"] * 4})
    # four times the load, foreseen to give as much, to double, to give less; and a load that was measured
    points = np.array([40.0, 20.0, 8.0, 40.0])[:, None] * np.ones(3)
    distances, beyond = np.log([4.0, 4.0, 4.0, 1.0]), np.array([True, True, True, False])
    place = Place(distances, beyond, np.zeros((4, 3)), beyond)

    bounds = tried.around(scenario, points, place, measured_alone(np.full((4, 3), 10.0)), 0.9)
    lower, upper = bounds.lower, bounds.upper

    column = list(TARGETS).index(THROUGHPUT)
    np.testing.assert_allclose(lower[:, column], [10.0, 10.0, 8.0, 40.0], rtol=1e-3)
    np.testing.assert_allclose(upper[:, column], points[:, column], rtol=1e-3)


def test_what_minutes_scatter_is_known_however_small_the_quantiles_are() -> None:
    """90 % of normal minutes are within 1.645 standard deviations, also where a model errs by more."""
    level = np.full(len(TARGETS), 0.2)
    difficulty = replace(difficulty_of(0.01), level=level)
    intervals = calibrate_linear(CAMPAIGN)
    one = next(iter(intervals.services.values()))
    known = type(one)(difficulty, np.zeros(3), np.full_like(one.inside, 0.3), np.full_like(one.beyond, 0.3))
    tried = Intervals({"frontend": known}, 1.0, 0.0, 1.0, 1.0, intervals.usual_errors)
    place = Place(np.zeros(1), np.zeros(1, bool), np.zeros((1, 3)), np.zeros(1, bool))
    knees = measured_alone(np.full((1, 3), np.nan))

    points = np.full((1, 3), USUAL_RPS)
    noise = tried.around(pd.DataFrame({SERVICE: ["frontend"]}), points, place, knees, 0.9).noise

    np.testing.assert_allclose(noise, 1.645 * 0.01, rtol=1e-3)
