import pytest

from kpp.cli.campaigns.cluster_clock import ClusterClock, find_clock
from kpp.clock import SystemClock
from kpp.errors import ClusterError
from kpp.simulator.clock_api import clock_routes
from kpp.simulator.loopback import LoopbackServer
from kpp.simulator.metrics_api import create_metrics_app
from kpp.simulator.pace import VirtualPace
from tests.simulator.simulations import STARTED_AT, simulate, three_tier


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_it_shows_and_moves_the_clusters_time() -> None:
    simulation = simulate(three_tier())
    with LoopbackServer(create_metrics_app(simulation, clock_routes(VirtualPace(simulation)))) as server:
        clock = find_clock({"CLUSTER_CLOCK_URL": f"{server.url}/clock"})
        assert clock.now() == STARTED_AT
        clock.sleep(0.1 + 0.2)
        clock.sleep(-1)
        assert clock.now() == simulation.now == STARTED_AT + (0.1 + 0.2)
        wrong = ClusterClock(f"{server.url}/discovery/pod")
        with pytest.raises(ClusterError, match="unset CLUSTER_CLOCK_URL"):
            wrong.now()
    with pytest.raises(ClusterError, match="does not answer"):
        clock.now()


def test_without_a_variable_it_is_the_machines() -> None:
    assert isinstance(find_clock({}), SystemClock)
    assert isinstance(find_clock({"CLUSTER_CLOCK_URL": ""}), SystemClock)
