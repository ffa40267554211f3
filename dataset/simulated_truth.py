"""What really happened in a simulated campaign: beside the tables, for whoever judges an estimate."""

import json
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from kpp.cli.campaigns.progress import CampaignProgress
from kpp.collector.campaign.plan import Experiment, Phase
from kpp.simulator.application import Application
from kpp.simulator.cluster import Simulation
from kpp.simulator.engine import EngineSnapshot


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
