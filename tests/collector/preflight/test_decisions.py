"""The decisions by themselves: what no simulated cluster shows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.collector.cluster.services import Service
from kpp.collector.config import Config
from kpp.collector.preflight.clocks import Skew, judge_clocks, measure_skew
from kpp.collector.preflight.commands import kubectl
from kpp.collector.preflight.disk import ROW_BYTES, Disk, judge_disk, needed_bytes
from kpp.collector.preflight.findings import Outcome
from kpp.collector.preflight.load import Load, find_load_now, judge_load_generator
from kpp.collector.preflight.metrics import Diagnosis, Presence, Selector, judge_metrics
from kpp.collector.preflight.promql_text import first_selection, read_selectors
from kpp.collector.preflight.scraping import CPU, WINDOWS_SECONDS, judge_scraping, scrape_interval_seconds
from kpp.collector.profiles.reading import read_profile, shipped_profiles
from kpp.collector.queries import Query
from kpp.simulator.promql.parsing import parse_expression

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("free", "outcome"), [(0.5, Outcome.FAIL), (1.5, Outcome.WARN), (9.9, Outcome.WARN), (10, Outcome.PASS)]
)
def test_the_rows_need_room_and_more_is_better(free: float, outcome: Outcome) -> None:
    config = Config(user_counts=(10, 20), measured_seconds=600)
    needed = needed_bytes(config, experiment_count=2, service_count=12)
    assert needed == 2 * 10 * 12 * ROW_BYTES
    (finding,) = judge_disk(Disk(Path("/data"), int(free * needed), is_writable=True), needed, config)
    assert finding.outcome is outcome
    assert (finding.command == "df -h /data") is (outcome is not Outcome.PASS)


def test_a_folder_that_cannot_be_written_to_fails() -> None:
    (finding,) = judge_disk(Disk(Path("/data"), 10**12, is_writable=False), 1, Config())
    assert (finding.outcome, finding.text) == (Outcome.FAIL, "/data cannot be written to")


def test_a_row_is_not_longer_than_is_counted_on() -> None:
    shipped = (ROOT / "dataset").glob("performance_results_simulated_*.csv")
    lengths = [len(line) for path in shipped for line in path.read_bytes().splitlines()]
    assert ROW_BYTES / 4 < max(lengths) < ROW_BYTES


@given(
    interval=st.floats(1, 300), offset=st.floats(0, 1), covered=st.floats(0, 2000), lost=st.integers(0, 30)
)
def test_the_scrape_interval_is_a_close_bound_from_above(
    interval: float, offset: float, covered: float, lost: int
) -> None:
    """Samples at even distances, counted in the windows that end now; of a series of any age."""
    ages = [offset * interval + place * interval for place in range(2000)]
    ages = [age for place, age in enumerate(ages) if age <= covered and place != lost]
    counts = {window: sum(age <= window for age in ages) for window in WINDOWS_SECONDS}
    bound = scrape_interval_seconds(counts)
    most = max(counts.values())
    if most < 2:
        assert bound is None
        return
    assert bound is not None
    assert bound >= interval * (1 - 1e-9)
    if covered >= WINDOWS_SECONDS[-1] and most >= 4:
        assert bound <= interval * (most + 2) / (most - 1)


def test_too_few_samples_are_no_interval() -> None:
    assert judge_scraping("cpu", None, CPU, Config()).outcome is Outcome.WARN


@given(
    skew=st.floats(-1000, 1000),
    out=st.floats(0, 5),
    back=st.floats(0, 5),
    start=st.floats(0, 2e9),
    is_cut=st.booleans(),
)
def test_the_true_skew_is_within_its_uncertainty(
    skew: float, out: float, back: float, start: float, is_cut: bool
) -> None:
    told = start + out + skew
    step = 1.0 if is_cut else 0.0
    measured = measure_skew(start, start + out + back, told // 1.0 if is_cut else told, step)
    assert abs(measured.seconds - skew) <= measured.uncertainty_seconds + 1e-6


def test_a_skew_that_may_be_none_is_none() -> None:
    (finding,) = judge_clocks({"it": Skew(30.0, 29.0)}, Config())
    assert finding.outcome is Outcome.PASS


QUERIES = [
    query
    for name in shipped_profiles()
    for signal, query in read_profile(name).queries.items()
    if signal.section != "objects"
]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_what_is_read_off_a_query_is_a_query(query: Query) -> None:
    text = query.text("shop", 60)
    parse_expression(f"max(count_over_time({first_selection(text)}[60s]))")
    selectors = [*read_selectors(text)]
    assert selectors
    for selector in selectors:
        assert "namespace" in " ".join(selector.labels)
        for label in selector.labels:
            parse_expression(f'count({selector.metric}{{{label}!=""}})')
        assert ("le" in selector.labels) is selector.metric.endswith("_bucket")


SERVICES = [Service("web", "web-deployment"), Service("api", "api")]


def presence(*services: str, is_required: bool = True, diagnoses: tuple[Diagnosis, ...] = ()) -> Presence:
    expected = frozenset(service.name for service in SERVICES)
    return Presence("throughput", frozenset(services), expected, is_required, diagnoses)


NOTHING_OF_WEB = "throughput: nothing of web"
REQUESTS = Selector("istio_requests_total", ("destination_workload", "reporter"))


@pytest.mark.parametrize(
    ("signal", "load", "outcome", "text"),
    [
        (presence("web", "api"), Load.ON, Outcome.PASS, "every service has throughput"),
        (presence("api"), Load.ON, Outcome.FAIL, NOTHING_OF_WEB),
        (presence("api"), Load.OFF, Outcome.WARN, f"{NOTHING_OF_WEB}, but the load is off"),
        (
            presence("api"),
            Load.NEW,
            Outcome.WARN,
            "throughput: nothing of web, but the load has only just begun",
        ),
        (
            presence("api"),
            Load.ABSENT,
            Outcome.WARN,
            "throughput: nothing of web, but there is no load generator",
        ),
        (presence("api", is_required=False), Load.ON, Outcome.WARN, NOTHING_OF_WEB),
        (
            presence(diagnoses=(Diagnosis(REQUESTS, 0, ()),)),
            Load.ON,
            Outcome.FAIL,
            "throughput: Prometheus has no istio_requests_total",
        ),
        (
            presence(diagnoses=(Diagnosis(REQUESTS, 0, ()),)),
            Load.OFF,
            Outcome.WARN,
            "throughput: Prometheus has no istio_requests_total",
        ),
        (
            presence(diagnoses=(Diagnosis(REQUESTS, 9, ("destination_workload",)),)),
            Load.OFF,
            Outcome.FAIL,
            "throughput: istio_requests_total has no label destination_workload",
        ),
        (
            presence(diagnoses=(Diagnosis(REQUESTS, 9, ()),)),
            Load.ON,
            Outcome.FAIL,
            "throughput: no values in namespace default",
        ),
    ],
)
def test_what_is_missing_is_told_apart(signal: Presence, load: Load, outcome: Outcome, text: str) -> None:
    (finding,) = judge_metrics([signal], SERVICES, Config(), load=load)
    assert (finding.outcome, finding.text) == (outcome, text)
    assert bool(finding.mend) is (outcome is not Outcome.PASS)


@pytest.mark.parametrize("load", [Load.ABSENT, Load.NEW, Load.ON])
@pytest.mark.parametrize("signal", [presence("api"), presence(diagnoses=(Diagnosis(REQUESTS, 9, ()),))])
def test_a_load_generator_that_is_not_there_or_runs_is_not_to_be_scaled(signal: Presence, load: Load) -> None:
    (finding,) = judge_metrics([signal], SERVICES, Config(), load=load)
    assert finding.mend
    assert "scale" not in finding.command


@pytest.mark.parametrize(
    ("name", "deployments", "mend"),
    [
        ("loadgenerater", ["frontend", "loadgenerator"], "perhaps loadgenerator, one of these:"),
        ("locust", ["frontend", "loadgenerator"], "name it with KPP_LOAD_GENERATOR, one of these:"),
        ("loadgenerator", [], "name the application's namespace with KPP_NAMESPACE:"),
    ],
)
def test_a_load_generator_that_is_not_there_is_looked_for(
    name: str, deployments: list[str], mend: str
) -> None:
    config = Config(load_generator=name)
    (finding,) = judge_load_generator(None, deployments, config)
    assert finding.outcome is Outcome.FAIL
    assert finding.mend.endswith(mend)
    assert finding.command.startswith("kubectl get deployments")


@pytest.mark.parametrize(
    ("ready", "since", "load"),
    [(1, 119, Load.NEW), (1, 120, Load.ON), (0, 500, Load.OFF), (1, None, Load.ON)],
)
def test_the_load_is_on_when_it_has_been_for_two_rate_windows(
    ready: int, since: int | None, load: Load
) -> None:
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)
    conditions = [{"type": "Progressing", "status": "True", "lastTransitionTime": "2026-11-26T12:00:00Z"}]
    if since is not None:
        at = (now - timedelta(seconds=since)).isoformat()
        conditions.append({"type": "Available", "status": "True", "lastTransitionTime": at})
    status = {"readyReplicas": ready, "conditions": conditions}
    assert find_load_now({"status": status}, Config(rate_window_seconds=60), now.timestamp()) is load
    assert find_load_now(None, Config(), now.timestamp()) is Load.ABSENT


def test_commands_carry_the_context_and_are_quoted() -> None:
    config = Config(kube_context="my cluster", namespace="shop")
    assert kubectl(config, "get", "pods") == "kubectl get pods --namespace shop --context 'my cluster'"
    assert kubectl(config, "get", "nodes", namespaced=False) == "kubectl get nodes --context 'my cluster'"
