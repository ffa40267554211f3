import numpy as np
import torch

from kpp.predictor.settings import TrainingSettings
from kpp.predictor.stacked.first_weights import draw_weights
from kpp.predictor.stacked.network import unflatten
from tests.predictor.datasets import autoregressive, make_dataset

SERIES = autoregressive(100, phi=0.5, mean=100, deviation=5, seed=3)


def test_the_state_neither_grows_nor_shrinks_through_the_recurrent_matrices() -> None:
    network = unflatten(draw_weights(make_dataset(SERIES), TrainingSettings()))
    matrices = [values for name, values in network.state_dict().items() if "weight_hh" in name]
    assert len(matrices) == 2
    for values in matrices:
        for gate in torch.split(values, 64):
            singular = torch.linalg.svdvals(gate)
            torch.testing.assert_close(singular, torch.ones(64), rtol=0, atol=1e-4)


def test_the_last_bias_is_the_median_of_what_was_measured() -> None:
    series = SERIES.copy()
    series[10:20, 1] = np.nan
    series[:, 2] = np.nan
    dataset = make_dataset(series)
    bias = unflatten(draw_weights(dataset, TrainingSettings())).linear.bias.detach().numpy()

    own_units = dataset.scaling.inverse_transform(np.concatenate([[0.0], bias])[None])[0, 1:]
    np.testing.assert_allclose(own_units[:2], np.nanmedian(series[5:60, :2], axis=0), rtol=1e-5)
    assert bias[2] == 0


def test_other_seeds_and_services_draw_other_weights() -> None:
    drawn = [
        draw_weights(make_dataset(SERIES, service=service), TrainingSettings(seed=seed))
        for service, seed in (("a", 0), ("a", 1), ("b", 0))
    ]
    again = draw_weights(make_dataset(SERIES, service="a"), TrainingSettings())
    assert torch.equal(again, drawn[0])
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
