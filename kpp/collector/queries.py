"""The PromQL of the collector: one query per signal, for all services of a namespace together.

Each text can be pasted into Prometheus once `$namespace` (a string in quotes) and `$window` (a duration) are
filled in; `Query.text` does that. Three rules run through them:

- Both sidecars count a request. Only the server's count (`reporter="destination"`) is taken, so that each
  request counts once and a response time is what the service itself took, without the network.
- cAdvisor reports the same CPU time at several levels: container, pod, node. Only one of them is summed.
- `rate` comes before `sum`: only so is the restart of one pod a reset of its own counter.

What cannot be mended here: Envoy cuts durations to whole milliseconds, so a mean is about 0.5 ms too low and
services below 1 ms read almost 0; quantiles are interpolated inside Envoy's buckets (5, 10, 25, 50 ms, …);
the first value of a new series adds nothing to a rate, so the first failure of a kind is missed.
"""

import json
from dataclasses import dataclass
from string import Template


@dataclass(frozen=True)
class Query:
    """A PromQL text with two gaps, and the name it has in messages."""

    name: str
    template: str

    def text(self, namespace: str, window_seconds: int) -> str:
        """Fill in the namespace and the range of `rate`, in seconds.

        >>> print(CPU_BY_POD.text("shop", 60))
        sum by (pod) (
          rate(container_cpu_usage_seconds_total{
            namespace="shop", container="", image="", pod!=""
          }[60s])
        )
        """
        return Template(self.template.strip()).substitute(
            namespace=quote(namespace), window=f"{window_seconds}s"
        )


def quote(value: str) -> str:
    r"""Write a string as PromQL does: JSON's escapes are a subset of those of Go, which PromQL uses.

    >>> print(quote('a "b" \\'))
    "a \"b\" \\"
    """
    return json.dumps(value, ensure_ascii=False)


# requests per second, by destination_workload
THROUGHPUT = Query(
    "throughput",
    """
sum by (destination_workload) (
  rate(istio_requests_total{
    reporter="destination", destination_workload_namespace=$namespace
  }[$window])
)
""",
)

# mean in seconds, by destination_workload; NaN where no request was served
RESPONSE_TIME = Query(
    "response time",
    """
sum by (destination_workload) (
  rate(istio_request_duration_milliseconds_sum{
    reporter="destination", destination_workload_namespace=$namespace
  }[$window])
)
/
sum by (destination_workload) (
  rate(istio_request_duration_milliseconds_count{
    reporter="destination", destination_workload_namespace=$namespace
  }[$window])
)
/ 1000
""",
)

# seconds, by destination_workload; NaN where no request was served
RESPONSE_TIME_P95 = Query(
    "response time p95",
    """
histogram_quantile(
  0.95,
  sum by (destination_workload, le) (
    rate(istio_request_duration_milliseconds_bucket{
      reporter="destination", destination_workload_namespace=$namespace
    }[$window])
  )
)
/ 1000
""",
)

# failed requests per second, by destination_workload. A failed gRPC call usually keeps response_code 200;
# code 0 is a request that never got an answer. `or` drops what its left side has, so that each counts once.
ERROR_RATE = Query(
    "error rate",
    """
sum by (destination_workload) (
  rate(istio_requests_total{
    reporter="destination", destination_workload_namespace=$namespace,
    response_code=~"5..|0"
  }[$window])
  or
  rate(istio_requests_total{
    reporter="destination", destination_workload_namespace=$namespace,
    grpc_response_status!~"|0"
  }[$window])
)
""",
)

# cores, by pod and container; an absent label equals ""
CPU_BY_CONTAINER = Query(
    "CPU usage by container",
    """
sum by (pod, container) (
  rate(container_cpu_usage_seconds_total{
    namespace=$namespace, container!="", container!="POD"
  }[$window])
)
""",
)

# cores, by pod, application and sidecar together: for runtimes that label only pods (cri-dockerd). The empty
# image keeps out containerd's pause container, which has no container name either.
CPU_BY_POD = Query(
    "CPU usage by pod",
    """
sum by (pod) (
  rate(container_cpu_usage_seconds_total{
    namespace=$namespace, container="", image="", pod!=""
  }[$window])
)
""",
)

# CFS periods per second in which the container was throttled, by pod and container; only with a CPU limit
THROTTLED_PERIODS = Query(
    "throttled CFS periods",
    """
sum by (pod, container) (
  rate(container_cpu_cfs_throttled_periods_total{
    namespace=$namespace, container!="", container!="POD"
  }[$window])
)
""",
)

# CFS periods per second in which the container ran, by pod and container; only with a CPU limit
PERIODS = Query(
    "CFS periods",
    """
sum by (pod, container) (
  rate(container_cpu_cfs_periods_total{
    namespace=$namespace, container!="", container!="POD"
  }[$window])
)
""",
)

# requests per second, by caller and callee, both in the namespace; THROUGHPUT over the same range tells how
# many requests a caller served itself
CALLS = Query(
    "calls",
    """
sum by (source_workload, destination_workload) (
  rate(istio_requests_total{
    reporter="destination",
    source_workload_namespace=$namespace, destination_workload_namespace=$namespace
  }[$window])
)
""",
)

# of cAdvisor, whose samples are 10 to 20 s apart and irregular: they need a longer range than Istio's
CPU_QUERIES = (CPU_BY_CONTAINER, CPU_BY_POD, THROTTLED_PERIODS, PERIODS)

# what a Prometheus answers whatever it holds
SELF_TEST = Query("self-test", "vector(1)")

ALL_QUERIES = (
    THROUGHPUT,
    RESPONSE_TIME,
    RESPONSE_TIME_P95,
    ERROR_RATE,
    *CPU_QUERIES,
    CALLS,
)
