import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from kpp.evaluation.differences import differ, errors_by_load
from kpp.evaluation.leaderboard import score_trials
from kpp.evaluation.trial import Trial
from kpp.predictor.scores import mape
from kpp.schema import CPU_USAGE, RESPONSE_TIME, SERVICE, TARGETS, THROUGHPUT, USER_COUNT
from kpp.whatif.calibrated import lower_of, upper_of

LOADS, MINUTES, SERVICES = 6, 4, ("cart", "shop")


def make_trial(errors: dict[str, np.ndarray], seed: int = 0, loads: int = LOADS) -> Trial:
    """Models that err by so much, (services, loads), a ratio, in every minute of a load."""
    observed = pd.MultiIndex.from_product(
        [SERVICES, range(10, 10 * loads + 1, 10), range(MINUTES)], names=[SERVICE, USER_COUNT, "minute"]
    ).to_frame(index=False)
    observed[list(TARGETS)] = 5.0
    predicted = {}
    for name, each in errors.items():
        answer = observed[[SERVICE, USER_COUNT]].copy()
        for target in TARGETS:
            answer[target] = 5.0 * (1 + np.repeat(each.ravel(), MINUTES))
            answer[lower_of(target)], answer[upper_of(target)] = 0.0, 10.0
        predicted[name] = answer
    return Trial(seed, (), observed, predicted, {}, {})


ERRORS = hnp.arrays(
    np.float64, (len(SERVICES), LOADS), elements=st.floats(0.01, 0.9).map(lambda v: round(v, 3))
)


@given(own=ERRORS, its=ERRORS)
def test_it_is_the_paired_t_test_of_the_loads(own: np.ndarray, its: np.ndarray) -> None:
    trials = [make_trial({"own": own, "its": its})]
    apart = (own - its).mean(axis=0)

    found = differ(trials, "own", "its", THROUGHPUT)

    assert found is not None
    assert found.loads == LOADS
    assert found.mean == pytest.approx(apart.mean(), abs=1e-12)
    if apart.std() > 1e-6:
        interval = stats.ttest_1samp(apart, 0.0).confidence_interval(0.95)
        assert found.margin == pytest.approx((interval.high - interval.low) / 2)
        assert found.is_equal == (interval.low <= 0 <= interval.high)


def test_minutes_of_one_load_do_not_count_apart() -> None:
    """One load decides by luck, however many minutes of it there are: nothing can be said of others."""
    own = np.full((2, 1), 0.1)
    found = differ([make_trial({"own": own, "its": 2 * own}, loads=1)], "own", "its", CPU_USAGE)

    assert found is not None
    assert found.margin is None
    assert not found.is_equal


def test_the_same_load_in_two_trials_counts_once() -> None:
    own, its = np.full((2, LOADS), 0.1), np.linspace(0.1, 0.3, 2 * LOADS).reshape(2, LOADS)
    once = differ([make_trial({"own": own, "its": its})], "own", "its", CPU_USAGE)

    assert once == differ(
        [make_trial({"own": own, "its": its}, seed) for seed in range(2)], "own", "its", CPU_USAGE
    )


def test_errors_by_load_are_mean_absolute_percentage_errors() -> None:
    errors = np.array([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.3] * 6])
    trial = make_trial({"own": errors})

    found = errors_by_load([trial], "own", RESPONSE_TIME)

    for users, error in found.items():
        rows = trial.observed[USER_COUNT] == users
        assert error == pytest.approx(
            mape(
                observed=trial.observed[RESPONSE_TIME][rows].to_numpy(),
                predicted=trial.predicted["own"][RESPONSE_TIME][rows].to_numpy(),
            )
        )


def test_models_that_answer_different_questions_are_not_compared() -> None:
    trial = make_trial({"own": np.full((2, LOADS), 0.1), "its": np.full((2, LOADS), np.nan)})

    assert differ([trial], "own", "its", THROUGHPUT) is None


def test_the_leaderboard_tells_who_is_equal_and_who_is_behind() -> None:
    rng = np.random.default_rng(0)
    best = np.full((2, LOADS), 0.1)
    errors = {"best": best, "near": best + rng.normal(0.0, 0.02, best.shape), "far": best + 0.1}

    board = score_trials([make_trial(errors)])

    behind = {name: result.behind[THROUGHPUT] for name, result in board.models.items()}
    assert behind["far"].rival in ("best", "near")
    assert behind["far"].mean == pytest.approx(0.1, abs=0.03)
    assert not behind["far"].is_equal
    assert behind["near"].is_equal
    assert behind["best"].is_equal
    assert score_trials([make_trial({"alone": best})]).models["alone"].behind == {}
