"""Where a service's training begins: random weights of its own, a few epochs ahead of PyTorch's.

docs/adr/0056-fewer-epochs.md has what each change to PyTorch's own first weights is worth.
"""

import numpy as np
import torch
from torch import Tensor, nn

from kpp.predictor.model import PerformancesGRU
from kpp.predictor.preparation.windows import ServiceDataset
from kpp.predictor.settings import TrainingSettings, seed_of
from kpp.predictor.stacked.network import flatten


def draw_weights(dataset: ServiceDataset, settings: TrainingSettings) -> Tensor:
    """A service's first weights, from its own seed; the caller's random state stays as it was.

    PyTorch's, but for two: the matrices from state to state are orthogonal, gate by gate, so that they
    neither stretch nor shrink a state (A. Saxe, J. McClelland and S. Ganguli 2013, Exact solutions to the
    nonlinear dynamics of learning in deep linear neural networks); and the last bias predicts the median.

    Returns:
        All weights in a row, as `flatten` has them: (weights,).
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed_of(settings.seed, dataset.service))
        network = PerformancesGRU()
        for name, values in network.gru.named_parameters():
            if name.startswith("weight_hh"):
                for gate in torch.split(values, network.gru.hidden_size):
                    nn.init.orthogonal_(gate)
        network.linear.bias.copy_(_median_targets(dataset))
        return flatten(network)


def _median_targets(dataset: ServiceDataset) -> Tensor:
    """The median of each target in the fitted rows: (targets,), normalized; 0 where nothing was measured."""
    targets = dataset.fit.targets
    known = ~np.isnan(targets).all(axis=0)
    medians = np.zeros(targets.shape[1], dtype=np.float32)
    medians[known] = np.nanmedian(targets[:, known], axis=0)
    return torch.from_numpy(medians)
