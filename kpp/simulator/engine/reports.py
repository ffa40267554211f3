"""The counters: what sidecars report, and the truth that no real cluster tells."""

import math
from typing import Any

from kpp.simulator.engine import throttling
from kpp.simulator.engine.layout import World
from kpp.simulator.engine.native import compiled
from kpp.simulator.engine.states import BUCKET_BOUNDS_MS, Outcome


@compiled
def bucket_of(milliseconds: float) -> int:
    """The first bucket whose bound is not below."""
    bucket = 0
    while bucket < len(BUCKET_BOUNDS_MS) and milliseconds > BUCKET_BOUNDS_MS[bucket]:
        bucket += 1
    return bucket


@compiled
def report_source(world: World, row: int, outcome: int, now: float) -> None:
    """The caller's sidecar reports a call.

    A caller that is throttled when the answer comes reads it only when it may run again, and the stream stays
    open until then: the report contains the pause.
    """
    request = world.requests[row]
    source = world.pods[request.source_pod]
    if not world.services[source.service].has_sidecar:
        return
    ended_at = max(now, throttling.resumes_at(source)) if source.throttled else now
    report = world.source_reports[request.source_pod, request.service, outcome]
    _add(report, world.operations[request.operation], ended_at - request.sent_at, outcome)


@compiled
def report_destination(world: World, row: int, outcome: int, now: float) -> None:
    """The sidecar of the pod that served the request reports it."""
    request = world.requests[row]
    if not world.services[request.service].has_sidecar:
        return
    source_service = world.pods[request.source_pod].service
    report = world.destination_reports[request.pod, source_service, outcome]
    _add(report, world.operations[request.operation], now - request.received_at, outcome)


@compiled
def _add(report: Any, operation: Any, seconds: float, outcome: int) -> None:
    milliseconds = math.floor(seconds * 1000.0)
    report.count += 1
    report.duration_ms += milliseconds
    report.seconds += seconds
    report.buckets[bucket_of(milliseconds)] += 1
    report.request_bytes += operation.request_bytes
    if outcome <= Outcome.REDIRECTED:
        report.response_bytes += operation.response_bytes


@compiled
def note_end(world: World, row: int, outcome: int, now: float) -> None:
    """Note the truth about a request that was admitted and ends in the application."""
    request = world.requests[row]
    truth = world.operation_truth[request.operation]
    seconds = now - request.admitted_at
    truth.count[outcome] += 1
    truth.seconds += seconds
    truth.seconds_squared += seconds * seconds
    if outcome <= Outcome.REDIRECTED:
        truth.demand_seconds += request.used_seconds
    else:
        truth.wasted_seconds += request.used_seconds


@compiled
def note_user_request(
    world: World, action: int, call_row: int, outcome: int, sent_at: float, now: float
) -> None:
    """Note what Locust sees: a redirect and the request that follows it are one, from first to last."""
    call = world.calls[call_row]
    requester = world.requests[action]
    failed = outcome > Outcome.REDIRECTED
    first = call_row - 1 if call.follows_redirect else call_row
    if not call.follows_redirect:
        requester.user_sent_at = sent_at
    following = call_row + 1
    is_last = following == world.operations[requester.operation].end_call
    if not failed and not is_last and world.calls[following].follows_redirect:
        return
    truth = world.user_truth[first]
    seconds = now - requester.user_sent_at
    truth.count += 1
    truth.failures += failed
    truth.seconds += seconds
    truth.buckets[bucket_of(seconds * 1000.0)] += 1


@compiled
def note_refusal(world: World, row: int, outcome: int) -> None:
    """Note the truth about a request that was never admitted."""
    world.operation_truth[world.requests[row].operation].count[outcome] += 1
