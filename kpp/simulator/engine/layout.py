"""What the engine's arrays hold: one structured array for each kind of thing, and all of them as one `World`.

Instants are seconds on the virtual clock. Indices refer to rows of the other arrays; `NONE` is no row.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kpp.simulator.engine.states import BUCKET_COUNT, OUTCOME_COUNT


def _record(fields: dict[str, Any]) -> np.dtype[np.void]:
    return np.dtype(list(fields.items()), align=True)


INDEX, FLAG, REAL, COUNTER = "i8", "?", "f8", "i8"
HISTOGRAM = (COUNTER, (BUCKET_COUNT,))

STATE = _record(
    {
        "now": REAL,
        "event_count": COUNTER,
        "needs_room": FLAG,  # the kernel stopped because `requests` is nearly full
        "free_request": INDEX,  # head of the free rows, linked by `next`
        "free_request_count": INDEX,
        "network_head": INDEX,
        "network_tail": INDEX,
        "network_seconds": REAL,
        "first_action": INDEX,  # row of `operations`
        "start_action": INDEX,  # row of `operations`, or NONE
        "shortest_wait": REAL,
        "longest_wait": REAL,
        "exponential_wait": FLAG,
        "session_items": INDEX,
        "sidecar_seconds": REAL,  # CPU of one pass; a request passes each sidecar twice
        "sidecar_tcp_seconds": REAL,
        "sidecar_distribution": INDEX,
        "sidecar_sigma": REAL,
        "sidecar_background": REAL,
        "demand_sigma": REAL,
        "demand_autocorrelation": REAL,
        "background_sigma": REAL,
        "minute_at": REAL,
    }
)

SERVICE = _record(
    {
        "has_sidecar": FLAG,
        "is_tcp": FLAG,
        "threads": INDEX,  # NONE: as many as the node has cores
        "workers": INDEX,
        "max_requests": INDEX,
        "background": REAL,  # cores
        "distribution": INDEX,
        "sigma": REAL,
        "startup_seconds": REAL,
        "has_probe": FLAG,
        "probe_period": REAL,
        "probe_delay": REAL,
        "probe_threshold": INDEX,
        "probe_operation": INDEX,
        "probe_deadline": INDEX,  # row of `deadlines`
        "drift": REAL,  # the AR(1) process behind `demand_factor`
        "demand_factor": REAL,
    }
)

OPERATION = _record(
    {
        "service": INDEX,
        "cpu_seconds": REAL,
        "call_cpu_seconds": REAL,  # for each call made
        "first_call": INDEX,  # row of `calls`
        "end_call": INDEX,
        "is_redirect": FLAG,
        "effect": INDEX,
        "request_bytes": REAL,
        "response_bytes": REAL,
    }
)

CALL = _record(
    {
        "operation": INDEX,
        "deadline": INDEX,  # row of `deadlines`, or NONE
        "ignores_failure": FLAG,
        "follows_redirect": FLAG,  # made only when the call before it succeeded
    }
)

NODE = _record({"cores": REAL, "wanted": INDEX, "speed": REAL})

POD = _record(
    {
        "service": INDEX,
        "node": INDEX,
        "phase": INDEX,
        "ready": FLAG,
        "held_unready": FLAG,  # by the one who runs the cluster
        "started_at": REAL,
        "container_started_at": REAL,
        "restarts": INDEX,
        "crash_streak": INDEX,  # restarts in quick succession
        "timer_at": REAL,
        "failed_probes": INDEX,
        "open_requests": INDEX,  # chosen this pod and not yet answered
        "in_progress": INDEX,  # in the application, waiting ones included
        "busy_workers": INDEX,
        "line_head": INDEX,  # requests that wait for a worker
        "line_tail": INDEX,
        "background_factor": REAL,
        "background_since": REAL,
        "background_seconds": REAL,  # used up to `background_since`
        "sidecar_background_seconds": REAL,
        # CFS bandwidth control of the application's container
        "limit": REAL,  # cores; infinite: none
        "ordered_limit": REAL,  # what the limit becomes at the pod's next timer
        "period_origin": REAL,  # when its period 0 began
        "period": COUNTER,  # the one that `period_used` counts
        "period_used": REAL,  # CPU seconds
        "throttled": FLAG,
        "throttled_at": REAL,
        "pending": INDEX,
        "last_active_period": COUNTER,
        "periods": COUNTER,
        "throttled_periods": COUNTER,
        "throttled_seconds": REAL,
    }
)

# each pod has two: row 2p is its container (processor sharing), 2p + 1 its sidecar (first come, first served)
STATION = _record(
    {
        "clock": REAL,  # CPU seconds that each job has been given since the start
        "updated_at": REAL,
        "speed": REAL,  # of `clock`
        "cores": REAL,  # in use
        "wanted": INDEX,  # cores that it would use on an idle node
        "jobs": INDEX,
        "cpu_seconds": REAL,
    }
)

REQUEST = _record(
    {
        "kind": INDEX,
        "stage": INDEX,
        "operation": INDEX,
        "service": INDEX,
        "pod": INDEX,  # that serves it; NONE: not chosen
        "source_pod": INDEX,
        "parent": INDEX,
        "child": INDEX,  # the call of its own that it waits for
        "call": INDEX,  # row of `calls` that made it
        "next_call": INDEX,  # row of `calls` that it makes next
        "calls_made": INDEX,  # of that row
        "items": INDEX,  # in the user's session
        "user": INDEX,
        "outcome": INDEX,
        "abandoned": FLAG,  # nobody waits for it any more
        "call_failed": FLAG,  # the last one it made
        "segment_seconds": REAL,  # CPU before, between and after its calls
        "sent_at": REAL,
        "received_at": REAL,
        "admitted_at": REAL,
        "used_seconds": REAL,
        "due_at": REAL,  # the network hands it over
        "user_sent_at": REAL,  # of an action: when the user sent the request that redirects count for
        "next": INDEX,
        "deadline": INDEX,  # row of `deadlines`, or NONE
        "deadline_at": REAL,
        "earlier": INDEX,  # neighbors in that row's list
        "later": INDEX,
    }
)

USER = _record({"state": INDEX, "pod": INDEX, "request": INDEX, "items": COUNTER, "at_start": FLAG})

DEADLINE = _record({"seconds": REAL, "head": INDEX, "tail": INDEX})

# what one sidecar has reported about requests to or from one service with one outcome
REPORT = _record(
    {
        "count": COUNTER,
        "duration_ms": COUNTER,  # sum of durations, each truncated to whole milliseconds as Envoy does
        "seconds": REAL,  # the same sum, exact
        "request_bytes": REAL,
        "response_bytes": REAL,
        "buckets": HISTOGRAM,
    }
)

# the truth about one operation: requests that were admitted and have ended
OPERATION_TRUTH = _record(
    {
        "count": (COUNTER, (OUTCOME_COUNT,)),
        "seconds": REAL,  # sum of response times in the application, neither sidecar nor network
        "seconds_squared": REAL,
        "demand_seconds": REAL,  # CPU used by requests that succeeded
        "wasted_seconds": REAL,  # CPU used by the others
    }
)

# the truth as the load generator sees it: one row for each request of an action (row of `calls`)
USER_TRUTH = _record({"count": COUNTER, "failures": COUNTER, "seconds": REAL, "buckets": HISTOGRAM})

Rows = NDArray[Any]  # of one of the records above
Reals = NDArray[np.float64]
Indices = NDArray[np.int64]


class World(NamedTuple):
    """Everything that the compiled functions read and write."""

    state: Rows  # (1,)
    services: Rows
    operations: Rows
    calls: Rows
    call_times: Indices  # (calls, session_items + 1)
    action_shares: Reals  # (actions,) cumulative, the last is 1
    nodes: Rows
    pods: Rows
    stations: Rows  # (2 x pods,)
    tags: Reals  # (2 x pods, requests) a heap for each station: the clock at which a job is done
    jobs: Indices  # (2 x pods, requests) the requests to these tags
    worker_free: Reals  # (pods, sidecar workers) the sidecar's clock at which each is free
    outstanding: Indices  # (pods, pods) requests that a source pod has open at a destination pod
    ready_pods: Indices  # (services, pods) the first `ready_count` are the endpoints
    ready_count: Indices  # (services,)
    requests: Rows
    users: Rows
    deadlines: Rows
    event_at: Reals  # (sources,) when each source of events has its next one
    winner: Indices  # (2 x sources,) the earliest of them, as a tournament
    source_reports: Rows  # (pods, services, outcomes) by source pod and destination service
    destination_reports: Rows  # (pods, services, outcomes) by destination pod and source service
    operation_truth: Rows  # (operations,)
    user_truth: Rows  # (calls,)
    generator: np.random.Generator
