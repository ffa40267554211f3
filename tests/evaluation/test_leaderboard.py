import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from kpp.errors import InputError
from kpp.evaluation.leaderboard import Leaderboard, score_trials
from kpp.evaluation.request import Request
from kpp.evaluation.splits import split
from kpp.evaluation.trial import Trial, try_models, try_seeds
from kpp.schema import RESPONSE_TIME, TARGETS, THROUGHPUT
from kpp.whatif.model import Campaign
from tests.whatif.systems import SHOP, make_system

NAMES = ["nearest", "linear"]


def run(seed: int = 0, names: list[str] | None = None, split_name: str = "extrapolation") -> Trial:
    folds = split(split_name, Request(make_system(tuple(range(10, 110, 10)), minutes=6), seed=seed, count=2))
    return try_models(folds, NAMES if names is None else names, seed, 0.9)


def throughput(board: Leaderboard, name: str) -> float:
    found = board.models[name].mean[THROUGHPUT].mape
    assert found is not None
    return found


def test_the_better_model_comes_first_and_none_beats_the_floor() -> None:
    """Throughput grows with the load, so the nearest load errs by the ratio of the loads."""
    board = score_trials([run()])

    assert list(board.models) == ["linear", "nearest"]
    assert throughput(board, "linear") < 0.05
    assert 0.1 < throughput(board, "nearest") < 0.2  # 80 for 90 and 100
    for result in board.models.values():
        for target in TARGETS:
            floor, mine = board.floor.mean[target], result.mean[target]
            for score in ("mae", "rmse", "mape", "wape"):
                assert getattr(floor, score) <= getattr(mine, score)
            assert mine.coverage is not None


def test_the_mean_is_that_of_the_services() -> None:
    result = score_trials([run()]).models["linear"]

    assert set(result.services) == set(SHOP)
    mapes = [result.services[service][RESPONSE_TIME].mape for service in SHOP]
    assert result.mean[RESPONSE_TIME].mape == pytest.approx(
        np.mean([each for each in mapes if each is not None])
    )


def test_seeds_give_a_mean_and_a_spread() -> None:
    trials = [run(seed, split_name="interpolation") for seed in range(3)]
    apart = [score_trials([trial]).models["linear"].mean[THROUGHPUT].mape for trial in trials]

    result = score_trials(trials).models["linear"]

    assert result.mean[THROUGHPUT].mape == pytest.approx(
        np.mean([each for each in apart if each is not None])
    )
    assert result.spread is not None
    assert result.spread[THROUGHPUT].mape == pytest.approx(
        np.std([each for each in apart if each is not None])
    )
    assert score_trials(trials[:1]).models["linear"].spread is None


def test_what_does_not_depend_on_the_seed_is_fitted_once() -> None:
    told: list[tuple[float, str]] = []
    request = Request(make_system((10, 20, 30, 40, 50), minutes=3))

    trials = try_seeds(
        "extrapolation", request, ["linear", "boosting"], 3, 0.9, lambda *each: told.append(each)
    )

    assert [name for _, name in told] == ["linear", "boosting", "boosting", "boosting"]
    assert [share for share, _ in told] == [0.0, 0.25, 0.5, 0.75]
    assert [trial.seed for trial in trials] == [0, 1, 2]
    for trial in trials:
        pd.testing.assert_frame_equal(trial.predicted["linear"], trials[0].predicted["linear"])
    spread = score_trials(trials).models["linear"].spread
    assert spread is not None
    assert spread[THROUGHPUT].mape == 0.0


def test_a_split_that_draws_lots_is_fitted_with_every_seed() -> None:
    told: list[str] = []
    request = Request(make_system((10, 20, 30, 40, 50, 60), minutes=3))

    trials = try_seeds("interpolation", request, ["nearest"], 3, 0.9, lambda _, name: told.append(name))

    assert len(told) == 3
    assert len({trial.folds[0].label for trial in trials}) > 1


def test_all_folds_are_scored_together() -> None:
    folds = split("leave-one-load-out", Request(make_system((10, 20, 30, 40), minutes=2)))

    trial = try_models(folds, ["nearest"], 0, 0.9)

    assert len(trial.folds) == 4
    assert len(trial.predicted["nearest"]) == len(trial.observed) == 4 * 2 * 3


def test_a_model_that_cannot_be_fitted_is_told() -> None:
    campaign = make_system((10, 20, 30), minutes=3)
    campaign.measurements[THROUGHPUT] = np.nan
    folds = split("interpolation", Request(Campaign(campaign.measurements)))

    board = score_trials([try_models(folds, ["queueing", "linear"], 0, 0.9)])

    assert list(board.models) == ["linear"]
    assert "throughput" in board.skipped["queueing"]
    assert board.models["linear"].mean[THROUGHPUT].mape is None


def test_a_leaderboard_is_plain_data() -> None:
    board = score_trials([run()])

    for result in (*board.models.values(), board.floor):
        json.dumps(asdict(result), allow_nan=False)


def test_an_empty_split_is_refused_before_anything_is_fitted() -> None:
    with pytest.raises(InputError):
        split("interpolation", Request(make_system((10, 20), minutes=2)))
