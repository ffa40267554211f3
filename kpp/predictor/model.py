"""The network: one GRU per service."""

import torch
from torch import nn


class PerformancesGRU(nn.Module):
    """Past minutes of one service in, its next minute out; both in scaled units.

    Two GRU layers read the window; a linear layer turns the last minute's state into the targets.
    """

    def __init__(
        self, input_size: int = 4, hidden_size: int = 64, layer_count: int = 2, output_size: int = 3
    ) -> None:
        super().__init__()
        self.size = {
            "input_size": input_size,
            "hidden_size": hidden_size,
            "layer_count": layer_count,
            "output_size": output_size,
        }
        self.gru = nn.GRU(input_size, hidden_size, layer_count, batch_first=True)
        self.linear = nn.Linear(hidden_size, output_size)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map (n, lookback_steps, features) to (n, targets)."""
        states, _ = self.gru(inputs)  # (n, lookback_steps, hidden_size)
        predicted: torch.Tensor = self.linear(states[:, -1])
        return predicted
