"""What the tests of the Kubernetes calls share."""

from collections.abc import Iterator

import pytest

from kpp.clock import ManualClock
from tests.collector.fake_kubernetes import FakeKubernetes


@pytest.fixture
def fake() -> Iterator[FakeKubernetes]:
    with FakeKubernetes() as serving:
        yield serving


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
