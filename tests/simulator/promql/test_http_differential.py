"""The HTTP API beside the queries themselves: parameters, metadata, errors, status codes."""

import pytest

from tests.simulator.promql.comparison import Servers
from tests.simulator.promql.sample_series import ENDED_AT_MS, STARTED_AT_MS

START, END = STARTED_AT_MS // 1000, ENDED_AT_MS // 1000
SINCE_START = f"start={START}&end={END}"


@pytest.mark.parametrize(
    "path",
    [
        f"query?query=time()&time={instant}"
        for instant in (
            "1700000000",
            "1700000000.0004",
            "1700000000.0006",
            "-1.7",
            "0",
            "1.5e3",
            "1e9",
            "2023-11-14T22:13:20Z",
            "2023-11-14T22:13:20.9999999Z",
            "2023-11-14T22:13:20-05:30",
        )
    ]
    + [
        f"query_range?query=time()&start=100&{rest}"
        for rest in (
            "end=100&step=1",
            "end=101&step=0.4999",
            "end=200&step=1m30s",
            "end=1970-01-01T00:02:00Z&step=15",
            "end=11100.5&step=1",  # 11,001 points are allowed
        )
    ]
    + [
        f"series?match[]=quota&{SINCE_START}",
        f"series?match[]=quota&match[]=temperature&{SINCE_START}",
        f'series?match[]={{__name__=~".*e.*",job!=""}}&{SINCE_START}',
        f"series?match[]=no_such_metric&{SINCE_START}",
        "series?match[]=quota",
        f"labels?{SINCE_START}",
        f"labels?match[]=level&match[]=odd&{SINCE_START}",
        f"label/job/values?{SINCE_START}",
        f"label/__name__/values?{SINCE_START}",
        f"label/absent/values?{SINCE_START}",
        f"label/zone/values?match[]=level&{SINCE_START}",
        f"label/code/values?match[]=quota&{SINCE_START}",
    ],
)
def test_parameters_are_understood_alike(servers: Servers, path: str) -> None:
    assert servers.assert_same_data(f"/api/v1/{path}", {})["status"] == "success"


@pytest.mark.parametrize(
    "path",
    [
        "query?query=up&time=yesterday",
        "query?query=up&time=2023-11-14",
        "query?query=up&time=2023-11-14T22:13:20",
        "query?query=up&time=2023-02-30T00:00:00Z",
        "query?query=up&time=0x10",
        "query?query=up&timeout=soon",
        "query_range?query=up&start=1&end=2",
        "query_range?query=up&end=2&step=1",
        "query_range?query=up&start=1&step=1",
        "query_range?query=up&start=x&end=2&step=1",
        "query_range?query=up&start=1&end=2&step=1x",
        "query_range?query=up&start=1&end=2&step=0",
        "query_range?query=up&start=1&end=2&step=-5",
        "query_range?query=up&start=1&end=2&step=1&timeout=soon",
        "query_range?query=up&start=2&end=1&step=1",
        "query_range?query=up&start=0&end=11001&step=1",
        "query_range?query=up[5m]&start=1&end=2&step=1",
        'query_range?query="up"&start=1&end=2&step=1',
        "series",
        "series?match[]=up&start=x",
        "labels?end=x",
        "label/a-b/values",
    ],
)
def test_faulty_parameters_are_refused_in_the_same_words(servers: Servers, path: str) -> None:
    real = servers.assert_same_data(f"/api/v1/{path}", {})
    embedded = servers.session.get(f"{servers.embedded}/api/v1/{path}", timeout=10).json()
    assert (embedded["status"], embedded["error"]) == ("error", real["error"])


@pytest.mark.parametrize(
    "selector", ["{}", "quota{", "quota[5m]", "quota offset 5m", "quota @ 5", "1", "sum(quota)"]
)
def test_faulty_selectors_are_refused(servers: Servers, selector: str) -> None:
    for path in ("series", "labels", "label/job/values"):
        assert servers.assert_same_data(f"/api/v1/{path}", {"match[]": selector})["errorType"] == "bad_data"


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("query", {"query": "quota", "time": str(END)}),
        ("query_range", {"query": "quota", "start": str(START), "end": str(END), "step": "5m"}),
        ("series", {"match[]": ["quota", "odd"], "start": str(START), "end": str(END)}),
        ("labels", {"match[]": "quota", "start": str(START), "end": str(END)}),
        ("query?time=0", {"query": "time()", "time": "7"}),  # the form goes before the URL
    ],
)
def test_a_form_is_taken_like_a_url(servers: Servers, path: str, form: dict[str, str]) -> None:
    real, embedded = (
        servers.session.post(f"{url}/api/v1/{path}", data=form, timeout=10).json()
        for url in (servers.real, servers.embedded)
    )
    assert real["data"], "there is something to compare"
    assert embedded == real


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/-/ready"),
        ("HEAD", "/-/ready"),
        ("GET", "/-/healthy"),
        ("GET", "/api/v1/no_such_path"),
        ("GET", "/no/such/path"),
        ("PUT", "/api/v1/query"),
        ("POST", "/api/v1/label/job/values"),
        ("POST", "/-/ready"),
    ],
)
def test_other_paths_answer_alike(servers: Servers, method: str, path: str) -> None:
    real, embedded = (
        servers.session.request(method, f"{url}{path}", timeout=10)
        for url in (servers.real, servers.embedded)
    )
    assert (embedded.status_code, embedded.text) == (real.status_code, real.text)
    if method != "HEAD":
        assert embedded.headers["Content-Type"] == real.headers["Content-Type"]


def test_the_build_has_the_same_fields_and_version(servers: Servers) -> None:
    real, embedded = (
        servers.session.get(f"{url}/api/v1/status/buildinfo", timeout=10).json()["data"]
        for url in (servers.real, servers.embedded)
    )
    assert embedded.keys() == real.keys()
    assert real["version"].startswith(embedded["version"])
