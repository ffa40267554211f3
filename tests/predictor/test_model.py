import torch

from kpp.predictor.model import PerformancesGRU


def test_the_network_is_two_gru_layers_of_64_and_a_linear_output() -> None:
    shapes = {name: tuple(values.shape) for name, values in PerformancesGRU().state_dict().items()}

    gates = 3 * 64
    assert shapes == {
        "gru.weight_ih_l0": (gates, 4),
        "gru.weight_hh_l0": (gates, 64),
        "gru.bias_ih_l0": (gates,),
        "gru.bias_hh_l0": (gates,),
        "gru.weight_ih_l1": (gates, 64),
        "gru.weight_hh_l1": (gates, 64),
        "gru.bias_ih_l1": (gates,),
        "gru.bias_hh_l1": (gates,),
        "linear.weight": (3, 64),
        "linear.bias": (3,),
    }


def test_the_output_is_linear_in_the_state_after_the_last_minute() -> None:
    model = PerformancesGRU(hidden_size=8)
    inputs = torch.rand(7, 5, 4)

    _, last_states = torch.nn.GRU.forward(model.gru, inputs)  # (layers, n, hidden)

    expected = last_states[-1] @ model.linear.weight.T + model.linear.bias
    torch.testing.assert_close(model(inputs), expected)


def test_each_window_is_predicted_by_itself() -> None:
    model = PerformancesGRU()
    inputs = torch.rand(6, 5, 4)

    one_by_one = torch.cat([model(inputs[row : row + 1]) for row in range(6)])

    torch.testing.assert_close(model(inputs), one_by_one)
