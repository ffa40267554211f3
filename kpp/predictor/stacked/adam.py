"""Adam for the weights of many services, each with its own learning rate and number of steps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # the defaults of torch.optim.Adam


@dataclass(frozen=True)
class AdamState:
    """The moments of the gradients of many services, (services, weights) each."""

    first: Tensor
    second: Tensor
    scratch: Tensor

    @classmethod
    def of(cls, weights: Tensor) -> "AdamState":
        """The state before the first step."""
        return cls(torch.zeros_like(weights), torch.zeros_like(weights), torch.empty_like(weights))


def step(
    weights: Tensor,
    gradients: Tensor,
    state: AdamState,
    learning_rates: Sequence[float],
    steps: NDArray[np.int64],
) -> None:
    """Move the weights of the first services by one step (D. Kingma and J. Ba 2014, Adam, section 2).

    Args:
        weights: (services, weights); the first `len(steps)` services move.
        gradients: likewise.
        state: likewise.
        learning_rates: of each service that moves.
        steps: the number of each service's step, from 1.
    """
    moving = slice(len(steps))
    weights, gradients = weights[moving], gradients[moving]
    first, second, scratch = state.first[moving], state.second[moving], state.scratch[moving]
    first.lerp_(gradients, 1 - BETA_1)
    second.mul_(BETA_2).addcmul_(gradients, gradients, value=1 - BETA_2)
    # with the corrections of both biases moved out of the rows, to one number for each service
    correction = np.sqrt(1 - BETA_2**steps)
    sizes = np.asarray(learning_rates) * correction / (1 - BETA_1**steps)
    numbers = torch.tensor(np.stack([-sizes, EPSILON * correction]), dtype=weights.dtype)
    size, epsilon = numbers.to(weights.device)[..., None]
    torch.sqrt(second, out=scratch).add_(epsilon)
    torch.div(first, scratch, out=scratch)
    weights.addcmul_(scratch, size)
