"""Makes the figures of docs/reliability.md: campaigns that are killed, or whose servers go away.

    python -m benchmarks.reliability [--kills 20] [--outages 10] [--seed 0] [--write]

Real `kpp collect` processes run campaigns of two experiments, the second with other replicas, against
simulated clusters on a virtual clock, over HTTP. They are killed with SIGKILL at random points and gone on
with by `kpp collect --resume`; or the Kubernetes API and Prometheus answer only 503, or nothing, for a
while. What has to hold is asserted; the tables say what happened. Prints them, or with --write puts them
between the marks of the page. Takes some minutes. Run it from the project's folder: it shares its parts with
the tests.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from kpp.files import write_whole
from kpp.simulator.fault_file import AnyFault, RefuseFault, ResetFault
from tests.end_to_end.hardship import (
    TICKS,
    USERS,
    Kill,
    Stage,
    Survived,
    draw_kill,
    draw_outages,
    stage,
    survive_kills,
    survive_outages,
)
from tests.simulator.simulations import simulate, three_tier

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
START, END = "<!-- made by benchmarks/reliability.py: start -->", "<!-- end -->"
CAMPAIGN_SECONDS = 500.0  # of the virtual clock, about


@dataclass(frozen=True)
class Trial:
    """One campaign and what befell it."""

    happened: str
    survived: Survived

    @property
    def is_whole(self) -> bool:
        """Whether the cluster is as it was; of the tables it is asserted."""
        return not self.survived.differing


@contextmanager
def fresh_stage(seed: int) -> Iterator[Stage]:
    """A cluster of its own for a campaign."""
    with (
        tempfile.TemporaryDirectory() as folder,
        stage(simulate(three_tier(), seed=seed), Path(folder)) as made,
    ):
        yield made


def count_requests() -> dict[str, int]:
    """What a campaign asks of each server when nothing happens to it."""
    with fresh_stage(0) as scene:
        survived = survive_kills(scene, [])
        assert survived.processes == 1
        assert not survived.differing
        return dict(scene.watch.counts)


def kill_once_or_twice(number: int, random: Random, totals: dict[str, int]) -> Trial:
    """A campaign that is killed; every third is killed again while it is gone on with."""
    kills = [draw_kill(random, totals) for _ in range(2 if number % 3 == 2 else 1)]
    with fresh_stage(number) as scene:
        return Trial("; then ".join(map(str, kills)), survive_kills(scene, kills))


def kill_over_and_over(count: int, random: Random, totals: dict[str, int]) -> Trial:
    """One campaign that is killed so often, each time it has been gone on with for a while."""
    kills = [Kill("", random.randint(1, totals[""] // 2), random.uniform(0, 0.02)) for _ in range(count)]
    with fresh_stage(1000) as scene:
        survived = survive_kills(scene, kills)
        return Trial(f"{survived.processes - 1} kills of one campaign", survived)


def take_servers_away(number: int, random: Random) -> Trial:
    """A campaign that loses both servers for a while."""
    faults = draw_outages(random, CAMPAIGN_SECONDS)
    with fresh_stage(2000 + number) as scene:
        return Trial(describe_outages(faults), survive_outages(scene, faults))


def describe_outages(faults: Sequence[AnyFault]) -> str:
    """Who was away when."""
    return ", ".join(
        f"{fault.server} from {fault.at:.0f} s for {fault.lasts_seconds:.0f} s "
        f"({'503' if isinstance(fault, RefuseFault) else 'reset'})"
        for fault in faults
        if isinstance(fault, RefuseFault | ResetFault)
    )


def render(totals: dict[str, int], killed: Sequence[Trial], often: Trial, outages: Sequence[Trial]) -> str:
    """The tables, as markdown."""
    kills = sum(trial.survived.processes - 1 for trial in killed)
    lines = [
        f"A campaign that nothing happens to makes {totals['']} requests, {totals['kubernetes']} of them to",
        f"the Kubernetes API and {totals['prometheus']} to Prometheus.",
        "",
        f"**Killed**: {len(killed)} campaigns, {kills} kills, and {often.happened}.",
        "",
        _header("killed at", "completed by then", "missing"),
        *map(_row, [*killed, often]),
        "",
        f"**Servers away**: {len(outages)} campaigns. A tick that finds no server is a gap, as it should be.",
        "",
        _header("what was away", "completed when `kpp` first ended", "gaps"),
        *map(_row, outages),
    ]
    return "\n".join(lines)


def _header(happened: str, completed: str, lost: str) -> str:
    titles = happened, completed, "processes", "completed in the end", lost, "objects that differ"
    return f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}"


def _row(trial: Trial) -> str:
    survived = trial.survived
    cells = (
        trial.happened,
        str(survived.completed_before) if survived.completed_before >= 0 else "not killed",
        str(survived.processes),
        f"{len(USERS)} of {len(USERS)}",
        f"{survived.lost_ticks} of {TICKS * len(USERS)} ticks",
        ", ".join(survived.differing) or "none",
    )
    return f"| {' | '.join(cells)} |"


def write_page(text: str) -> None:
    """Put the tables between the marks of the page."""
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(START)
    after = rest.split(END)[1]
    write_whole({PAGE: f"{before}{START}\n\n{text}\n\n{END}{after}".encode()})


def main() -> None:
    """Run all trials; fails when something does not hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20, help="campaigns that are killed")
    parser.add_argument("--outages", type=int, default=10, help="campaigns whose servers go away")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    options = parser.parse_args()
    random = Random(options.seed)
    totals = count_requests()
    killed = []
    for number in range(options.kills):
        killed.append(kill_once_or_twice(number, random, totals))
        print(_row(killed[-1]), flush=True)
    often = kill_over_and_over(options.kills, random, totals)
    print(_row(often), flush=True)
    outages = []
    for number in range(options.outages):
        outages.append(take_servers_away(number, random))
        print(_row(outages[-1]), flush=True)
    text = render(totals, killed, often, outages)
    if options.write:
        write_page(text)
    else:
        print(text)
    if not all(trial.is_whole for trial in [*killed, often, *outages]):
        raise SystemExit("a cluster was left changed")


if __name__ == "__main__":
    main()
