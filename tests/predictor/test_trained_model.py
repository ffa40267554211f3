import numpy as np
import pytest
import torch

from kpp.predictor.model import PerformancesGRU
from kpp.predictor.preparation.scaling import Scaling
from kpp.predictor.trained_model import TrainedModel
from kpp.schema import CPU_USAGE

MINIMA = np.array([10.0, 0.010, 5.0, 0.1])
MAXIMA = np.array([50.0, 0.030, 25.0, 0.9])


@pytest.fixture
def model() -> TrainedModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        network = PerformancesGRU()
    return TrainedModel("frontend", network, Scaling(MINIMA, MAXIMA), lookback_steps=5)


def some_rows(count: int = 6) -> np.ndarray:
    return np.random.default_rng(0).uniform(MINIMA, MAXIMA, (count, 5, 4))


def test_it_predicts_from_own_units_into_own_units(model: TrainedModel) -> None:
    rows = some_rows()

    predicted = model.predict(rows)

    inputs = torch.tensor((rows - MINIMA) / (MAXIMA - MINIMA), dtype=torch.float32)
    outputs = model.network(inputs).detach().numpy()
    expected = MINIMA[1:] + outputs * (MAXIMA - MINIMA)[1:]
    np.testing.assert_allclose(predicted, expected.clip(min=0), rtol=1e-5)


def test_nothing_predicted_is_negative(model: TrainedModel) -> None:
    with torch.no_grad():
        model.network.linear.bias.sub_(100)

    assert (model.predict(some_rows()) == 0).all()


def test_an_outlier_in_a_window_counts_as_one_range_above_the_highest_that_training_saw(
    model: TrainedModel,
) -> None:
    rows = some_rows(1)
    high, higher = rows.copy(), rows.copy()
    high[0, 3, 1], higher[0, 3, 1] = 0.050, 6.8  # 0.030 + (0.030 - 0.010) = 0.050

    np.testing.assert_allclose(model.predict(higher), model.predict(high))
    assert not np.allclose(model.predict(high), model.predict(rows), rtol=1e-6)


def test_a_user_count_above_all_others_is_taken_as_it_is(model: TrainedModel) -> None:
    rows = some_rows(1)
    more, most = rows.copy(), rows.copy()
    more[..., 0], most[..., 0] = 100, 400

    assert not np.allclose(model.predict(more), model.predict(most), rtol=1e-6)


def test_an_unlearned_target_is_unknown(model: TrainedModel) -> None:
    partly = TrainedModel("frontend", model.network, model.scaling, 5, unlearned_targets=(CPU_USAGE,))

    predicted = partly.predict(some_rows())

    assert np.isnan(predicted[:, 2]).all()
    np.testing.assert_array_equal(predicted[:, :2], model.predict(some_rows())[:, :2])


def test_no_rows_give_no_predictions(model: TrainedModel) -> None:
    assert model.predict(np.empty((0, 5, 4))).shape == (0, 3)


@pytest.mark.parametrize("shape", [(5, 4), (2, 4, 4), (2, 5, 3)])
def test_rows_of_another_shape_are_refused(model: TrainedModel, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"rows must be \(n, 5, 4\)"):
        model.predict(np.ones(shape))


def test_rows_with_a_missing_value_are_refused(model: TrainedModel) -> None:
    rows = some_rows()
    rows[2, 2, 2] = np.nan

    with pytest.raises(ValueError, match="without NaN"):
        model.predict(rows)
