"""The networks of many services at once, against `torch.nn.GRU` and autograd, one service after the other."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kpp.predictor.model import PerformancesGRU
from kpp.predictor.stacked.network import StackedNetwork, flatten, unflatten


def make_networks(count: int, seed: int) -> list[PerformancesGRU]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = [PerformancesGRU() for _ in range(count)]
        for network in networks:  # first weights are small: larger ones reach the bends of sigmoid and tanh
            for values in network.parameters():
                values.data.mul_(4)
    return networks


def random_values(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=25, deadline=None)
@given(
    services=st.integers(1, 4), rows=st.integers(1, 9), steps=st.integers(1, 6), seed=st.integers(0, 2**32)
)
def test_outputs_and_gradients_are_those_of_each_network_by_itself(
    services: int, rows: int, steps: int, seed: int
) -> None:
    networks = make_networks(services, seed)
    inputs = random_values(services, rows, steps, 4, seed=seed)
    slopes = random_values(services, rows, 3, seed=seed + 1)
    weights = torch.stack([flatten(network) for network in networks])
    gradients = torch.full_like(weights, torch.nan)
    stacked = StackedNetwork()
    stacked_inputs = inputs.permute(2, 0, 3, 1).contiguous()

    outputs = stacked.predict(weights, stacked_inputs).clone()
    stacked.fill_gradients(weights, stacked_inputs, slopes.transpose(1, 2).contiguous(), gradients)

    for number, network in enumerate(networks):
        expected = network(inputs[number])
        torch.autograd.backward(expected, slopes[number])
        torch.testing.assert_close(outputs[number].T, expected, rtol=0, atol=1e-5)
        wanted = torch.cat(
            [values.grad.flatten() for values in network.parameters() if values.grad is not None]
        )
        torch.testing.assert_close(gradients[number], wanted, rtol=1e-4, atol=1e-4)


def test_a_pass_of_another_shape_in_between_changes_nothing() -> None:
    weights = torch.stack([flatten(network) for network in make_networks(3, seed=1)])
    stacked = StackedNetwork()
    inputs = random_values(5, 3, 4, 7, seed=2)
    before = stacked.predict(weights, inputs).clone()

    stacked.predict(weights[:1], random_values(5, 1, 4, 40, seed=3))
    stacked.predict(weights, random_values(5, 3, 4, 64, seed=4))

    assert torch.equal(stacked.predict(weights, inputs), before)


def test_a_row_of_weights_is_a_network_of_the_usual_kind() -> None:
    (network,) = make_networks(1, seed=5)

    again = unflatten(flatten(network)).state_dict()

    assert list(again) == list(network.state_dict())
    for name, values in network.state_dict().items():
        assert torch.equal(values, again[name])


def test_making_a_network_of_weights_draws_no_random_number() -> None:
    weights = flatten(make_networks(1, seed=5)[0])
    state = torch.random.get_rng_state()

    unflatten(weights)

    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("shape", [(5, 2, 4, 64), (1, 1, 4, 1)])
def test_predicting_allocates_nothing_the_second_time(shape: tuple[int, ...]) -> None:
    weights = torch.stack([flatten(network) for network in make_networks(shape[1], seed=1)])
    stacked = StackedNetwork()

    first = stacked.predict(weights, random_values(*shape, seed=2))
    second = stacked.predict(weights, random_values(*shape, seed=3))

    assert first.data_ptr() == second.data_ptr()
