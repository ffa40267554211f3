"""Shows where the time of a training goes, by PyTorch's profiler, as a markdown table.

    python benchmarks/profile_training.py FILE.csv [--epochs 6]

One group of up to eight services in one thread. "Matrix products" are the batched products with what they
add; "Python and dispatch" is the time in which no operation computes, the profiler's own share included.
"""

import argparse
import time
from collections import defaultdict
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from kpp.predictor.pipeline import PerformancesDataPipeline
from kpp.predictor.settings import TrainingSettings
from kpp.predictor.stacked.first_weights import draw_weights
from kpp.predictor.stacked.group import TrainingGroup
from kpp.predictor.training import CPU_GROUP
from kpp.schema import read_measurements

KINDS = {
    "matrix products": ("aten::bmm", "aten::baddbmm", "aten::baddbmm_"),
    "sums over the rows of a batch (biases)": ("aten::sum",),
    "batches: gathering windows": ("aten::index", "aten::randperm"),
}
GATES = "gates: sigmoid, and the derivatives of sigmoid and tanh"
REST = "other arithmetic, element by element (Adam and gates)"


def kind_of(operation: str) -> str:
    """The line of the table that an operation belongs to."""
    for kind, names in KINDS.items():
        if operation in names:
            return kind
    return GATES if operation.startswith(("aten::sigmoid", "aten::tanh")) else REST


def main() -> None:
    """Train some epochs under the profiler and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="a table of measurements")
    parser.add_argument("--epochs", type=int, default=6)
    arguments = parser.parse_args()

    prepared = PerformancesDataPipeline().run(read_measurements([arguments.file]))
    datasets = [*prepared.datasets.values()][:CPU_GROUP]
    settings = TrainingSettings()
    torch.set_num_threads(1)
    with torch.no_grad():
        group = TrainingGroup(settings, datasets[0].fit.lookback_steps, torch.device("cpu"))
        group.admit(datasets, [draw_weights(dataset, settings) for dataset in datasets])
        group.run_epoch(lambda: False)  # what is made once is made
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            began = time.perf_counter()
            for _ in range(arguments.epochs):
                group.run_epoch(lambda: False)
            seconds = time.perf_counter() - began
    shares: defaultdict[str, float] = defaultdict(float)
    for event in profiled.key_averages():
        shares[kind_of(event.key)] += event.self_cpu_time_total / 1e6 / seconds
    shares["Python and dispatch"] = 1 - sum(shares.values())
    print("| part of the training | share of the time |\n|---|---:|")
    for kind, share in sorted(shares.items(), key=lambda pair: -pair[1]):
        print(f"| {kind} | {100 * share:.0f} % |")


if __name__ == "__main__":
    main()
