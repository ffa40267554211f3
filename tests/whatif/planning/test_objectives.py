import math

import pytest

from kpp.errors import ConfigError
from kpp.schema import CPU_REQUEST, CPU_USAGE, REPLICAS, RESPONSE_TIME, THROUGHPUT
from kpp.whatif.calibrated import lower_of, upper_of
from kpp.whatif.planning.objectives import Objective, Outcome, parse_objective


@pytest.mark.parametrize(
    ("text", "service", "what", "bound"),
    [
        ("frontend:response-time<=250ms", "frontend", "response-time", 0.25),
        ("frontend:response-time<0.25s", "frontend", "response-time", 0.25),
        (" frontend : response-time = .5 s ", "frontend", "response-time", 0.5),
        ("all:cpu<=60%", "all", "cpu", 0.6),
        ("cart-service.shop:cpu<=60%", "cart-service.shop", "cpu", 0.6),
        ("frontend:throughput>=100", "frontend", "throughput", 100.0),
        ("frontend:throughput>=100req/s", "frontend", "throughput", 100.0),
    ],
)
def test_an_objective_is_read_and_written_again(text: str, service: str, what: str, bound: float) -> None:
    found = parse_objective(text)

    assert (found.service, found.what) == (service, what)
    assert found.bound == pytest.approx(bound)
    assert parse_objective(str(found)) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("250ms", "write one like frontend:response-time<=250ms, all:cpu<=60%"),
        ("frontend:latency<=250ms", "write one like"),
        ("frontend:response-time<=-5ms", "write one like"),
        ("frontend:response-time<=250", "has no such unit; write response-time in ms or s"),
        ("frontend:cpu<=0.6", "write cpu in %"),
        ("frontend:throughput>=5ms", "write throughput in req/s"),
        ("frontend:response-time>=250ms", "from the wrong side; write <="),
        ("frontend:throughput<=100", "from the wrong side; write >="),
        ("frontend:response-time<=0ms", "write a bound above 0"),
        ("all:response-time<=250ms", "is for all services; name one, or bound their CPU"),
    ],
)
def test_what_is_no_objective_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_objective(text)
    assert message in str(error.value)


def test_cpu_is_judged_as_a_share_of_all_replicas_requests() -> None:
    values = {CPU_USAGE: 0.3, RESPONSE_TIME: 1.0, THROUGHPUT: 1.0}
    row = {REPLICAS: 2.0, CPU_REQUEST: 0.25, **values}
    row |= {lower_of(name): value / 2 for name, value in values.items()}
    row |= {upper_of(name): value * 2 for name, value in values.items()}

    outcome = Objective("cart", "cpu", 0.6).of(row)

    assert vars(outcome) == pytest.approx({"value": 0.6, "lower": 0.3, "upper": 1.2})


def test_an_excess_is_at_most_1_where_the_bound_is_kept() -> None:
    outcome = Outcome(value=0.2, lower=0.1, upper=0.4)
    slow, busy = Objective("a", "response-time", 0.3), Objective("a", "throughput", 0.15)

    assert slow.excess(outcome, certain=False) == pytest.approx(0.2 / 0.3)
    assert slow.excess(outcome, certain=True) == pytest.approx(0.4 / 0.3)
    assert busy.excess(outcome, certain=False) == pytest.approx(0.15 / 0.2)
    assert busy.excess(outcome, certain=True) == pytest.approx(0.15 / 0.1)
    assert slow.excess(Outcome(0.2, math.nan, math.nan), certain=True) == math.inf
