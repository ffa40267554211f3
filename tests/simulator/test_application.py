"""Applications as data: the shipped ones, and what is wrong with others."""

import dataclasses
import re
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.errors import InputError
from kpp.simulator.application import FanOut
from kpp.simulator.application_file import parse_application, read_application, shipped_applications
from kpp.simulator.engine import Engine

SMALL = """\
name: small
entry_service: web
services:
  web:
    operations:
      get:
        cpu_ms: 1
        calls: [store/get]
  store:
    operations:
      get: {cpu_ms: 2}
  load: {}
users:
  service: load
  actions:
    get: {requests: [web/get]}
"""


def test_the_online_boutique_is_the_one_that_google_describes() -> None:
    application = read_application("online_boutique")
    services = application.services
    assert sum(service.cpu_request_cores or 0 for service in services.values()) == pytest.approx(1.570)
    assert sum(service.cpu_limit_cores or 0 for service in services.values()) == pytest.approx(2.825)
    assert {service.replicas for service in services.values()} == {1}
    actions = application.users.actions.values()
    requests = sum(
        action.weight * sum(1 + (request.redirect is not None) for request in action.requests)
        for action in actions
    )
    assert (requests, sum(action.weight for action in actions)) == (28, 19)
    assert application.users.wait_seconds == (1, 10)


@pytest.mark.parametrize(
    ("operation", "items", "expected"),
    [
        ("GET /", 0, {"currencyservice": 10, "productcatalogservice": 1, "cartservice": 1, "adservice": 1}),
        (
            "GET /product/id",
            3,
            {
                "currencyservice": 2,
                "productcatalogservice": 7,
                "cartservice": 1,
                "recommendationservice": 1,
                "adservice": 1,
            },
        ),
        (
            "GET /cart",
            6,  # distinct items, so that 3 products are left to recommend
            {
                "currencyservice": 8,
                "productcatalogservice": 6 + 3 + 1,
                "cartservice": 1,
                "recommendationservice": 1,
                "shippingservice": 1,
            },
        ),
        (
            "POST /cart/checkout",
            2,
            {
                "currencyservice": 1 + 3,
                "productcatalogservice": 5 + 1 + 2,
                "cartservice": 2,
                "recommendationservice": 1,
                "shippingservice": 2,
                "checkoutservice": 1,
                "paymentservice": 1,
                "emailservice": 1,
            },
        ),
        ("POST /cart", 4, {"productcatalogservice": 1, "cartservice": 1}),
        ("POST /setCurrency", 4, {}),
    ],
)
def test_a_frontend_request_fans_out_as_the_sources_do(
    operation: str, items: int, expected: dict[str, int]
) -> None:
    operations = dict(read_application("online_boutique").operations())
    visits: dict[str, int] = {}

    def visit(key: str) -> None:
        for call in operations[key].calls:
            for _ in range(call.times.times(items)):
                service = call.operation.partition("/")[0]
                visits[service] = visits.get(service, 0) + 1
                visit(call.operation)

    visit(f"frontend/{operation}")
    visits.pop("redis-cart", None)
    assert visits == expected


@given(st.integers(-20, 20), st.integers(-3, 3), st.none() | st.integers(0, 10), st.integers(0, 62))
def test_a_fan_out_is_never_negative_and_never_above_its_bound(
    plus: int, per_item: int, at_most: int | None, items: int
) -> None:
    times = FanOut(plus, per_item, at_most).times(items)
    assert 0 <= times <= (at_most if at_most is not None else max(plus + per_item * items, 0))


@pytest.mark.parametrize("name", shipped_applications())
def test_what_is_shipped_runs(name: str) -> None:
    application = read_application(name)
    engine = Engine.with_pods(application, seed=1)
    engine.set_users(20, spawn_rate=10)
    engine.advance(120)
    truths = engine.snapshot().service_truths()
    assert set(truths) == set(application.services) - {application.users.service}
    assert all(
        truth.succeeded_count == truth.request_count > 0 for truth in truths.values() if truth.request_count
    )
    assert truths[application.entry_service].request_count > 100


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_text(SMALL, encoding="utf-8")
    application = read_application(file)
    assert application == read_application(str(file)) == parse_application(SMALL, where="text")
    assert application.services["web"].operations["get"].calls[0].times == FanOut(plus=1)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("calls: [store/get]", "calls: [store/put]", 8, "there is no operation 'store/put'"),
        ("calls: [store/get]", "calls: [store]", 8, "String should match pattern"),
        ("{cpu_ms: 2}", "{cpu_ms: 2, calls: [web/get]}", 6, "call each other for ever"),
        ("cpu_ms: 1", "cpu_ms: -1", 7, "greater than or equal to 0"),
        ("cpu_ms: 1", "cpu_ms: .inf", 7, "finite number"),
        ("cpu_ms: 1", "cpu: 1", 7, "Unexpected keyword argument"),
        ("cpu_ms: 1", "cpu_ms: fast", 7, "valid number"),
        ("entry_service: web", "entry_service: wep", 2, "there is no service 'wep'"),
        ("service: load", "service: web", 5, "offers no operations"),
        ("service: load", "service: nobody", 14, "there is no service 'nobody'"),
        ("[web/get]}", "[]}", 16, "at least 1 item"),
        ("[web/get]}", "[web/get], weight: 0}", 15, "a weight above 0"),
        ("  store:", "  Store_1:", 9, "a name in Kubernetes"),
        ("  service: load", "  service: load\n  on_start: login", 15, "there is no action 'login'"),
        ("  service: load", "  service: load\n  wait_seconds: [3, 1]", 15, "the shortest wait comes first"),
        ("name: small", "name: small\nname: other", 2, "comes twice"),
    ],
)
def test_a_fault_is_told_with_its_line(old: str, new: str, line: int, message: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_application(SMALL.replace(old, new, 1), where="small.yaml")
    text = str(raised.value)
    assert text.startswith("small.yaml: ")
    assert message in text
    assert re.search(rf"line {line}\b", text), text
    assert "\n" not in text


def test_all_faults_are_told_at_once() -> None:
    text = SMALL.replace("cpu_ms: 1", "cpu_ms: -1").replace("{cpu_ms: 2}", "{cpu_ms: -2}")
    with pytest.raises(InputError, match=r"line 7: .*; line 11: "):
        parse_application(text, where="small.yaml")


@pytest.mark.parametrize(
    "text", ["", "[]", "42", "a: [", "\x00", "a: &a [*a]", "{? [1, 2] : 3}", "- &x {x: *x}"]
)
def test_what_is_no_application_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_application(text, where="file.yaml")
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_refused_and_the_shipped_ones_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="online_boutique, three_tier"):
        read_application(tmp_path / "none.yaml")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        read_application(binary)


def test_every_field_of_the_format_is_documented() -> None:
    document = Path(__file__).parents[2] / "docs" / "simulator-physics.md"
    described = document.read_text(encoding="utf-8")
    from kpp.simulator import application

    for name in ("Application", "Service", "Operation", "Call", "FanOut", "Demand", "Probe", "Sidecar"):
        for field in dataclasses.fields(getattr(application, name)):
            assert f"`{field.name}`" in described, f"{name}.{field.name}"
    for name in ("Users", "UserAction", "UserRequest", "Variation"):
        for field in dataclasses.fields(getattr(application, name)):
            assert f"`{field.name}`" in described, f"{name}.{field.name}"


def test_the_applications_are_package_data() -> None:
    files = {entry.name for entry in resources.files("kpp.simulator").joinpath("applications").iterdir()}
    assert {"online_boutique.yaml", "three_tier.yaml"} <= files
