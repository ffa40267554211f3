"""Simulated clusters for tests, and the questions that tests ask them."""

from functools import cache
from typing import Any

from kpp.simulator.application import Application, service_of
from kpp.simulator.application_file import read_application
from kpp.simulator.cluster import Simulation, SimulationSettings
from kpp.simulator.engine import EngineSnapshot
from kpp.simulator.kubernetes.objects.resources import DEPLOYMENTS, Json
from kpp.simulator.promql import query_instant

STARTED_AT = 1_767_225_600.0


@cache
def boutique() -> Application:
    return read_application("online_boutique")


@cache
def three_tier() -> Application:
    return read_application("three_tier")


def simulate(application: Application, **settings: Any) -> Simulation:
    """A cluster that was just handed over, at a round instant."""
    return Simulation(application, STARTED_AT, SimulationSettings(**settings))


def run_for(simulation: Simulation, seconds: float) -> None:
    simulation.advance_to(simulation.now + seconds)


def patch_deployment(simulation: Simulation, name: str, change: Any) -> None:
    """Change a copy of a Deployment's spec, as a client would."""

    def changed(present: Json) -> Json:
        spec = dict(present["spec"])
        change(spec)
        return {**present, "spec": spec}

    simulation.kubernetes.registry.patch(DEPLOYMENTS, name, simulation.settings.namespace, changed)


def set_load(simulation: Simulation, user_count: int, spawn_rate: int = 100) -> None:
    """Set USERS and RATE of the load generator, and let the roll-out happen."""
    runner = simulation.application.users.service

    def change(spec: Json) -> None:
        template = dict(spec["template"])
        containers = [dict(each) for each in template["spec"]["containers"]]
        values = {"USERS": str(user_count), "RATE": str(spawn_rate)}
        containers[0]["env"] = [
            {**each, "value": values.get(each["name"], each.get("value", ""))}
            for each in containers[0]["env"]
        ]
        spec["template"] = {**template, "spec": {**template["spec"], "containers": containers}}

    patch_deployment(simulation, runner, change)


def ask(simulation: Simulation, query: str, at: float | None = None) -> dict[tuple[str, ...], float]:
    """The answer of an instant query, by the values of its labels, sorted by their names."""
    instant = simulation.now if at is None else at
    answer: Any = query_instant(simulation.samples, query, round(instant * 1000))
    return {
        tuple(value for _, value in sorted(each["metric"].items())): float(each["value"][1])
        for each in answer["result"]
    }


def true_count(snapshot: EngineSnapshot, service: str) -> int:
    """Requests that a service has taken and answered, or refused, since the beginning."""
    return sum(
        sum(truth.counts.values()) for truth in snapshot.operations if service_of(truth.operation) == service
    )
