"""How an application is deployed on the simulated cluster: manifests, accounts, start-up times."""

from collections.abc import Mapping

from kpp.errors import InputError
from kpp.simulator.application import Application, Service
from kpp.simulator.kubernetes.controllers.pod_run import PodTimes, StartupTimes
from kpp.simulator.kubernetes.manifests import (
    LoadGenerator,
    ProbeKind,
    Workload,
    application_manifests,
)
from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.kubernetes.sidecar import SidecarInjector

_PROBES: dict[str, ProbeKind] = {"http": "http", "grpc": "grpc", "tcp": "tcp"}
_NO_ACCOUNT = "default"


def build_manifests(
    application: Application, namespace: str, replicas: Mapping[str, int] | None = None
) -> list[Json]:
    """All objects of an application.

    Args:
        application: what runs.
        namespace: where.
        replicas: by service; the application's own number for the others.

    Raises:
        InputError: the load generator's USERS or RATE is no number.
    """
    runner = application.users.service
    workloads = [
        _workload(application, name, service, (replicas or {}).get(name, service.replicas))
        for name, service in application.services.items()
        if name != runner
    ]
    return application_manifests(
        workloads,
        _load_generator(application),
        namespace=namespace,
        entry_service=application.entry_service,
    )


def service_accounts(application: Application) -> dict[str, str]:
    """The account of each service's pods: one of its own, but none for a store that came as it is."""
    return {
        name: _NO_ACCOUNT if service.protocol == "tcp" else name
        for name, service in application.services.items()
    }


def startup_times(application: Application) -> StartupTimes:
    """When the kubelet finds a service's pods ready; the engine starts them in the same time."""
    return StartupTimes(
        by_deployment={
            name: PodTimes(startup_seconds=startup_seconds(service))
            for name, service in application.services.items()
        }
    )


def startup_seconds(service: Service) -> float:
    """From the start of the container until the first probe that it passes."""
    delay_seconds = service.probe.initial_delay_seconds if service.probe is not None else 0.0
    return max(service.startup_seconds, delay_seconds)


def sidecar_injector(application: Application) -> SidecarInjector:
    """The webhook that gives each pod a proxy with the application's requests and limits."""
    sidecar = application.sidecar
    return SidecarInjector(
        requests=_amounts(sidecar.cpu_request_cores, sidecar.memory_request),
        limits=_amounts(sidecar.cpu_limit_cores, sidecar.memory_limit),
    )


def _workload(application: Application, name: str, service: Service, replicas: int) -> Workload:
    return Workload(
        name,
        _image(application, name, service),
        container=service.container,
        port=service.port,
        target_port=service.target_port,
        port_name=service.port_name or service.protocol,
        environment=service.environment,
        replicas=replicas,
        cpu_request_cores=service.cpu_request_cores,
        cpu_limit_cores=service.cpu_limit_cores,
        memory_request=service.memory_request,
        memory_limit=service.memory_limit,
        probe=_PROBES[service.protocol] if service.probe is not None else None,
        probe_delay_seconds=round(service.probe.initial_delay_seconds) if service.probe is not None else 0,
        service_account=_NO_ACCOUNT if service.protocol == "tcp" else None,
        sidecar=service.sidecar,
    )


def _load_generator(application: Application) -> LoadGenerator:
    name = application.users.service
    service = application.services[name]
    entry = application.services[application.entry_service]
    return LoadGenerator(
        _image(application, name, service),
        name=name,
        container=service.container,
        user_count=_count(service.environment.get("USERS", "10"), "USERS", name),
        spawn_rate=_count(service.environment.get("RATE", "1"), "RATE", name),
        frontend_address=f"{application.entry_service}:{entry.port or 80}",
        cpu_request_cores=service.cpu_request_cores or 0.0,
        cpu_limit_cores=service.cpu_limit_cores or 0.0,
        memory_request=service.memory_request or "",
        memory_limit=service.memory_limit or "",
    )


def _count(text: str, variable: str, service: str) -> int:
    if not text.isdecimal():
        where = f"environment of {service}"
        raise InputError(f"{variable} is {text!r}", where=where, mend="write a whole number")
    return int(text)


def _image(application: Application, name: str, service: Service) -> str:
    return service.image or f"{application.name}/{name}:simulated"


def _amounts(cpu_cores: float | None, memory: str | None) -> dict[str, str]:
    amounts = {"cpu": "" if cpu_cores is None else f"{cpu_cores:g}", "memory": memory or ""}
    return {kind: amount for kind, amount in amounts.items() if amount}
