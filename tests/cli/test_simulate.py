import csv
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from kpp.cli.campaigns.cluster_clock import ClusterClock
from tests.real_parts import require

KPP = [sys.executable, "-m", "kpp"]
LIMIT_SECONDS = 240  # the engine may have to be compiled first


def environment(exports: Mapping[str, str] | None = None) -> dict[str, str]:
    """The test's own, without settings of kpp and proxies."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("KPP_")}
    own.pop("PROMETHEUS_URL", None)
    own.pop("KUBECONFIG", None)
    return {**own, "NO_PROXY": "127.0.0.1", "COLUMNS": "80", **(exports or {})}


@dataclass
class Simulated:
    """A running `kpp simulate`, and what it told to export."""

    process: "subprocess.Popen[str]"
    exports: dict[str, str]

    def stop(self, number: signal.Signals) -> tuple[int, str]:
        """Send a signal; the exit code, and what it said on stderr."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err


@contextmanager
def simulate(*arguments: str, cwd: Path) -> Iterator[Simulated]:
    """Run it until the block ends."""
    command = [*KPP, "simulate", "--application", "three_tier", *arguments]
    with subprocess.Popen(
        command, env=environment(), cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            exports: dict[str, str] = {}
            while "CLUSTER_CLOCK_URL" not in exports if _is_unreal(arguments) else len(exports) < 4:
                words = shlex.split(process.stdout.readline())
                assert words[:1] == ["export"], process.communicate(timeout=10)
                name, _, value = words[1].partition("=")
                exports[name] = value
            yield Simulated(process, exports)
        finally:
            if process.poll() is None:
                process.kill()


def _is_unreal(arguments: Sequence[str]) -> bool:
    return "--virtual" in arguments or "--speed" in arguments


def run(*command: str | Path, exports: Mapping[str, str], cwd: Path) -> str:
    done = subprocess.run(
        command, env=environment(exports), cwd=cwd, text=True, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(url: str, **parameters: str) -> Any:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"{url}/api/v1/query", params=parameters, timeout=30).json()["data"]["result"]


def test_kubectl_and_kpp_collect_follow_the_exports_and_nothing_is_left(tmp_path: Path) -> None:
    kubectl = require("kubectl")
    with simulate("--scrape-interval", "0.75", cwd=tmp_path) as simulated:
        exports = simulated.exports
        # what is not the collector's default is exported, too
        assert exports["KPP_ENTRY_SERVICE"] == "web"
        assert exports["KPP_EXCLUDED_SERVICES"] == "database"

        def kubectl_says(*words: str) -> str:
            return run(kubectl, *words, exports=exports, cwd=tmp_path)

        # the README's words, from the label on
        kubectl_says("label", "namespace", "default", "istio-injection=enabled")
        kubectl_says("wait", "deployment", "--all", "--for=condition=available", "--timeout=10m")
        pods = kubectl_says("get", "pods").splitlines()[1:]
        assert len(pods) == 6
        assert all(line.split()[1] == "2/2" for line in pods)
        plan = run(*KPP, "collect", "--dry-run", "--user-counts", "10:100:10", exports=exports, cwd=tmp_path)
        assert "Services (2): api, web" in plan
        kubectl_says("scale", "deployment/web", "--replicas=3")
        assert "successfully rolled out" in kubectl_says("rollout", "status", "deployment/web")
        kubectl_says("set", "env", "deployment/loadgenerator", "-c", "main", "USERS=40", "RATE=40")
        assert "successfully rolled out" in kubectl_says("rollout", "status", "deployment/loadgenerator")

        settings = {
            "KPP_USER_COUNTS": "20",
            "KPP_SPAWN_RATE": "20",
            "KPP_RATE_WINDOW_SECONDS": "5",
            "KPP_CPU_RATE_WINDOW_SECONDS": "10",
            "KPP_WARMUP_SECONDS": "5",
            "KPP_SAMPLING_INTERVAL_SECONDS": "5",
            "KPP_MEASURED_SECONDS": "5",
            "KPP_COOLDOWN_SECONDS": "0",
            "KPP_EVALUATION_LAG_SECONDS": "2",
        }
        out = run(*KPP, "collect", "--json", exports={**exports, **settings}, cwd=tmp_path)
        assert json.loads(out)["rows"] == 2
        assert '"USERS","value":"40"' in kubectl_says(
            "get", "deployment", "loadgenerator", "-o", "jsonpath={.spec.template.spec.containers[0].env}"
        )
        assert ask(exports["PROMETHEUS_URL"], query='sum(up{job="kubernetes-pods"})')

        folder = Path(exports["KUBECONFIG"]).parent
        assert (folder / "prometheus.yml").is_file()
        code, err = simulated.stop(signal.SIGINT)
    assert code == 130
    assert "Traceback" not in err
    assert not folder.exists()
    with pytest.raises(requests.ConnectionError):
        ask(exports["PROMETHEUS_URL"], query="up")


def test_sigterm_is_how_it_is_asked_to_end(tmp_path: Path) -> None:
    with simulate(cwd=tmp_path) as simulated:
        code, err = simulated.stop(signal.SIGTERM)
        folder = Path(simulated.exports["KUBECONFIG"]).parent
    assert code == 0
    assert "Traceback" not in err
    assert not folder.exists()


def test_virtual_time_moves_when_a_client_asks_for_it(tmp_path: Path) -> None:
    with simulate("--virtual", "--seed", "3", cwd=tmp_path) as simulated:
        clock_url, prometheus_url = (
            simulated.exports[name] for name in ("CLUSTER_CLOCK_URL", "PROMETHEUS_URL")
        )
        with requests.Session() as session:
            session.trust_env = False
            started = session.get(clock_url, timeout=30).json()["now"]
            time.sleep(0.2)
            assert session.get(clock_url, timeout=30).json()["now"] == started
            session.post(f"{clock_url}/sleep", params={"seconds": 300}, timeout=120)
            assert session.get(clock_url, timeout=30).json() == {"now": started + 300, "speed": None}
        (sample,) = ask(prometheus_url, query="count_over_time(up{job='kube-state-metrics'}[5m])")
        assert sample["value"] == [started + 300, "20"]
        assert simulated.stop(signal.SIGTERM)[0] == 0


def test_a_cluster_can_be_faster_than_real_time_and_plays_faults(tmp_path: Path) -> None:
    faults = tmp_path / "faults.yaml"
    faults.write_text(yaml.safe_dump([{"fault": "refuse", "server": "prometheus", "code": 503, "for": 1e6}]))
    with simulate("--speed", "50", "--faults", str(faults), cwd=tmp_path) as simulated:
        with requests.Session() as session:
            session.trust_env = False
            clock_url = simulated.exports["CLUSTER_CLOCK_URL"]
            first = session.get(clock_url, timeout=30).json()
            slept = session.post(f"{clock_url}/sleep", params={"seconds": 20}, timeout=60).json()
            refused = session.get(
                f"{simulated.exports['PROMETHEUS_URL']}/api/v1/query", params={"query": "up"}, timeout=30
            )
        assert first["speed"] == 50
        assert slept["now"] >= first["now"] + 20
        assert refused.status_code == 503
        assert simulated.stop(signal.SIGTERM)[0] == 0


def test_kpp_collect_lives_in_the_time_of_a_faster_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    settings = {"KPP_USER_COUNTS": "20", "KPP_MEASURED_SECONDS": "180", "KPP_COOLDOWN_SECONDS": "0"}
    with simulate("--speed", "30", cwd=tmp_path) as simulated:
        clock = ClusterClock(simulated.exports["CLUSTER_CLOCK_URL"])
        started_at = clock.now()
        out = run(*KPP, "collect", "--json", exports={**simulated.exports, **settings}, cwd=tmp_path)
        ended_at = clock.now()
        assert simulated.stop(signal.SIGTERM)[0] == 0
    with (tmp_path / json.loads(out)["measurements"]).open() as file:
        rows = [row for row in csv.DictReader(file) if row["Service"] == "web"]
    instants = [float(row["Timestamp"]) for row in rows]
    assert started_at + 60 < instants[0] < instants[-1] < ended_at < started_at + 1800
    assert [later - earlier for earlier, later in pairwise(instants)] == pytest.approx([60, 60])
    for row in rows:
        # N / Z: a pause of 3 s in the mean, after one request or, in one of five actions, two
        assert float(row["Throughput (req/s)"]) == pytest.approx(20 / 3 * 6 / 5, rel=0.2)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--virtual", "--speed", "2"), 2, "give --virtual or --speed, not both"),
        (("--application", "absent"), 3, "cannot be read"),
        (("--runtime", "rkt"), 2, "name containerd or cri-dockerd"),
        (("--speed", "0"), 2, "--speed"),
    ],
)
def test_a_wrong_option_is_one_line(tmp_path: Path, arguments: Sequence[str], code: int, says: str) -> None:
    done = subprocess.run(
        [*KPP, "simulate", *arguments],
        env=environment(),
        cwd=tmp_path,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*KPP, "simulate", "--application", "three_tier", "--prometheus-port", str(port)],
            env=environment(),
            cwd=tmp_path,
            text=True,
            capture_output=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    assert done.returncode == 2
    assert f"port {port} cannot be served" in done.stderr
