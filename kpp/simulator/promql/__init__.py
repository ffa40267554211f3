"""An embedded Prometheus: a store of samples and the part of PromQL that kpp uses.

Feed it through `ScrapedTarget` (or `SampleStore.append`), ask it through `query_instant` and `query_range`,
or over HTTP through `kpp.simulator.prometheus_api`. Rules are those of Prometheus 2.42; what is not supported
is refused by name.
"""

from kpp.simulator.promql.errors import BadDataError, ExecutionError, QueryError
from kpp.simulator.promql.query import query_instant, query_range
from kpp.simulator.promql.samples import STALE, SampleStore
from kpp.simulator.promql.scraping import NO_OWN_TIMESTAMP, ScrapedTarget

__all__ = [
    "NO_OWN_TIMESTAMP",
    "STALE",
    "BadDataError",
    "ExecutionError",
    "QueryError",
    "SampleStore",
    "ScrapedTarget",
    "query_instant",
    "query_range",
]
