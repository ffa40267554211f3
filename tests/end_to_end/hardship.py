"""Campaigns of real `kpp collect` processes that are killed or lose their servers, and what has to hold.

Used by the tests beside it and by `benchmarks/reliability.py`.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from kpp.simulator.cluster import Simulation
from kpp.simulator.fault_file import AnyFault, RefuseFault, ResetFault, Server
from kpp.simulator.fault_plan import plan_faults
from kpp.simulator.faults import Fault
from kpp.simulator.kubernetes.objects.resources import EVENTS, LEASES, PODS, REPLICA_SETS, STORED
from kpp.simulator.pace import VirtualPace
from kpp.simulator.serving import KUBECONFIG
from tests.end_to_end.campaigns import World, serve_world

USERS = (10, 20)
TICKS = 2
SETTINGS = {
    "KPP_SPAWN_RATE": "10",
    "KPP_MEASURED_SECONDS": str(60 * TICKS),
    "KPP_COOLDOWN_SECONDS": "30",
    "KPP_ROLLOUT_TIMEOUT_SECONDS": "120",
    "KPP_EXCLUDED_SERVICES": "database",
    "KPP_ENTRY_SERVICE": "web",
}
CAMPAIGN = f"""
experiments:
  - users: {USERS[0]}
  - users: {USERS[1]}
    replicas: {{api: 3}}
"""
SERVICES = {"web", "api"}  # the database speaks TCP
SECONDS = 300  # of real time, for one process
CLUSTER_AWAY = 4  # kpp's exit code
MOST_PROCESSES = 12
_BY_SERVER = ("resourceVersion", "generation", "managedFields", "creationTimestamp", "uid")
_REVISION = "deployment.kubernetes.io/revision"


@dataclass
class Watch:
    """Counts what a process asks of the servers, and kills it at its time."""

    counts: Counter[str] = field(default_factory=Counter)
    process: "subprocess.Popen[str] | None" = None
    target: tuple[str, int] | None = None  # which requests count ("" for all), and which of them is the last
    delay_seconds: float = 0.0  # from its arrival to the kill, real time
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tick(self, server: str) -> None:
        """A request has arrived."""
        with self._lock:
            self.counts[server] += 1
            self.counts[""] += 1
            if self.target is None or self.counts[self.target[0]] != self.target[1]:
                return
            self.target = None
        if self.delay_seconds:
            threading.Timer(self.delay_seconds, self._kill).start()
        else:
            self._kill()

    def arm(self, process: "subprocess.Popen[str]", target: tuple[str, int] | None, delay: float) -> None:
        """Count anew, and kill this process at the target."""
        with self._lock:
            self.counts.clear()
            self.process, self.target, self.delay_seconds = process, target, delay

    def _kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)


class WatchedPace(VirtualPace):
    """Tells the watch of each sleep."""

    def __init__(self, simulation: Simulation, watch: Watch) -> None:
        super().__init__(simulation)
        self._watch = watch

    def sleep(self, seconds: float) -> None:
        """As ever."""
        self._watch.tick("clock")
        super().sleep(seconds)


@dataclass(frozen=True)
class Ended:
    """A process that has ended."""

    code: int  # negative: by that signal
    report: Mapping[str, Any] | None
    errors: str
    output: str


@dataclass
class Stage:
    """A served cluster, and the command line beside it."""

    world: World
    watch: Watch
    environment: dict[str, str]

    @property
    def output(self) -> Path:
        """Where the campaign's files are."""
        return self.world.folder / "out"

    def kpp(
        self, *arguments: str, target: tuple[str, int] | None = None, delay_seconds: float = 0.0
    ) -> Ended:
        """Run `kpp` to its end, or until it is killed at the target."""
        with subprocess.Popen(
            [sys.executable, "-m", "kpp", *arguments],
            env=self.environment,
            cwd=self.world.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            self.watch.arm(process, target, delay_seconds)
            out, err = process.communicate(timeout=SECONDS)
        report = json.loads(out) if process.returncode == 0 and out.startswith("{") else None
        return Ended(process.returncode, report, err, out)

    def settle(self) -> None:
        """Let all roll-outs come to their end."""
        self.world.pace.sleep(300)

    def snapshot(self) -> dict[tuple[str, ...], Any]:
        """Every object, without what a server changes by itself."""
        return snapshot(self.world.simulation)


@contextmanager
def stage(simulation: Simulation, folder: Path, **settings: str) -> Iterator[Stage]:
    """Serve a cluster for processes, on a virtual clock."""
    watch = Watch()
    with serve_world(simulation, folder, WatchedPace(simulation, watch)) as world:
        for server, script in world.served.scripts.items():
            _tell(watch, server, script)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KPP_")}
        (folder / "campaign.yaml").write_text(CAMPAIGN)
        environment |= SETTINGS | settings
        environment |= {
            "KPP_CAMPAIGN": str(folder / "campaign.yaml"),
            "KUBECONFIG": str(folder / KUBECONFIG),
            "PROMETHEUS_URL": world.served.prometheus_url,
            "CLUSTER_CLOCK_URL": world.served.clock_url,
            "KPP_OUTPUT_DIRECTORY": str(folder / "out"),
            "COLUMNS": "200",
        }
        yield Stage(world, watch, environment)


@dataclass(frozen=True)
class Kill:
    """When a process is killed: some time after it has asked for something."""

    server: str  # of which requests are counted; empty: of all
    request: int
    delay_seconds: float

    @property
    def target(self) -> tuple[str, int]:
        """What the watch waits for."""
        return self.server, self.request

    def __str__(self) -> str:
        asked = f"{self.server} " if self.server else ""
        return f"{asked}request {self.request} + {1000 * self.delay_seconds:.0f} ms"


def draw_kill(random: Random, totals: Mapping[str, int]) -> Kill:
    """A random point of a campaign: among all requests, or, as they are few, among those to Kubernetes."""
    server = random.choice(["", "kubernetes"])
    return Kill(server, random.randint(1, totals[server]), random.choice([0.0, random.uniform(0, 0.02)]))


def draw_outages(random: Random, total_seconds: float) -> list[AnyFault]:
    """Both servers away at a random time of a campaign, each for some seconds or minutes."""
    faults: list[AnyFault] = []
    servers: tuple[Server, ...] = ("kubernetes", "prometheus")
    for server in servers:
        begins_at, seconds = random.uniform(0, total_seconds), random.choice([5.0, 60.0, 200.0])
        if random.random() < 0.5:
            faults.append(ResetFault(fault="reset", server=server, at=begins_at, lasts_seconds=seconds))
        else:
            faults.append(
                RefuseFault(fault="refuse", server=server, code=503, at=begins_at, lasts_seconds=seconds)
            )
    return faults


@dataclass
class Survived:
    """A campaign that was killed, or whose servers went away, and that was gone on with until it was done."""

    codes: list[int]  # of its processes
    completed_before: int  # experiments at the first death
    lost_ticks: int
    differing: list[str]  # objects of the cluster that are not as they were

    @property
    def processes(self) -> int:
        """How many it took."""
        return len(self.codes)


def survive_kills(scene: Stage, kills: Sequence[Kill]) -> Survived:
    """Run a campaign that is killed at each of these points in turn, and let it go on to its end."""
    before = scene.snapshot()
    codes: list[int] = []
    completed_before = -1
    kept = b""
    for kill in (*kills, None):
        arguments = ["--resume"] if has_begun(scene.output) else []
        point = {"target": kill.target, "delay_seconds": kill.delay_seconds} if kill else {}
        ended = scene.kpp("collect", "--json", *arguments, **point)  # type: ignore[arg-type]  # any options
        codes.append(ended.code)
        assert ended.code in (0, -signal.SIGKILL), ended.errors
        if ended.code == 0:
            break
        assert kept_rows(scene.output).startswith(kept), "rows of a completed experiment have changed"
        kept = kept_rows(scene.output)
        if completed_before < 0:
            completed_before = len(completed(scene.output))
    assert codes[-1] == 0
    return _survived(scene, before, codes, completed_before, kept, gaps=False)


def survive_outages(scene: Stage, faults: Sequence[AnyFault], wait_seconds: float = 60.0) -> Survived:
    """Run a campaign while servers are away now and then; go on with it whenever it has given up."""
    before = scene.snapshot()
    plan_faults(faults, scene.world.simulation, scene.world.served.scripts)
    codes: list[int] = []
    completed_before = -1
    kept = b""
    while not codes or codes[-1] != 0:
        arguments = ["--resume"] if has_begun(scene.output) else []
        ended = scene.kpp("collect", "--json", *arguments)
        codes.append(ended.code)
        assert ended.code in (0, CLUSTER_AWAY), ended.errors
        assert len(codes) < MOST_PROCESSES, ended.errors
        assert kept_rows(scene.output).startswith(kept), "rows of a completed experiment have changed"
        kept = kept_rows(scene.output)
        if completed_before < 0:
            completed_before = len(completed(scene.output))
        scene.world.pace.sleep(wait_seconds)
    return _survived(scene, before, codes, completed_before, kept, gaps=True)


def _survived(
    scene: Stage,
    before: Mapping[tuple[str, ...], Any],
    codes: list[int],
    completed_before: int,
    kept: bytes,
    *,
    gaps: bool,
) -> Survived:
    scene.settle()
    after = scene.snapshot()
    (measurements,) = scene.output.glob("performance_results_*.csv")
    assert measurements.read_bytes().startswith(kept), "rows of a completed experiment have changed"
    assert completed(scene.output) == list(range(1, len(USERS) + 1))
    differing = ["/".join(key) for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
    return Survived(codes, completed_before, check_tables(scene.output, gaps=gaps), sorted(differing))


def snapshot(simulation: Simulation) -> dict[tuple[str, ...], Any]:
    """Every object by resource, namespace and name, without what a server changes by itself.

    Pods go by their ReplicaSet, since their names are drawn; ReplicaSets without pods are the history of
    roll-outs; events are a diary.
    """
    store = simulation.kubernetes.store
    found: dict[tuple[str, ...], Any] = {}
    pods: Counter[tuple[str, ...]] = Counter()
    for resource in STORED:
        for each in store.list_all(resource):
            if resource is EVENTS or (resource is REPLICA_SETS and not each["spec"]["replicas"]):
                continue
            namespace, name = each["metadata"].get("namespace", ""), each["metadata"]["name"]
            if resource is PODS:
                pods[(namespace, name.rpartition("-")[0], each["status"]["phase"])] += 1
            elif resource is LEASES or ("subsets" not in each and "endpoints" not in each):
                found[resource.plural, namespace, name] = _scrub(each)
    return {**found, **{("pods", *key): count for key, count in pods.items()}}


def _scrub(manifest: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {name: value for name, value in manifest["metadata"].items() if name not in _BY_SERVER}
    annotations = {name: text for name, text in metadata.get("annotations", {}).items() if name != _REVISION}
    kept = {name: part for name, part in manifest.items() if name != "status"}
    return {**kept, "metadata": {**metadata, "annotations": annotations}, "replicas": _replicas(manifest)}


def _replicas(manifest: Mapping[str, Any]) -> dict[str, Any]:
    status = manifest.get("status", {})
    return {name: value for name, value in status.items() if name.endswith("eplicas")}


def check_tables(output: Path, *, gaps: bool = False) -> int:
    """Every completed experiment is in the tables once, none twice; returns the number of lost ticks."""
    (measurements,) = output.glob("performance_results_*.csv")
    rows = _read(measurements)
    keys = Counter((row["Timestamp"], row["Service"]) for row in rows)
    assert set(keys.values()) == {1}, "a row is there twice"
    lost = 0
    for users in USERS:
        instants = Counter(row["Timestamp"] for row in rows if row["User Count"] == str(users))
        assert set(instants.values()) == {len(SERVICES)}, "a tick is there in part"
        ordered = sorted(map(float, instants))
        assert ordered[-1] - ordered[0] <= 60 * (TICKS - 1) + 1, "an experiment is there twice"
        assert len(ordered) <= TICKS
        assert gaps or len(ordered) == TICKS, "a tick is missing"
        lost += TICKS - len(ordered)
    (calls_path,) = output.glob("performance_calls_*.csv")
    calls = Counter((row["Caller"], row["Callee"], row["User Count"]) for row in _read(calls_path))
    assert set(calls.values()) == {1}, "calls are there twice"
    return lost


def completed(output: Path) -> list[int]:
    """The experiments that the journals have as completed, in their order."""
    return [event["experiment"] for event in _events(output) if event["event"] == "completed"]


def kept_rows(output: Path) -> bytes:
    """The measurements up to the end of the last experiment that the journal has as completed."""
    size = 0
    for event in _events(output):
        if event["event"] == "completed":
            size = event["tables"]["measurements"]["size_bytes"]
    tables = list(output.glob("performance_results_*.csv"))
    return tables[0].read_bytes()[:size] if tables else b""


def has_begun(output: Path) -> bool:
    """Whether a journal has a whole line."""
    return bool(_events(output))


def _events(output: Path) -> list[Mapping[str, Any]]:
    """All whole lines of the journals; more than one journal has lines only if a campaign began anew."""
    lines = [
        line
        for path in sorted(output.glob("performance_journal_*.jsonl"))
        for line in path.read_bytes().split(b"\n")[:-1]
    ]
    return [json.loads(line) for line in lines]


def _read(path: Path) -> Sequence[Mapping[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _tell(watch: Watch, server: Server, script: Any) -> None:
    take = script.take

    def watched(method: str, path: str, now: float) -> Fault | None:
        watch.tick(server)
        found: Fault | None = take(method, path, now)
        return found

    script.take = watched
