"""The networks of many services as one: `PerformancesGRU` with a further axis for the service."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from kpp.predictor.model import PerformancesGRU
from kpp.predictor.stacked.layer import LayerBuffers, LayerWeights, StepBuffers, backward, forward

PER_GRU_LAYER = 4  # tensors, in the order of `LayerWeights`
MOST_SHAPES = 50  # of passes whose buffers are kept


def flatten(network: PerformancesGRU) -> Tensor:
    """All weights of one network in a row, in the order of its state_dict: (weights,)."""
    return torch.cat([values.detach().flatten() for values in network.state_dict().values()])


def unflatten(weights: Tensor) -> PerformancesGRU:
    """A network, on the CPU, of weights in a row."""
    network = _without_values()
    shapes = {name: values.shape for name, values in network.state_dict().items()}
    pieces = _cut(weights.detach().cpu()[None], shapes.values())
    values = {name: piece[0].clone() for name, piece in zip(shapes, pieces, strict=True)}
    network.load_state_dict(values, assign=True)
    return network


@dataclass(frozen=True)
class Buffers:
    """Room for one pass over so many services and rows."""

    layers: Sequence[LayerBuffers]
    gradients: Sequence[Tensor]  # of each weight by itself: products cannot be added up into a part of a row
    outputs: Tensor  # (services, targets, rows)
    state_gradient: Tensor  # (services, hidden, rows)


class StackedNetwork:
    """Computes the networks of many services at once; it holds shapes and room, the weights are passed in."""

    def __init__(self) -> None:
        network = _without_values()
        self.size = network.size
        self.shapes: Mapping[str, torch.Size] = {
            name: values.shape for name, values in network.state_dict().items()
        }
        self.weight_count = sum(map(prod, self.shapes.values()))
        self._buffers: dict[tuple[int, ...], Buffers] = {}
        self._storage: dict[str, Tensor] = {}

    def predict(self, weights: Tensor, inputs: Tensor) -> Tensor:
        """Outputs for each service's own rows.

        Args:
            weights: (services, weights), see `flatten`.
            inputs: (lookback_steps, services, features, rows).

        Returns:
            (services, targets, rows); the next call writes over it.
        """
        *layers, matrix, bias = self._by_layer(_cut(weights, self.shapes.values()))
        room = self._room(inputs)
        states: Sequence[Tensor] = list(inputs)
        for layer, buffers in zip(layers, room.layers, strict=True):
            forward(LayerWeights(*layer), states, buffers)
            states = buffers.states
        return torch.baddbmm(bias[0][..., None], matrix[0], states[-1], out=room.outputs)

    def fill_gradients(
        self, weights: Tensor, inputs: Tensor, output_gradient: Tensor, gradients: Tensor
    ) -> None:
        """Fill `gradients`, (services, weights), after `predict` with the same arguments.

        Args:
            weights: as in `predict`.
            inputs: as in `predict`.
            output_gradient: of the loss by the outputs, (services, targets, rows).
            gradients: where the gradients of the loss by the weights go.
        """
        *layers, matrix, _ = self._by_layer(_cut(weights, self.shapes.values()))
        room = self._room(inputs)
        *by_layer, of_matrix, of_bias = self._by_layer(room.gradients)
        last_state = room.layers[-1].states[-1]
        torch.bmm(output_gradient, last_state.transpose(1, 2), out=of_matrix[0])
        torch.sum(output_gradient, dim=2, out=of_bias[0])
        torch.bmm(matrix[0].transpose(1, 2), output_gradient, out=room.state_gradient)

        from_above: Sequence[Tensor | None] = [*[None] * (len(inputs) - 1), room.state_gradient]
        for number in reversed(range(len(layers))):
            read = (
                [step.state_by_row for step in room.layers[number - 1].steps] if number else list(inputs.mT)
            )
            own, result = LayerWeights(*layers[number]), LayerWeights(*by_layer[number])
            from_above = backward(own, result, read, from_above, room.layers[number])
        for place, values in zip(_cut(gradients, self.shapes.values()), room.gradients, strict=True):
            place.copy_(values)

    def _by_layer(self, tensors: Sequence[Tensor]) -> list[Sequence[Tensor]]:
        """The tensors of each GRU layer, of the matrix and of the bias of the linear layer."""
        *gru, matrix, bias = tensors
        layers = [gru[at : at + PER_GRU_LAYER] for at in range(0, len(gru), PER_GRU_LAYER)]
        return [*layers, [matrix], [bias]]

    def _room(self, inputs: Tensor) -> Buffers:
        """Room for a pass of this shape; passes of all shapes share one storage."""
        shape = tuple(inputs.shape)
        if shape not in self._buffers:
            if len(self._buffers) == MOST_SHAPES:
                self._buffers.clear()
            self._buffers[shape] = self._lay_out(inputs)
        return self._buffers[shape]

    def _lay_out(self, inputs: Tensor) -> Buffers:
        services, rows = inputs.shape[1], inputs.shape[3]
        hidden = self.size["hidden_size"]

        def take(name: str, *shape: int) -> Tensor:
            return self._take(name, (services, *shape), inputs.device)

        return Buffers(
            layers=[self._lay_out_layer(layer, inputs) for layer in range(self.size["layer_count"])],
            gradients=[take(f"gradient {name}", *shape) for name, shape in self.shapes.items()],
            outputs=take("outputs", self.size["output_size"], rows),
            state_gradient=take("last state gradient", hidden, rows),
        )

    def _lay_out_layer(self, layer: int, inputs: Tensor) -> LayerBuffers:
        steps, services, _, rows = inputs.shape
        hidden = self.size["hidden_size"]

        def take(name: str, *shape: int) -> Tensor:
            return self._take(name, (*shape, hidden, rows), inputs.device)

        gates, from_hidden = (
            self._take(f"{name} {layer}", (steps, services, 3 * hidden, rows), inputs.device)
            for name in ("gates", "from hidden")
        )
        states = take(f"states {layer}", steps, services)
        return LayerBuffers(
            steps=[StepBuffers.of(*tensors) for tensors in zip(gates, from_hidden, states, strict=True)],
            gates=gates,
            from_hidden_n=from_hidden[:, :, 2 * hidden :],
            input_gradients=list(take(f"input gradients {layer}", steps, services)) if layer else [],
            scratch=take("scratch", services),
            passed_on=take("passed on", services),
            state_gradient=take(f"state gradient {layer}", services),
        )

    def _take(self, name: str, shape: tuple[int, ...], device: torch.device) -> Tensor:
        """A tensor of this name and shape, in storage that grows to the largest shape asked for."""
        count = prod(shape)
        if name not in self._storage or self._storage[name].numel() < count:
            self._storage[name] = torch.empty(count, device=device)
            self._buffers.clear()  # they lie in the storage that was replaced
        return self._storage[name][:count].view(shape)


def _without_values() -> PerformancesGRU:
    """A network of shapes only; no random number is drawn for it."""
    with torch.device("meta"):
        return PerformancesGRU()


def _cut(rows: Tensor, shapes: Iterable[torch.Size]) -> list[Tensor]:
    """Cut (services, weights) into views (services, *shape)."""
    shapes = list(shapes)
    pieces = torch.split(rows, [prod(shape) for shape in shapes], dim=1)
    return [piece.view(len(rows), *shape) for piece, shape in zip(pieces, shapes, strict=True)]
