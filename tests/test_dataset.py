"""The shipped campaigns are what their script makes, and hold what their README says."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kpp import schema
from kpp.schema import SERVICE, USER_COUNT

DATASET = Path(__file__).parents[1] / "dataset"
CAMPAIGNS = ("normal", "overload")
LIMIT_SECONDS = 300  # the engine may have to be compiled first


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(DATASET / f"performance_results_simulated_{name}.csv")


def read_truth(name: str) -> Any:
    return json.loads((DATASET / f"truth_simulated_{name}.json").read_text())


@pytest.fixture(scope="module", params=CAMPAIGNS)
def campaign(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_script_makes_the_beginning_of_each_table_again(tmp_path: Path, campaign: str) -> None:
    script = DATASET / "make_simulated.py"
    command: list[str | Path] = [sys.executable, script, "--sample", "--folder", tmp_path, campaign]
    subprocess.run(command, check=True, timeout=LIMIT_SECONDS, capture_output=True)

    name = f"performance_results_simulated_{campaign}.csv"
    remade = (tmp_path / name).read_bytes()
    assert remade.count(b"\n") == 1 + 5 * 10  # minutes, services
    assert (DATASET / name).read_bytes().startswith(remade)
    assert (tmp_path / f"performance_calls_simulated_{campaign}.csv").is_file()
    (part,) = json.loads((tmp_path / f"truth_simulated_{campaign}.json").read_text())["parts"]
    assert len(part["loads"]) == 1


def test_it_has_the_columns_of_the_contract(campaign: str) -> None:
    assert tuple(read(campaign).columns) == schema.REQUIRED_COLUMNS + schema.OPTIONAL_COLUMNS


@pytest.mark.parametrize(("name", "loads"), [("normal", 16), ("overload", 19)])
def test_every_load_has_every_service_every_minute(name: str, loads: int) -> None:
    table = read(name)
    rows = table.groupby([USER_COUNT, SERVICE]).size()
    assert len(rows) == loads * 10
    assert set(rows) == {21}
    assert not table.isna().to_numpy().any()


def test_replicas_and_limits_are_those_that_the_truth_names(campaign: str) -> None:
    table, truth = read(campaign), read_truth(campaign)
    for part in truth["parts"]:
        rows = table[table[USER_COUNT].isin([load["user_count"] for load in part["loads"]])]
        for service, of_service in rows.groupby(SERVICE):
            manifest = truth["services"][service]
            replicas = part["replicas"].get(service, manifest["replicas"])
            limit_cores = part["cpu_limits_cores"].get(service, manifest["cpu_limit_cores"])
            # in overload a pod that misses its readiness probe does not count for a while
            assert of_service[schema.REPLICAS].median() == of_service[schema.REPLICAS].max() == replicas
            assert set(of_service[schema.CPU_LIMIT]) == {limit_cores}


def test_what_was_measured_is_near_the_truth(campaign: str) -> None:
    means = read(campaign).groupby([USER_COUNT, SERVICE])[list(schema.TARGETS)].mean()
    for part in read_truth(campaign)["parts"]:
        for load in part["loads"]:
            for service, true in load["services"].items():
                if service == "redis-cart":  # speaks TCP
                    continue
                measured = means.loc[load["user_count"], service]
                assert measured[schema.THROUGHPUT] == pytest.approx(
                    true["throughput_rps"], rel=0.03, abs=0.08
                )
                if true["cpu_cores"] is None:  # its container was started again meanwhile
                    assert (service, load["user_count"]) == ("recommendationservice", 370)
                    continue
                # rate() leaves out some percent
                assert measured[schema.CPU_USAGE] == pytest.approx(true["cpu_cores"], rel=0.1, abs=0.0005)
                # cut to whole milliseconds, and with the sidecar's own way through
                true_seconds = true["response_time_seconds"]
                assert (
                    0.9 * true_seconds - 0.001 < measured[schema.RESPONSE_TIME] < 1.1 * true_seconds + 0.002
                )


def test_the_overload_has_three_bottlenecks() -> None:
    table = read("overload")
    throttled = table.pivot_table(schema.THROTTLED, USER_COUNT, SERVICE).loc[[400, 380, 370]]
    found = {users: str(throttled.loc[users].idxmax()) for users in (400, 380, 370)}
    assert found == {400: "frontend", 380: "currencyservice", 370: "productcatalogservice"}
    assert (throttled.max(axis=1) > 0.95).all()
