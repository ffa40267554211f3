"""Makes the shipped campaigns again: `kpp collect` on a simulated cluster, at normal load and into overload.

    python dataset/make_simulated.py [--folder DIR] [--sample] [normal] [overload]

Each takes some minutes, in a process of its own. The same script gives the same files, bit for bit. Beside
the tables it writes the truth, which the simulated cluster knows and no collector can see: no measurements,
but what estimates can be compared with.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console
from simulated_truth import TruthfulProgress, write_truth

from kpp.cli.campaigns.simulated_cluster import VirtualCluster, run_campaign, virtual_cluster
from kpp.files import write_whole
from kpp.simulator.application_file import read_application
from kpp.simulator.cluster import SimulationSettings

SETTLING_SECONDS = 300.0  # from a change of the cluster to the next experiment
APPLICATION = "online_boutique"


@dataclass(frozen=True)
class Part:
    """Some loads on one shape of the cluster; what is not named is as the manifests have it."""

    user_counts: Sequence[int]
    replicas: Mapping[str, int] = field(default_factory=dict)
    cpu_limits_cores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """What is run: which loads on which shapes, for how long, and when by the cluster's clock."""

    parts: Sequence[Part]
    seed: int
    started_at: datetime
    measured_seconds: float = 1260.0


RECIPES = {
    "normal": Recipe([Part(range(20, 111, 6))], seed=1, started_at=datetime(2026, 1, 5, tzinfo=UTC)),
    "overload": Recipe(
        [
            Part(range(160, 401, 40)),  # the frontend reaches its limit at 240 users or so
            Part(range(180, 381, 40), replicas={"frontend": 2}),  # currencyservice does, at 270
            Part(  # productcatalogservice does, at 290
                range(170, 371, 40),
                replicas={"frontend": 2, "currencyservice": 2},
                cpu_limits_cores={"frontend": 0.3, "productcatalogservice": 0.15},
            ),
        ],
        seed=2,
        started_at=datetime(2026, 1, 6, tzinfo=UTC),
    ),
}


def reshape(cluster: VirtualCluster, part: Part) -> None:
    """Give the Deployments a part's replicas and limits, as `kubectl patch` would, and let them settle."""
    from kubernetes.client import AppsV1Api  # late: it reads KUBECONFIG when it is loaded
    from kubernetes.config import new_client_from_config

    services = cluster.simulation.application.services
    with new_client_from_config() as api_client:
        deployments = AppsV1Api(api_client)
        for service in sorted({*part.replicas, *part.cpu_limits_cores}):
            limit_cores = part.cpu_limits_cores.get(service, services[service].cpu_limit_cores)
            container = {
                "name": services[service].container,
                "resources": {"limits": {"cpu": f"{limit_cores}"}},
            }
            spec = {
                "replicas": part.replicas.get(service, services[service].replicas),
                "template": {"spec": {"containers": [container]}},
            }
            namespace = cluster.simulation.settings.namespace
            deployments.patch_namespaced_deployment(service, namespace, {"spec": spec})
    cluster.clock.sleep(SETTLING_SECONDS)


def sample_of(recipe: Recipe) -> Recipe:
    """The first five minutes of its first load, which are the same as in the whole."""
    first = replace(recipe.parts[0], user_counts=recipe.parts[0].user_counts[:1])
    return replace(recipe, parts=[first], measured_seconds=300.0)


def make(name: str, folder: Path, *, is_sample: bool = False) -> list[Path]:
    """Run a campaign and put its tables and the truth into `folder`, under the campaign's name.

    Returns:
        What was written: measurements, calls, truth.
    """
    recipe = sample_of(RECIPES[name]) if is_sample else RECIPES[name]
    application, settings = read_application(APPLICATION), SimulationSettings(seed=recipe.seed)
    measurements, calls, parts = [], [], []
    with (
        tempfile.TemporaryDirectory() as scratch,
        virtual_cluster(application, settings, recipe.started_at.timestamp()) as cluster,
    ):
        for part in recipe.parts:
            reshape(cluster, part)
            progress: list[TruthfulProgress] = []

            def observe(*arguments: Any, seen: list[TruthfulProgress] = progress) -> TruthfulProgress:
                seen.append(TruthfulProgress(cluster.simulation, recipe.measured_seconds, *arguments))
                return seen[0]

            campaign = {
                "user_counts": tuple(part.user_counts),
                "measured_seconds": recipe.measured_seconds,
                "output_directory": Path(scratch),
            }
            files = run_campaign(cluster, campaign, Console(stderr=True, quiet=True), observe)
            measurements.append(files.measurements.read_bytes())
            calls.append(files.calls.read_bytes())
            parts.append(
                {
                    "replicas": part.replicas,
                    "cpu_limits_cores": part.cpu_limits_cores,
                    "loads": progress[0].loads,
                }
            )
    contents = {
        folder / f"performance_results_simulated_{name}.csv": join_tables(measurements),
        folder / f"performance_calls_simulated_{name}.csv": join_tables(calls),
        folder / f"truth_simulated_{name}.json": write_truth(application, recipe.seed, parts),
    }
    write_whole(contents)
    return list(contents)


def join_tables(tables: Sequence[bytes]) -> bytes:
    """One table under the first one's header."""
    return tables[0] + b"".join(table.partition(b"\n")[2] for table in tables[1:])


def main() -> None:
    """Make what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help=f"of {', '.join(RECIPES)}; all if none is given")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent, help="where to write")
    parser.add_argument("--sample", action="store_true", help="only the first five minutes of each")
    arguments = parser.parse_args()
    if strangers := set(arguments.names) - RECIPES.keys():
        parser.error(f"no such campaign: {', '.join(sorted(strangers))}")
    names = arguments.names or list(RECIPES)
    sys.stderr.write(f"Making {', '.join(names)}: this takes some minutes.\n")
    with ProcessPoolExecutor(len(names), get_context("spawn"), max_tasks_per_child=1) as processes:
        make_one = partial(make, folder=arguments.folder, is_sample=arguments.sample)
        for written in processes.map(make_one, names):
            sys.stdout.writelines(f"{path}\n" for path in written)


if __name__ == "__main__":
    main()
