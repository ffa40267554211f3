"""Adam for many services at once, against `torch.optim.Adam` for each."""

import numpy as np
import torch

from kpp.predictor.stacked.adam import AdamState, step

RATES = (1e-1, 5e-3, 1e-4)


def test_each_service_moves_as_with_an_optimizer_of_its_own() -> None:
    """The last service has fewer steps: it rests in every second one, as one with fewer batches does."""
    chance = torch.Generator().manual_seed(0)
    weights = torch.randn(3, 50, generator=chance)
    alone = [torch.nn.Parameter(row.clone()) for row in weights]
    optimizers = [torch.optim.Adam([row], lr=rate) for row, rate in zip(alone, RATES, strict=True)]
    state = AdamState.of(weights)
    steps = np.zeros(3, dtype=np.int64)
    for number in range(20):
        gradients = torch.randn(3, 50, generator=chance) * 10.0 ** torch.randint(
            -6, 3, (3, 1), generator=chance
        )
        moving = 3 if number % 2 else 2
        steps[:moving] += 1
        step(weights, gradients, state, RATES[:moving], steps[:moving])
        for row, optimizer, gradient in zip(alone[:moving], optimizers, gradients, strict=False):
            row.grad = gradient.clone()
            optimizer.step()

    torch.testing.assert_close(weights, torch.stack([row.detach() for row in alone]), rtol=1e-5, atol=1e-6)
