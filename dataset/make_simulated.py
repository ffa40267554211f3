"""Makes the shipped campaigns again: `kpp collect` on a simulated cluster, at normal load and into overload.

    python dataset/make_simulated.py [--folder DIR] [normal] [overload]

Each takes some minutes, in a process of its own. The same script gives the same files, bit for bit.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console

from kpp.cli.simulated_cluster import run_campaign, virtual_cluster
from kpp.files import write_whole
from kpp.simulator.application_file import read_application
from kpp.simulator.cluster import SimulationSettings


@dataclass(frozen=True)
class Recipe:
    """What is run: which loads, for how long, on which cluster, and when by its clock."""

    user_counts: Sequence[int]
    measured_seconds: float
    seed: int
    started_at: datetime


RECIPES = {
    "normal": Recipe(range(20, 201, 20), 1260, seed=1, started_at=datetime(2026, 1, 5, tzinfo=UTC)),
    "overload": Recipe(range(160, 401, 40), 1260, seed=2, started_at=datetime(2026, 1, 6, tzinfo=UTC)),
}


def make(name: str, folder: Path) -> list[Path]:
    """Run a campaign and put its tables into `folder`, under the campaign's name."""
    recipe = RECIPES[name]
    application, settings = read_application("online_boutique"), SimulationSettings(seed=recipe.seed)
    with (
        tempfile.TemporaryDirectory() as scratch,
        virtual_cluster(application, settings, recipe.started_at.timestamp()) as cluster,
    ):
        campaign = {
            "user_counts": tuple(recipe.user_counts),
            "measured_seconds": recipe.measured_seconds,
            "output_directory": Path(scratch),
        }
        files = run_campaign(cluster, campaign, Console(stderr=True, quiet=True))
        tables = {
            folder / f"performance_results_simulated_{name}.csv": files.measurements.read_bytes(),
            folder / f"performance_calls_simulated_{name}.csv": files.calls.read_bytes(),
        }
    write_whole(tables)
    return list(tables)


def main() -> None:
    """Make what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help=f"of {', '.join(RECIPES)}; all if none is given")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent, help="where to write")
    arguments = parser.parse_args()
    if strangers := set(arguments.names) - RECIPES.keys():
        parser.error(f"no such campaign: {', '.join(sorted(strangers))}")
    names = arguments.names or list(RECIPES)
    sys.stderr.write(f"Making {', '.join(names)}: this takes some minutes.\n")
    with ProcessPoolExecutor(len(names), get_context("spawn"), max_tasks_per_child=1) as processes:
        for tables in processes.map(make, names, [arguments.folder] * len(names)):
            sys.stdout.writelines(f"{path}\n" for path in tables)


if __name__ == "__main__":
    main()
