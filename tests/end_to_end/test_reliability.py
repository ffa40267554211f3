"""Real `kpp` processes that are killed, or whose servers go away: nothing is lost, doubled or left changed.

`python -m benchmarks.reliability` does the same at many more points, and writes docs/reliability.md.
"""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from kpp.simulator.fault_file import RefuseFault
from tests.end_to_end.hardship import (
    Kill,
    Stage,
    draw_kill,
    has_begun,
    stage,
    survive_kills,
    survive_outages,
)
from tests.simulator.simulations import simulate, three_tier

TOTALS = {"": 580, "kubernetes": 80}  # requests of a whole campaign


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Stage]:
    with stage(simulate(three_tier()), tmp_path) as served:
        yield served


@pytest.mark.parametrize("seed", [1, 6])
def test_a_campaign_that_is_killed_twice_at_random_points_is_whole_and_the_cluster_as_before(
    scene: Stage, seed: int
) -> None:
    random = Random(seed)
    survived = survive_kills(scene, [draw_kill(random, TOTALS), draw_kill(random, TOTALS)])

    assert -signal.SIGKILL in survived.codes
    assert survived.differing == []
    assert survived.lost_ticks == 0


def test_while_both_servers_go_away_and_come_back_a_campaign_is_made_whole(scene: Stage) -> None:
    # the API is gone while the first experiment ends and the second has to start, Prometheus for a tick
    faults = [
        RefuseFault(fault="refuse", server="kubernetes", code=503, at=180, lasts_seconds=200),
        RefuseFault(fault="refuse", server="prometheus", code=503, at=130, lasts_seconds=40),
    ]
    survived = survive_outages(scene, faults)

    assert survived.codes[0] == 4
    assert survived.codes[-1] == 0
    assert survived.differing == []


def test_a_killed_campaign_is_restored_and_then_refuses_to_go_on_otherwise(scene: Stage) -> None:
    before = scene.snapshot()
    killed = scene.kpp("collect", target=Kill("", 150, 0.0).target)
    assert killed.code == -signal.SIGKILL
    assert has_begun(scene.output)

    other = scene.kpp("collect", "--resume", "--warmup-seconds", "90")
    assert other.code == 2
    assert "KPP_WARMUP_SECONDS is 90.0 and was 60.0" in other.errors
    new = scene.kpp("collect")
    assert new.code == 4
    assert "process" in new.errors, "the Lease of the dead campaign has not expired"

    restored = scene.kpp("restore", "--json")
    assert restored.code == 0
    assert restored.report is not None
    assert len(restored.report["changes"]) == 1
    assert "USERS=10" in restored.report["changes"][0]
    again = scene.kpp("restore", "--json")
    assert again.report == {"journal": None, "changes": [], "gone": []}
    (journal,) = scene.output.glob("performance_journal_*.jsonl")
    assert f"all is as the campaign of {journal} found it" in scene.kpp("restore", str(journal)).output
    scene.settle()
    assert scene.snapshot() == before

    shown = scene.kpp("collect", "--resume", "--dry-run", "--json")
    assert shown.report is not None
    assert [each["number"] for each in shown.report["experiments"]] == [1, 2]
    assert shown.report["restore"] is None
    assert json.dumps(shown.report)
