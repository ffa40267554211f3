import threading

import pytest
import requests

from kpp.clock import ManualClock
from kpp.simulator.clock_api import clock_routes
from kpp.simulator.loopback import LoopbackServer
from kpp.simulator.metrics_api import create_metrics_app
from kpp.simulator.pace import RealPace, VirtualPace
from tests.simulator.simulations import STARTED_AT, simulate, three_tier


def test_virtual_time_stands_still_and_moves_by_what_is_slept() -> None:
    pace = VirtualPace(simulate(three_tier()))
    assert pace.now() == pace.now() == STARTED_AT
    pace.sleep(12.5)
    assert pace.now() == STARTED_AT + 12.5
    pace.sleep(-3)
    assert pace.now() == STARTED_AT + 12.5


def test_sleepers_in_two_threads_do_not_share_their_time() -> None:
    pace = VirtualPace(simulate(three_tier()))
    threads = [threading.Thread(target=pace.sleep, args=(10,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pace.now() == STARTED_AT + 40


def test_at_speed_1_the_cluster_has_the_clocks_time_and_is_brought_up_to_it() -> None:
    clock = ManualClock(STARTED_AT + 25)  # the cluster was built for 25 s
    with RealPace(simulate(three_tier()), clock=clock) as pace:
        assert pace.now() >= STARTED_AT + 25
        clock.sleep(5)
        while pace.now() < STARTED_AT + 30:
            threading.Event().wait(0.01)
        assert pace.now() == STARTED_AT + 30


def test_at_another_speed_it_goes_on_from_where_it_stands() -> None:
    clock = ManualClock(7_000.0)
    with RealPace(simulate(three_tier()), speed=20, clock=clock) as pace:
        assert pace.now() == STARTED_AT
        sleeper = threading.Thread(target=pace.sleep, args=(40,))
        sleeper.start()
        clock.sleep(1.0)
        while pace.now() < STARTED_AT + 20:
            threading.Event().wait(0.01)
        assert sleeper.is_alive()
        clock.sleep(1.5)
        sleeper.join()
        assert pace.now() == STARTED_AT + 50


def test_stopping_wakes_who_sleeps() -> None:
    with RealPace(simulate(three_tier()), speed=1, clock=ManualClock(STARTED_AT)) as pace:
        sleeper = threading.Thread(target=pace.sleep, args=(10_000,))
        sleeper.start()
    sleeper.join()


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.usefixtures("no_proxy")
def test_the_clock_over_http() -> None:
    simulation = simulate(three_tier())
    pace = VirtualPace(simulation)
    with LoopbackServer(create_metrics_app(simulation, clock_routes(pace))) as server:
        assert requests.get(f"{server.url}/clock", timeout=10).json() == {"now": STARTED_AT, "speed": None}
        slept = requests.post(f"{server.url}/clock/sleep", params={"seconds": 30}, timeout=60)
        assert slept.json()["now"] == STARTED_AT + 30 == simulation.now
        for wrong in ({}, {"seconds": "soon"}, {"seconds": "-1"}, {"seconds": "nan"}):
            refused = requests.post(f"{server.url}/clock/sleep", params=wrong, timeout=10)
            assert refused.status_code == 400
        assert simulation.now == STARTED_AT + 30
