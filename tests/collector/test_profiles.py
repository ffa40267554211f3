"""Profiles as files: those that kpp ships, and every way in which one can be wrong."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.collector.profiles.profile import Labels, Signal
from kpp.collector.profiles.reading import DEFAULT_PROFILE, read_profile, shipped_profiles
from kpp.collector.queries import quote
from kpp.errors import ConfigError

GOOD = """
description = "another mesh"

[requests]
throughput = "sum by (destination_workload) (rate(a{namespace=$namespace}[$window]))"
response_time = "b"

[cpu]
by_pod = "c"
"""


def read(folder: Path, text: str) -> str:
    """The error's line."""
    path = folder / "own.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_profile(str(path))
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    return line.removeprefix(f"{path}: ")


def test_the_shipped_profiles_have_every_signal() -> None:
    assert shipped_profiles() == ["istio-ambient", "istio-sidecar"]
    assert DEFAULT_PROFILE in shipped_profiles()
    for name in shipped_profiles():
        profile = read_profile(name)
        assert list(profile.queries) == list(Signal)
        assert profile.name == name
        assert profile.labels == Labels()
        for _, text in profile.texts('a "shop"', 60, 120):
            assert '"a \\"shop\\""' in text
            assert "$" not in text


def test_ambient_asks_the_waypoints_and_nothing_of_sidecars() -> None:
    sidecar, ambient = read_profile("istio-sidecar"), read_profile("istio-ambient")
    for signal, query in ambient.queries.items():
        assert query.template == sidecar.queries[signal].template.replace(
            'reporter="destination"', 'reporter=~"waypoint"'
        )


def test_the_cpu_has_a_range_of_its_own() -> None:
    for signal, text in read_profile("istio-sidecar").texts("shop", 60, 120):
        if "timestamp(" in text:
            continue  # the newest sample is looked at again and again, all through the window
        assert ("[120s]" in text) == (signal.section == "cpu")
        assert ("[60s]" in text) == (signal.section == "requests")


def test_a_profile_of_ones_own_is_read_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(GOOD)
    profile = read_profile(str(tmp_path / "own.toml"))
    assert (profile.name, profile.description) == ("own", "another mesh")
    assert set(profile.queries) == {Signal.THROUGHPUT, Signal.RESPONSE_TIME, Signal.CPU_BY_POD}


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ('response_time = "b"', "", "there is no query for requests.response_time; docs/prometheus.md says"),
        ('by_pod = "c"', "", "there is no query for cpu.by_container"),
        (
            "throughput =",
            "througput =",
            "requests.througput is no signal (is it throughput?); there is no query",
        ),
        ("[cpu]", "[gpu]", "gpu is unknown (is it cpu?)"),
        (
            "$namespace",
            "$namepsace",
            "requests.throughput: $namepsace is no placeholder; there are $namespace, ",
        ),
        ("$namespace", '"x$"', "no TOML"),
        ("$namespace", "'x$'", "requests.throughput: a $ stands alone: write $$"),
        ("sum by", "sum bye", "requests.throughput: no PromQL: "),
        ("[$window]", "", "requests.throughput: no PromQL: expected type matrix in call to function 'rate'"),
        ('"b"', '"b[5m]"', "requests.response_time: the query gives no values: it lacks a function"),
        ('"b"', "\"'b'\"", "requests.response_time: the query gives no values"),
        ('"b"', '"b @ -1"', "requests.response_time: @ with an instant before 1970"),
        ('"b"', "3", "requests.response_time: the query is no text"),
        ('"b"', '" "', "requests.response_time: the query is no text"),
        ('"b"', f'"{"(" * 5000}"', "requests.response_time: the query has more than 4096 characters"),
        ("[cpu]", '[labels]\nworklod = "a"\n[cpu]', "labels.worklod is unknown (is it workload?)"),
        ("[cpu]", '[labels]\nworkload = "a b"\n[cpu]', "labels.workload is 'a b', which is no name"),
        ("[cpu]", "[labels]\nworkload = 3\n[cpu]", "labels.workload is 3, which is no name"),
        ("[requests]", "labels = 3\n[requests]", "labels is no table"),
        ("[requests]", "dialect = 'sql'\n[requests]", "the dialect is 'sql', and not promql or metricsql"),
        ('"another mesh"', "3", "the description is no text"),
        ("[requests]", "[requests", "the profile is no TOML: "),
    ],
)
def test_a_fault_is_told_with_its_place(before: str, after: str, text: str, tmp_path: Path) -> None:
    assert before in GOOD
    assert text in read(tmp_path, GOOD.replace(before, after))


def test_metricsql_is_left_to_its_store(tmp_path: Path) -> None:
    more = "WITH (f = {a=$namespace}) rate(x{f}[$window]) default 0"
    assert "no PromQL" in read(tmp_path, GOOD.replace('"b"', f"'{more}'"))
    (tmp_path / "own.toml").write_text("dialect = 'metricsql'\n" + GOOD.replace('"b"', f"'{more}'"))
    assert read_profile(str(tmp_path / "own.toml")).queries[Signal.RESPONSE_TIME].template == more


def test_the_example_in_the_documentation_is_a_profile(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "prometheus.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "linkerd.toml").write_text(example)
    assert read_profile(str(tmp_path / "linkerd.toml")).labels.sidecar == "linkerd-proxy"


@pytest.mark.parametrize("name", ["nowhere", "../../etc/passwd", "", "/"])
def test_what_is_not_there_is_told_with_what_is(name: str) -> None:
    with pytest.raises(ConfigError, match="istio-ambient, istio-sidecar"):
        read_profile(name)


@given(namespace=st.text())
def test_a_namespace_stays_one_string_in_the_query(namespace: str) -> None:
    text = read_profile("istio-sidecar").queries[Signal.CPU_BY_POD].text(namespace, 60)
    rest = text.replace(quote(namespace), "", 1)
    assert rest == read_profile("istio-sidecar").queries[Signal.CPU_BY_POD].text("", 60).replace('""', "", 1)


@given(content=st.binary(max_size=200))
def test_any_file_gives_a_profile_or_one_line(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("profile") / "any.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_profile(str(path))
    assert "\n" not in str(caught.value)
