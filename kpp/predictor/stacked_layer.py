"""One GRU layer of many services at once, forward and backward, by hand.

Each service has weights of its own; a matrix product of the layer is one batched product over all services.
The formulas are those of `torch.nn.GRU` (K. Cho et al. 2014, Learning phrase representations using RNN
encoder-decoder for statistical machine translation):

    r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
    z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
    n = tanh(W_in x + b_in + r (W_hn h + b_hn))
    h' = (1 - z) n + z h

Nothing is allocated in a step, and the backward pass writes over what the forward pass kept: on a CPU the
memory that is touched costs more than the arithmetic between the products. Why not autograd:
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


class LayerWeights(NamedTuple):
    """The weights of one layer, or their gradients, with the gates r, z, n one below the other."""

    input: Tensor  # (services, 3 hidden, inputs)
    hidden: Tensor  # (services, 3 hidden, hidden)
    input_bias: Tensor  # (services, 3 hidden)
    hidden_bias: Tensor  # (services, 3 hidden)


@dataclass(frozen=True)
class LayerBuffers:
    """Room for one pass: for each time step what the backward pass needs, and scratch.

    Attributes:
        gates: (services, 3 hidden, rows) for each time step: r, z, n; later their gradients.
        from_hidden: (services, 3 hidden, rows) for each time step: W_h h + b_h; later its gradient.
        states: (services, hidden, rows) for each time step: h'.
        input_gradients: (services, inputs, rows) for each time step; empty where no one asks for them.
        scratch, state_gradient: (services, hidden, rows).
    """

    gates: Sequence[Tensor]
    from_hidden: Sequence[Tensor]
    states: Sequence[Tensor]
    input_gradients: Sequence[Tensor]
    scratch: Tensor
    state_gradient: Tensor


def forward(weights: LayerWeights, inputs: Sequence[Tensor], room: LayerBuffers) -> Sequence[Tensor]:
    """Run the layer over all time steps, from a state of 0.

    Args:
        weights: of the layer.
        inputs: (services, inputs, rows) for each time step.
        room: its `gates`, `from_hidden` and `states` are filled.

    Returns:
        `room.states`.
    """
    size = weights.hidden.shape[2]
    input_bias, hidden_bias = weights.input_bias[..., None], weights.hidden_bias[..., None]
    for step, x in enumerate(inputs):
        gates = torch.baddbmm(input_bias, weights.input, x, out=room.gates[step])
        from_hidden = hidden_bias  # the state before the first step is 0
        if step:
            before, from_hidden = room.states[step - 1], room.from_hidden[step]
            torch.baddbmm(hidden_bias, weights.hidden, before, out=from_hidden)
        gates[:, : 2 * size].add_(from_hidden[:, : 2 * size]).sigmoid_()
        r, z, n = torch.split(gates, size, dim=1)
        # tanh(a) = 2 sigmoid(2 a) - 1: on a CPU sigmoid takes a tenth of the time
        torch.addcmul(n, r, from_hidden[:, 2 * size :], out=n).mul_(2).sigmoid_().mul_(2).sub_(1)
        if step:
            torch.lerp(n, before, z, out=room.states[step])
        else:
            torch.addcmul(n, z, n, value=-1, out=room.states[step])
    return room.states


def backward(
    weights: LayerWeights,
    gradients: LayerWeights,
    inputs: Sequence[Tensor],
    output_gradients: Sequence[Tensor | None],
    room: LayerBuffers,
) -> Sequence[Tensor]:
    """Fill `gradients` from the gradients of the layer's states, after `forward` with the same arguments.

    Args:
        weights: of the layer.
        gradients: where the gradients of the weights go.
        inputs: as in `forward`.
        output_gradients: (services, hidden, rows) for each time step, None where nothing reads the state; the
            last one is read.
        room: as `forward` left it; it is written over.

    Returns:
        `room.input_gradients`, filled.
    """
    size = weights.hidden.shape[2]
    last = len(inputs) - 1
    dh = room.state_gradient
    for step in range(last, -1, -1):
        gates, from_hidden = room.gates[step], room.from_hidden[step]
        output_gradient = output_gradients[step]
        if step == last:
            dh.copy_(output_gradient if output_gradient is not None else torch.zeros_like(dh))
        elif output_gradient is not None:
            dh.add_(output_gradient)
        before = room.states[step - 1] if step else None
        recurrent = from_hidden[:, 2 * size :] if step else weights.hidden_bias[:, 2 * size :, None]
        _step_backward(gates, from_hidden, before, recurrent, room)
        _accumulate(gradients.input, gates, inputs[step], first=step == last)
        _add_up(gradients.input_bias, gates, first=step == last)
        _add_up(gradients.hidden_bias, from_hidden, first=step == last)
        if before is not None:
            _accumulate(gradients.hidden, from_hidden, before, first=step == last)
            dh.baddbmm_(weights.hidden.transpose(1, 2), from_hidden)
        elif step == last:
            gradients.hidden.zero_()  # a window of one minute: no state was read
        if room.input_gradients:
            torch.bmm(weights.input.transpose(1, 2), gates, out=room.input_gradients[step])
    return room.input_gradients


def _step_backward(
    gates: Tensor, from_hidden: Tensor, before: Tensor | None, recurrent: Tensor, room: LayerBuffers
) -> None:
    """Turn r, z, n in `gates` into the gradients of their arguments, `from_hidden` into that of W_h h + b_h.

    `room.state_gradient` becomes the part that z passes on to the state before. `recurrent` is W_hn h + b_hn,
    (services, hidden, rows or 1).
    """
    dh, scratch = room.state_gradient, room.scratch
    size = dh.shape[1]
    r, z, n = torch.split(gates, size, dim=1)
    if before is None:
        torch.mul(n, dh, out=scratch).neg_()
    else:
        torch.sub(before, n, out=scratch).mul_(dh)  # dh'/dz
    passed_on = torch.mul(dh, z, out=from_hidden[:, :size])
    tanh_backward(dh.sub_(passed_on), n, grad_input=n)
    sigmoid_backward(scratch, z, grad_input=z)
    torch.mul(n, recurrent, out=scratch)
    torch.mul(n, r, out=from_hidden[:, 2 * size :])
    sigmoid_backward(scratch, r, grad_input=r)
    dh.copy_(passed_on)
    from_hidden[:, : 2 * size] = gates[:, : 2 * size]


def _accumulate(total: Tensor, gradient: Tensor, read: Tensor, *, first: bool) -> None:
    """Add a time step's gradient of a weight matrix: (services, 3 hidden, rows) x (services, read, rows)."""
    total.baddbmm_(gradient, read.transpose(1, 2), beta=0 if first else 1)


def _add_up(total: Tensor, gradient: Tensor, *, first: bool) -> None:
    """Add a time step's gradient of a bias."""
    if first:
        torch.sum(gradient, dim=2, out=total)
    else:
        total.add_(gradient.sum(dim=2))
