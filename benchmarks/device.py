"""Checks that a GPU trains what the CPU trains, and times both: 10, 100 and 1,000 services of 1,000 rows.

    python benchmarks/device.py [--services 10,100,1000] [--rows 1000] [--epochs 10] [--json]

Needs kpp's sources, PyTorch, NumPy, pandas, pyarrow, scikit-learn and SciPy. Where kpp is not installed:
`PYTHONPATH=. python benchmarks/device.py`. Exits with 1 where the two devices differ by more than rounding.
Without a GPU it times the CPU alone. About two minutes on 16 cores.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from simulated import make_frame

from kpp.predictor.pipeline import PerformancesDataPipeline
from kpp.predictor.preparation.windows import ServiceDataset
from kpp.predictor.settings import TrainingSettings
from kpp.predictor.stacked.group import Fit
from kpp.predictor.stacked.network import StackedNetwork, flatten
from kpp.predictor.training import fit_services
from kpp.table.columns import LINE, REASON, SERVICE, SOURCE, Table

OUTPUT_TOLERANCE = 1e-5  # of the same weights on both devices, normalized units
LOSS_TOLERANCE = 0.01  # of the mean validation loss after training, relative: rounding grows with each step


@dataclass(frozen=True)
class Run:
    """One training of all services."""

    device: str
    seconds: float
    mean_validation_loss: float


def simulate(services: int, rows: int) -> dict[str, ServiceDataset]:
    """The windows of a simulated table."""
    frame = make_frame(services, rows)
    frame[SOURCE], frame[LINE] = "simulated", np.arange(len(frame))
    nothing = pd.DataFrame(columns=[SERVICE, SOURCE, LINE, REASON])
    return PerformancesDataPipeline().run(Table(frame, left_out=nothing)).datasets


def train(datasets: dict[str, ServiceDataset], device: str, epochs: int) -> tuple[Run, dict[str, Fit]]:
    """Train all services for so many epochs, after a short run that loads the device's libraries."""
    few = [*datasets.values()][:2]
    for _ in fit_services(few, TrainingSettings(device=device, max_epochs=1), lambda *_: None):
        pass
    settings = TrainingSettings(device=device, max_epochs=epochs, stop_patience_epochs=epochs)
    began = time.perf_counter()
    fits = {fit.service: fit for fit in fit_services([*datasets.values()], settings, lambda *_: None)}
    seconds = time.perf_counter() - began
    loss = float(np.mean([fit.best_validation_loss for fit in fits.values()]))
    return Run(device, seconds, loss), fits


def largest_difference(datasets: dict[str, ServiceDataset], fits: dict[str, Fit]) -> float:
    """Between the outputs of `nn.GRU` on the CPU and of the stacked networks on the GPU, the same weights."""
    names = [*fits][:64]
    weights = torch.stack([flatten(fits[name].network) for name in names])
    count = min(len(datasets[name].test) for name in names)
    inputs = torch.stack([torch.from_numpy(datasets[name].test.inputs[:count]) for name in names])
    stacked = inputs.permute(2, 0, 3, 1).contiguous()
    with torch.no_grad():
        there = StackedNetwork().predict(weights.cuda(), stacked.cuda()).cpu()
        here = torch.stack([fits[name].network(rows) for name, rows in zip(names, inputs, strict=True)])
    return float((there.transpose(1, 2) - here).abs().max())


def main() -> None:
    """Train on each device and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--services", default="10,100,1000", help="how many, a list (default 10,100,1000)")
    parser.add_argument("--rows", type=int, default=1000, help="of each service (default 1000)")
    parser.add_argument("--epochs", type=int, default=10, help="of each training (default 10)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    arguments = parser.parse_args()

    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    result: dict[str, object] = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "gpu": gpu,
        "epochs": arguments.epochs,
    }
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} CPU threads, GPU: {gpu}", file=sys.stderr)
    failed = False
    lines = ["| services | device | seconds | mean validation loss |", "|---:|:---|---:|---:|"]
    for count in map(int, arguments.services.split(",")):
        datasets = simulate(count, arguments.rows)
        trained = {device: train(datasets, device, arguments.epochs) for device in devices}
        for run, _ in trained.values():
            lines.append(f"| {count} | {run.device} | {run.seconds:.2f} | {run.mean_validation_loss:.5f} |")
            print(lines[-1], file=sys.stderr)
        result[str(count)] = {device: vars(run) for device, (run, _) in trained.items()}
        if "cuda" in trained:
            difference = largest_difference(datasets, trained["cpu"][1])
            losses = [run.mean_validation_loss for run, _ in trained.values()]
            apart = abs(losses[1] / losses[0] - 1)
            lines.append(
                f"| {count} | outputs differ by {difference:.1e}, losses by {100 * apart:.2f} % | | |"
            )
            failed |= difference > OUTPUT_TOLERANCE or apart > LOSS_TOLERANCE
    print(json.dumps(result, indent=2) if arguments.json else "\n".join(lines))
    sys.exit("the devices differ by more than rounding" if failed else 0)


if __name__ == "__main__":
    main()
