import dataclasses
import math

import numpy as np
import pytest
import torch

from kpp.errors import ConfigError
from kpp.predictor.pipeline import PerformancesDataPipeline
from kpp.predictor.preparation.windows import ServiceDataset
from kpp.predictor.scores import mae, mape
from kpp.predictor.settings import TrainingSettings, select_device
from kpp.predictor.stacked.group import Fit
from kpp.predictor.trained_model import TrainedModel
from kpp.predictor.training import fit_service, fit_services
from kpp.schema import RESPONSE_TIME, TARGETS, USER_COUNT
from tests.measurements import as_table, make_measurements
from tests.predictor.datasets import LOOKBACK_STEPS, autoregressive, make_dataset

QUICK = TrainingSettings(max_epochs=3)


def fit(dataset: ServiceDataset, settings: TrainingSettings = QUICK) -> Fit:
    return fit_service(dataset, settings)


def predict_test(dataset: ServiceDataset, result: Fit) -> np.ndarray:
    model = TrainedModel(
        dataset.service, result.network, dataset.scaling, LOOKBACK_STEPS, result.unlearned_targets
    )
    return model.predict_scaled(dataset.test.inputs)


def same_weights(one: Fit, other: Fit) -> bool:
    pairs = zip(one.network.state_dict().values(), other.network.state_dict().values(), strict=True)
    return all(torch.equal(left, right) for left, right in pairs)


@pytest.fixture(scope="module")
def noisy() -> ServiceDataset:
    return make_dataset(autoregressive(100, phi=0.5, mean=100, deviation=5, seed=3))


def test_it_learns_a_small_deterministic_series_by_heart() -> None:
    cycle = np.array([[10.0, 2.0, 30.0], [20.0, 4.0, 10.0], [15.0, 8.0, 20.0]])
    dataset = make_dataset(np.tile(cycle, (20, 1)))

    result = fit(dataset, TrainingSettings(max_epochs=60))

    assert result.best_validation_loss < 0.05
    predicted = predict_test(dataset, result)
    for column in range(len(TARGETS)):
        error = mape(observed=dataset.test.observed[:, column], predicted=predicted[:, column])
        assert error is not None
        assert error < 0.05  # last value and mean are off by 30 % and more


def test_it_comes_near_the_best_prediction_there_is() -> None:
    """Of an AR(1) process with normal noise s the best predictor is mean + phi (y - mean).

    Its mean absolute error is s sqrt(2 / pi). That of the last value is sqrt(2 / (1 + phi)) times as large,
    that of the mean 1 / sqrt(1 - phi^2) times.
    """
    phi, mean, deviation = 0.6, 100.0, 4.0
    dataset = make_dataset(autoregressive(3000, phi=phi, mean=mean, deviation=deviation, seed=5))
    observed, last = dataset.test.observed.ravel(), dataset.test.last_observed.ravel()
    floor = mae(observed=observed, predicted=mean + phi * (last - mean))
    assert floor == pytest.approx(deviation * math.sqrt(2 / math.pi), rel=0.05)

    result = fit(dataset, TrainingSettings(max_epochs=25))

    found = mae(observed=observed, predicted=predict_test(dataset, result).ravel())
    assert found is not None
    assert floor is not None
    assert found < 1.03 * floor
    assert mae(observed=observed, predicted=last) == pytest.approx(floor * math.sqrt(2 / (1 + phi)), rel=0.05)
    assert mae(observed=observed, predicted=np.full_like(last, mean)) == pytest.approx(
        floor / math.sqrt(1 - phi**2), rel=0.05
    )


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(noisy: ServiceDataset) -> None:
    first = fit(noisy)

    torch.rand(7)  # whatever else drew random numbers in between
    assert same_weights(fit(noisy), first)
    assert not same_weights(fit(noisy, dataclasses.replace(QUICK, seed=1)), first)


def test_two_services_with_the_same_rows_draw_different_first_weights(noisy: ServiceDataset) -> None:
    assert not same_weights(fit(noisy), fit(dataclasses.replace(noisy, service="cartservice")))


def test_training_leaves_the_callers_random_state_and_threads_alone(noisy: ServiceDataset) -> None:
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()

    fit(noisy)

    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_no_test_row_has_any_influence(noisy: ServiceDataset) -> None:
    garbage = dataclasses.replace(
        noisy.test,
        history=noisy.test.history * 1e6,
        targets=-noisy.test.targets,
        observed=noisy.test.observed * 1e6,
    )

    assert same_weights(fit(dataclasses.replace(noisy, test=garbage)), fit(noisy))


def test_the_validation_part_chooses_the_weights(noisy: ServiceDataset) -> None:
    seen: list[tuple[str, int]] = []
    settings = TrainingSettings(max_epochs=30)

    (result,) = fit_services([noisy], settings, lambda service, epoch: seen.append((service, epoch)))

    assert seen == [("frontend", epoch) for epoch in range(1, result.epochs + 1)]
    again = fit(noisy, TrainingSettings(max_epochs=result.best_epoch))
    assert again.best_epoch == again.epochs == result.best_epoch
    assert same_weights(again, result)


def test_it_stops_when_validation_no_longer_improves(noisy: ServiceDataset) -> None:
    settings = TrainingSettings(max_epochs=100, stop_patience_epochs=4)

    result = fit(noisy, settings)

    assert result.epochs == result.best_epoch + 4


def test_a_planted_outlier_does_not_ruin_a_model() -> None:
    """A response time of 6.8 s among 12 ms, in the middle of the rows that are fitted."""
    rows = make_measurements(user_counts=(10, 20, 30), samples=60)
    planted = rows.copy()
    planted.loc[10, RESPONSE_TIME] = 6.8
    assert planted.loc[10, USER_COUNT] == 10
    clean = PerformancesDataPipeline().run(as_table(rows)).datasets["frontend"]
    spoiled = PerformancesDataPipeline().run(as_table(planted)).datasets["frontend"]
    observed = clean.test.observed
    np.testing.assert_array_equal(spoiled.test.observed, observed)

    settings = TrainingSettings(max_epochs=40)
    without, with_outlier = (predict_test(each, fit(each, settings)) for each in (clean, spoiled))

    for column in range(len(TARGETS)):
        score_without = mape(observed=observed[:, column], predicted=without[:, column])
        score_with = mape(observed=observed[:, column], predicted=with_outlier[:, column])
        assert score_without is not None
        assert score_with is not None
        assert score_with < score_without + 0.01
    mean = np.array([spoiled.train_means[count][0] for count in spoiled.test.user_counts])
    spoiled_mean = mape(observed=observed[:, 0], predicted=mean)
    assert spoiled_mean is not None
    assert spoiled_mean > 1  # the mean of the user count is ruined by it


def test_a_target_that_was_not_measured_is_neither_learned_nor_in_the_way() -> None:
    series = autoregressive(100, phi=0.5, mean=100, deviation=5, seed=3)
    with_gaps = series.copy()
    with_gaps[:, 2] = np.nan
    with_gaps[10:20, 1] = np.nan

    result = fit(make_dataset(with_gaps), TrainingSettings(max_epochs=20))

    assert result.unlearned_targets == (TARGETS[2],)
    assert math.isfinite(result.best_validation_loss)
    assert all(torch.isfinite(values).all() for values in result.network.state_dict().values())
    predicted = predict_test(make_dataset(with_gaps), result)
    assert np.isnan(predicted[:, 2]).all()
    assert np.isfinite(predicted[:, :2]).all()


def test_a_constant_target_is_predicted_as_that_constant() -> None:
    series = autoregressive(100, phi=0.5, mean=100, deviation=5, seed=3)
    series[:, 1], series[:, 2] = 40.0, 0.0

    dataset = make_dataset(series)
    predicted = predict_test(dataset, fit(dataset, TrainingSettings()))

    np.testing.assert_allclose(predicted[:, 1], 40.0, atol=0.5)
    np.testing.assert_allclose(predicted[:, 2], 0.0, atol=0.05)


def test_auto_takes_the_cpu_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    assert select_device("auto") == torch.device("cpu")
    assert select_device("cpu") == torch.device("cpu")
    with pytest.raises(ConfigError, match="--device cuda: PyTorch finds no CUDA device; choose --device cpu"):
        select_device("cuda")


def test_auto_takes_the_gpu_where_there_is_one_and_cpu_stays_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    assert select_device("auto") == torch.device("cuda")
    assert select_device("cuda") == torch.device("cuda")
    assert select_device("cpu") == torch.device("cpu")


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(ConfigError, match="'tpu' is no device; choose one of auto, cpu, cuda"):
        select_device("tpu")
