"""One GRU layer of many services at once, forward and backward, by hand.

Each service has weights of its own; a matrix product of the layer is one batched product over all services.
The formulas are those of `torch.nn.GRU` (K. Cho et al. 2014, Learning phrase representations using RNN
encoder-decoder for statistical machine translation):

    r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
    z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
    n = tanh(W_in x + b_in + r (W_hn h + b_hn))
    h' = (1 - z) n + z h

Nothing is allocated in a step, the backward pass writes over what the forward pass kept, and the parts of a
buffer are looked up once: on a CPU the memory that is touched, and the number of operations and views that
Python begins, cost more than the arithmetic between the products. Why not autograd:
docs/adr/0030-train-services-together.md. Shapes: services first, rows of the batch last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

# the derivatives that autograd itself uses, here with a place for the result
sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
tanh_backward = torch.ops.aten.tanh_backward.grad_input


MINUS_ONE = torch.tensor(-1.0)


class LayerWeights(NamedTuple):
    """The weights of one layer, or their gradients, with the gates r, z, n one below the other."""

    input: Tensor  # (services, 3 hidden, inputs)
    hidden: Tensor  # (services, 3 hidden, hidden)
    input_bias: Tensor  # (services, 3 hidden)
    hidden_bias: Tensor  # (services, 3 hidden)


class StepBuffers(NamedTuple):
    """Room for one time step of a layer, and the parts of it; the gates lie one below the other."""

    gates: Tensor  # (services, 3 hidden, rows): r, z, n; later the gradients of their arguments
    gates_rz: Tensor  # of `gates`, (services, 2 hidden, rows)
    r: Tensor  # of `gates`, (services, hidden, rows), like those that follow
    z: Tensor
    n: Tensor
    from_hidden: Tensor  # (services, 3 hidden, rows): W_h h + b_h; later its gradient
    from_hidden_rz: Tensor
    from_hidden_n: Tensor
    state: Tensor  # (services, hidden, rows): h'
    state_by_row: Tensor  # the same, (services, rows, hidden)

    @classmethod
    def of(cls, gates: Tensor, from_hidden: Tensor, state: Tensor) -> "StepBuffers":
        """The parts of these three."""
        size = state.shape[1]
        rz = slice(2 * size)
        r, z, n = torch.split(gates, size, dim=1)
        hidden_n = from_hidden[:, 2 * size :]
        return cls(gates, gates[:, rz], r, z, n, from_hidden, from_hidden[:, rz], hidden_n, state, state.mT)


@dataclass(frozen=True)
class LayerBuffers:
    """Room for one pass.

    Attributes:
        steps: of each time step what the backward pass needs.
        gates: (steps, services, 3 hidden, rows), those of all time steps.
        from_hidden_n: (steps, services, hidden, rows), the last third of `from_hidden` of all time steps.
        input_gradients: (services, inputs, rows) for each time step; empty where no one asks for them.
        scratch, passed_on, state_gradient: (services, hidden, rows).
    """

    steps: Sequence[StepBuffers]
    gates: Tensor
    from_hidden_n: Tensor
    input_gradients: Sequence[Tensor]
    scratch: Tensor
    passed_on: Tensor
    state_gradient: Tensor

    @property
    def states(self) -> Sequence[Tensor]:
        """(services, hidden, rows) for each time step: h'."""
        return [step.state for step in self.steps]

    @property
    def states_by_row(self) -> Sequence[Tensor]:
        """The same, (services, rows, hidden)."""
        return [step.state_by_row for step in self.steps]


def forward(weights: LayerWeights, inputs: Sequence[Tensor], room: LayerBuffers) -> None:
    """Run the layer over all time steps, from a state of 0; fills `room.steps`.

    Args:
        weights: of the layer.
        inputs: (services, inputs, rows) for each time step.
        room: for what comes out, and for what `backward` needs.
    """
    size = weights.hidden.shape[2]
    input_bias, hidden_bias = weights.input_bias[..., None], weights.hidden_bias[..., None]
    bias_rz, bias_n = hidden_bias[:, : 2 * size], hidden_bias[:, 2 * size :]
    before = None  # the state before the first step is 0
    for x, step in zip(inputs, room.steps, strict=True):
        torch.baddbmm(input_bias, weights.input, x, out=step.gates)
        if before is None:
            from_hidden_rz, from_hidden_n = bias_rz, bias_n
        else:
            torch.baddbmm(hidden_bias, weights.hidden, before, out=step.from_hidden)
            from_hidden_rz, from_hidden_n = step.from_hidden_rz, step.from_hidden_n
        step.gates_rz.add_(from_hidden_rz).sigmoid_()
        # tanh(a) = 2 sigmoid(2 a) - 1: on a CPU sigmoid takes a tenth of the time
        n = step.n.addcmul_(step.r, from_hidden_n).mul_(2).sigmoid_()
        torch.add(MINUS_ONE, n, alpha=2, out=n)
        if before is None:
            torch.addcmul(n, step.z, n, value=-1, out=step.state)
        else:
            torch.lerp(n, before, step.z, out=step.state)
        before = step.state


def backward(
    weights: LayerWeights,
    gradients: LayerWeights,
    inputs_by_row: Sequence[Tensor],
    output_gradients: Sequence[Tensor | None],
    room: LayerBuffers,
) -> Sequence[Tensor]:
    """Fill `gradients` from the gradients of the layer's states, after `forward` with the same arguments.

    Args:
        weights: of the layer.
        gradients: where the gradients of the weights go.
        inputs_by_row: (services, rows, inputs) for each time step, otherwise as in `forward`.
        output_gradients: (services, hidden, rows) for each time step, None where nothing reads the state; the
            last one is read.
        room: as `forward` left it; it is written over.

    Returns:
        `room.input_gradients`, filled.
    """
    size = weights.hidden.shape[2]
    last = len(room.steps) - 1
    to_state, to_input = weights.hidden.mT, weights.input.mT
    dh = room.state_gradient
    for number in range(last, -1, -1):
        step, above = room.steps[number], output_gradients[number]
        if number == last:
            dh.copy_(above if above is not None else torch.zeros_like(dh))
        elif above is not None:
            dh.add_(above)
        before = room.steps[number - 1] if number else None
        recurrent = step.from_hidden_n if before else weights.hidden_bias[:, 2 * size :, None]
        _step_backward(step, before.state if before else None, recurrent, room)
        beta = 0 if number == last else 1  # the first to be added up
        gradients.input.baddbmm_(step.gates, inputs_by_row[number], beta=beta)
        if before:
            gradients.hidden.baddbmm_(step.from_hidden, before.state_by_row, beta=beta)
            torch.baddbmm(room.passed_on, to_state, step.from_hidden, out=dh)
        elif number == last:
            gradients.hidden.zero_()  # a window of one minute: no state was read
        if room.input_gradients:
            torch.bmm(to_input, step.gates, out=room.input_gradients[number])
    _add_up_biases(gradients, room)
    return room.input_gradients


def _step_backward(step: StepBuffers, before: Tensor | None, recurrent: Tensor, room: LayerBuffers) -> None:
    """Turn r, z, n into the gradients of their arguments, `from_hidden` into that of W_h h + b_h.

    `room.passed_on` becomes the part of the gradient that z passes on to the state before. `recurrent` is
    W_hn h + b_hn, (services, hidden, rows or 1).
    """
    dh, scratch = room.state_gradient, room.scratch
    if before is None:
        torch.mul(step.n, dh, out=scratch).neg_()
    else:
        torch.sub(before, step.n, out=scratch).mul_(dh)  # dh'/dz
    torch.mul(dh, step.z, out=room.passed_on)
    tanh_backward(dh.sub_(room.passed_on), step.n, grad_input=step.n)
    sigmoid_backward(scratch, step.z, grad_input=step.z)
    torch.mul(step.n, recurrent, out=scratch)
    torch.mul(step.n, step.r, out=step.from_hidden_n)
    sigmoid_backward(scratch, step.r, grad_input=step.r)
    step.from_hidden_rz.copy_(step.gates_rz)


def _add_up_biases(gradients: LayerWeights, room: LayerBuffers) -> None:
    """The gradients of both biases, over time steps and rows; for r and z they are the same."""
    size = room.scratch.shape[1]
    torch.sum(room.gates, dim=(0, 3), out=gradients.input_bias)
    gradients.hidden_bias[:, : 2 * size] = gradients.input_bias[:, : 2 * size]
    gradients.hidden_bias[:, 2 * size :] = room.from_hidden_n.sum(dim=(0, 3))
