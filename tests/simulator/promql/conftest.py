"""Both servers with the same samples, started once."""

from collections.abc import Iterator

import pytest
import requests

from kpp.clock import ManualClock
from kpp.simulator.promql import SampleStore
from tests.simulator.promql.comparison import Servers
from tests.simulator.promql.remote_write import write_remotely
from tests.simulator.promql.sample_series import ENDED_AT_MS, sample_series
from tests.simulator.promql.servers import require_version, serve_embedded, serve_real


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    series = list(sample_series())
    store = SampleStore(retention_seconds=24 * 3600)
    for labels, samples in series:
        number = store.series_number(labels)
        for timestamp_ms, value in samples:
            store.append(number, timestamp_ms, value)
    with (
        serve_real(tmp_path_factory.mktemp("prometheus")) as real,
        serve_embedded(store, ManualClock(ENDED_AT_MS / 1000)) as embedded,
        requests.Session() as session,
    ):
        require_version(real)
        write_remotely(real, series)
        yield Servers(real, embedded, session)
