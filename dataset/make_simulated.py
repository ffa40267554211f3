"""Makes the shipped campaigns again: `kpp collect` on a simulated cluster, at normal load and into overload.

    python dataset/make_simulated.py [--folder DIR] [normal] [overload]

Each takes some minutes, in a process of its own. The same script gives the same files, bit for bit. Beside
the tables it writes the truth, which the simulated cluster knows and no collector can see: no measurements,
but what estimates can be compared with.
"""

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console

from kpp.cli.campaign_progress import CampaignProgress
from kpp.cli.simulated_cluster import VirtualCluster, run_campaign, virtual_cluster
from kpp.collector.plan import Experiment, Phase
from kpp.files import write_whole
from kpp.simulator.application import Application
from kpp.simulator.application_file import read_application
from kpp.simulator.cluster import Simulation, SimulationSettings
from kpp.simulator.engine import EngineSnapshot

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


class TruthfulProgress(CampaignProgress):
    """Notes what really happened while each experiment was measured."""

    def __init__(self, simulation: Simulation, measured_seconds: float, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.loads: list[dict[str, object]] = []
        self._simulation = simulation
        self._measured_seconds = measured_seconds

    def entered(self, experiment: Experiment, phase: Phase) -> None:
        """Look at the cluster when measuring begins, and when the last sample's window ends."""
        super().entered(experiment, phase)
        if phase is Phase.MEASURING:
            before = self._simulation.snapshot()
            ends_at = self._simulation.now + self._measured_seconds
            self._simulation.call_at(ends_at, partial(self._note, experiment.user_count, before))

    def _note(self, user_count: int, before: EngineSnapshot) -> None:
        after = self._simulation.snapshot()
        services = describe_services(before, after, self._simulation.application)
        self.loads.append({"user_count": user_count, "services": services})


def describe_services(
    before: EngineSnapshot, after: EngineSnapshot, application: Application
) -> dict[str, dict[str, float | None]]:
    """What happened to each service between two instants; None for what has no value."""
    seconds = after.at_seconds - before.at_seconds
    truths = after.service_truths(since=before)
    entry_count = truths[application.entry_service].request_count
    described = {}
    for service, truth in truths.items():
        cpu_seconds, sidecar_seconds = _used(before, after, service)
        values = {
            "throughput_rps": truth.request_count / seconds,
            "visit_ratio": truth.request_count / entry_count,
            "succeeded": truth.succeeded_count / truth.request_count if truth.request_count else None,
            "response_time_seconds": truth.response_time_seconds,
            "demand_seconds": truth.demand_seconds,
            "cpu_cores": None if cpu_seconds is None else cpu_seconds / seconds,
            "sidecar_cpu_cores": None if sidecar_seconds is None else sidecar_seconds / seconds,
        }
        described[service] = {name: _rounded(value) for name, value in values.items()}
    return described


def _used(before: EngineSnapshot, after: EngineSnapshot, service: str) -> tuple[float | None, float | None]:
    """CPU seconds of the application and of the sidecars; None if a container was started meanwhile."""
    earlier = {pod.name: pod for pod in before.pods_of(service)}
    pairs = [(earlier.get(pod.name), pod) for pod in after.pods_of(service)]
    application = sidecar = 0.0
    for first, last in pairs:
        if first is None or first.container_started_at != last.container_started_at:
            return None, None
        application += last.cpu_seconds - first.cpu_seconds
        sidecar += (last.sidecar_cpu_seconds or 0.0) - (first.sidecar_cpu_seconds or 0.0)
    return application, sidecar


def _rounded(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(f"{value:.6g}")


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


def make(name: str, folder: Path, recipes: Mapping[str, Recipe] = RECIPES) -> list[Path]:
    """Run a campaign and put its tables and the truth into `folder`, under the campaign's name.

    Returns:
        What was written: measurements, calls, truth.
    """
    recipe = recipes[name]
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


def write_truth(application: Application, seed: int, parts: Sequence[Mapping[str, object]]) -> bytes:
    """The truth as JSON, with what is constant in it."""
    constants = {
        name: {
            "background_cores": service.background_cores,
            "threads": service.threads,
            "cpu_limit_cores": service.cpu_limit_cores,
            "replicas": service.replicas,
        }
        for name, service in application.services.items()
    }
    truth = {
        "what": "what really happened in the simulated campaign, by no measurement; means over each load",
        "application": application.name,
        "seed": seed,
        "wait_seconds": application.users.wait_seconds,
        "sidecar_cpu_ms": application.sidecar.cpu_ms,
        "services": constants,
        "parts": parts,
    }
    return json.dumps(truth, indent=1).encode() + b"\n"


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
        for written in processes.map(make, names, [arguments.folder] * len(names)):
            sys.stdout.writelines(f"{path}\n" for path in written)


if __name__ == "__main__":
    main()
