"""`kpp simulate`: a simulated cluster, served until it is stopped."""

import json
import signal
import tempfile
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from kpp.cli.campaigns.cluster_clock import VARIABLE
from kpp.clock import SystemClock
from kpp.errors import ConfigError

if TYPE_CHECKING:  # numba and the servers take a second to load
    from kpp.simulator.application import Application
    from kpp.simulator.cluster import Simulation, SimulationSettings
    from kpp.simulator.pace import Pace
    from kpp.simulator.serving import ServedCluster

CLUSTER, SERVERS = "Cluster", "Servers"


def _cluster(text: str, metavar: str = "N", **checks: Any) -> Any:
    return typer.Option(help=text, metavar=metavar, rich_help_panel=CLUSTER, **checks)


def _port(text: str) -> Any:
    return typer.Option(help=f"{text}; 0 takes a free port.", metavar="PORT", rich_help_panel=SERVERS)


def simulate(  # noqa: PLR0913 - typer makes an option of each parameter
    *,
    application: Annotated[
        str, _cluster("What runs: a shipped application's name, or a file.", "APP")
    ] = "online_boutique",
    speed: Annotated[float, _cluster("Simulated seconds per real second.", "X", min=0.01)] = 1.0,
    virtual: Annotated[
        bool,
        typer.Option("--virtual", help="Time moves when a client asks for it.", rich_help_panel=CLUSTER),
    ] = False,
    nodes: Annotated[int, _cluster("How many nodes.", min=1)] = 1,
    node_cores: Annotated[float, _cluster("CPU cores of each node.", min=0.1)] = 8.0,
    runtime: Annotated[
        str, _cluster("Container runtime: containerd, or cri-dockerd, which labels only pods.", "NAME")
    ] = "containerd",
    scrape_interval: Annotated[
        float, _cluster("Seconds between scrapes; cAdvisor and Envoy are in proportion.", "S", min=0.1)
    ] = 15.0,
    faults: Annotated[
        Path | None,
        _cluster("What is to go wrong, as YAML.", "FILE", exists=True, dir_okay=False),
    ] = None,
    role: Annotated[
        Path | None,
        _cluster("Allow only what the Roles in this file grant.", "FILE", exists=True, dir_okay=False),
    ] = None,
    seed: Annotated[int, _cluster("The same seed gives the same run.")] = 0,
    port: Annotated[int, _port("The Kubernetes API")] = 0,
    prometheus_port: Annotated[int, _port("Prometheus")] = 0,
    metrics_port: Annotated[int, _port("Metrics and clock")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print what to export as JSON.")] = False,
) -> None:
    """Serve a simulated cluster on this machine until it is stopped: Kubernetes, Istio, Prometheus.

    Prints what to export so that kubectl and kpp collect find it. Nothing is left when it has stopped.
    """
    from kpp.simulator.application_file import read_application
    from kpp.simulator.cluster import SimulationSettings
    from kpp.simulator.fault_file import read_faults
    from kpp.simulator.fault_plan import plan_faults
    from kpp.simulator.kubernetes.role_file import read_role_file
    from kpp.simulator.serving import Ports, serve

    if virtual and speed != 1:
        raise ConfigError(
            "time cannot stand still and have a speed", mend="give --virtual or --speed, not both"
        )
    described = read_application(application)
    planned = read_faults(faults) if faults is not None else []
    granted = read_role_file(role) if role is not None else None
    settings = SimulationSettings(
        nodes=_name_nodes(nodes, node_cores),
        runtime=_parse_runtime(runtime),
        scrape_seconds=scrape_interval,
        seed=seed,
    )
    console = Console(stderr=True, highlight=False)
    console.print("Starting; the first time, the engine is compiled: a minute or so.")
    simulation, pace = _build(described, settings, speed=None if virtual else speed)
    ports = Ports(port, prometheus_port, metrics_port)
    with tempfile.TemporaryDirectory(prefix="kpp-cluster-") as name, serve(simulation, pace, ports) as served:
        plan_faults(planned, simulation, served.scripts)
        served.access.grant_only(granted)
        served.write_files(Path(name), simulation)
        stopping = _listen_for_stop()
        _show(_exports(served, simulation, pace, Path(name)), served, Path(name), console, as_json=as_json)
        _await(stopping)


def _name_nodes(count: int, cores: float) -> Any:
    """The nodes as Minikube names them."""
    from kpp.simulator.kubernetes.nodes import NodeSize

    names = ["minikube", *(f"minikube-m{number:02}" for number in range(2, count + 1))]
    return tuple(
        NodeSize(name, cpu_cores=cores, ip=f"192.168.49.{place}") for place, name in enumerate(names, start=2)
    )


def _parse_runtime(text: str) -> Any:
    from kpp.simulator.metrics.pod_cgroups import Runtime

    try:
        return Runtime(text)
    except ValueError as error:
        names = " or ".join(Runtime)
        raise ConfigError(f"no such runtime: {text}", where="--runtime", mend=f"name {names}") from error


def _build(
    application: "Application", settings: "SimulationSettings", speed: float | None
) -> "tuple[Simulation, Pace]":
    """At real speed the cluster's clock is the machine's; else it shows another time, so that nobody errs."""
    from kpp.cli.campaigns.simulated_cluster import VIRTUAL_START
    from kpp.simulator.cluster import Simulation
    from kpp.simulator.pace import RealPace, VirtualPace

    if speed == 1:
        clock = SystemClock()
        simulation = Simulation(application, clock.now(), settings)
        return simulation, RealPace(simulation)
    simulation = Simulation(application, VIRTUAL_START, settings)
    return simulation, VirtualPace(simulation) if speed is None else RealPace(simulation, speed)


def _exports(served: "ServedCluster", simulation: "Simulation", pace: "Pace", folder: Path) -> dict[str, str]:
    """The variables that the collector needs; of its settings, those that are not its defaults."""
    from kpp.cli.campaigns.simulated_cluster import collector_settings
    from kpp.collector.config import Config, read_config, variable_of
    from kpp.simulator.serving import KUBECONFIG

    exports = {"KUBECONFIG": str(folder / KUBECONFIG), "PROMETHEUS_URL": served.prometheus_url}
    wanted = collector_settings(simulation.application, simulation.settings)
    config, default = read_config(wanted, {}, None), Config()
    for field, value in wanted.items():
        if getattr(config, field) != getattr(default, field):
            exports[variable_of(field)] = value
    if pace.speed != 1:
        exports[VARIABLE] = served.clock_url
    return exports


def _show(
    exports: dict[str, str], served: "ServedCluster", folder: Path, console: Console, *, as_json: bool
) -> None:
    from kpp.simulator.serving import SCRAPE_CONFIGURATION

    if as_json:
        typer.echo(json.dumps(exports, indent=2))
    else:
        typer.echo("\n".join(f"export {name}={value}" for name, value in exports.items()))
    console.print(
        f"The cluster is up; Ctrl-C stops it.\n"
        f"  its metrics           {served.metrics_url}\n"
        f"  for a real Prometheus {folder / SCRAPE_CONFIGURATION}",
        soft_wrap=True,
    )


def _listen_for_stop() -> threading.Event:
    """SIGTERM is how a server is asked to end, so it is no interruption; Ctrl-C stays one."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    return stopping


def _await(stopping: threading.Event) -> None:
    while not stopping.wait(1.0):  # without a time-out, signals would not be seen
        pass
