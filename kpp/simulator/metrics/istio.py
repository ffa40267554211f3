"""Istio's standard metrics, as the sidecar of one pod exposes them.

Source of names and labels: istio.io/latest/docs/reference/config/metrics; the buckets are Envoy's default.
Requests are counted live; histograms are what Envoy merged at its last flush, so that they lag behind. Not
reproduced: Envoy's sums come from log-linear bins, here they are exact sums of whole milliseconds.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from kpp.simulator.engine import BUCKET_BOUNDS_MS, Outcome, RequestReport
from kpp.simulator.metrics.mesh import Mesh, Sizes
from kpp.simulator.metrics.series import Block, Family, Labels, Layout, Series, Values, block, layout_of

BUILD = Family("istio_build", "gauge")
REQUESTS = Family("istio_requests_total", "counter")
REQUEST_MESSAGES = Family("istio_request_messages_total", "counter")
RESPONSE_MESSAGES = Family("istio_response_messages_total", "counter")
DURATION = Family("istio_request_duration_milliseconds", "histogram")
REQUEST_BYTES = Family("istio_request_bytes", "histogram")
RESPONSE_BYTES = Family("istio_response_bytes", "histogram")
CONNECTIONS_OPENED = Family("istio_tcp_connections_opened_total", "counter")
SENT_BYTES = Family("istio_tcp_sent_bytes_total", "counter")
RECEIVED_BYTES = Family("istio_tcp_received_bytes_total", "counter")

BOUNDS = (*(f"{bound:.10g}" for bound in BUCKET_BOUNDS_MS), "+Inf")  # Envoy's, whatever the unit


def _histogram(family: Family) -> tuple[Series, ...]:
    buckets = tuple(Series(family, "_bucket", (("le", bound),)) for bound in BOUNDS)
    return (*buckets, Series(family, "_sum"), Series(family, "_count"))


_BUILD_LAYOUT = layout_of(BUILD)
_HTTP_LAYOUT = layout_of(REQUESTS)
_GRPC_LAYOUT = layout_of(REQUESTS, REQUEST_MESSAGES, RESPONSE_MESSAGES)
_UNANSWERED_LAYOUT = layout_of(REQUESTS, REQUEST_MESSAGES)  # an error comes without a message
_TCP_LAYOUT = layout_of(CONNECTIONS_OPENED, SENT_BYTES, RECEIVED_BYTES)
_HISTOGRAMS_LAYOUT = Layout((*_histogram(DURATION), *_histogram(REQUEST_BYTES), *_histogram(RESPONSE_BYTES)))

Reports = Mapping[str, list[RequestReport]]  # by pod


def reports_by_pod(reports: Iterable[RequestReport]) -> Reports:
    """Sort what all sidecars report by pod."""
    sorted_reports: dict[str, list[RequestReport]] = defaultdict(list)
    for report in reports:
        sorted_reports[report.pod].append(report)
    return sorted_reports


def expose_sidecar(
    mesh: Mesh, tag: str, live: Iterable[RequestReport], flushed: Iterable[RequestReport]
) -> list[Block]:
    """What a sidecar shows; a label set is there only after its first request.

    Args:
        mesh: who is who.
        tag: of the proxy's image.
        live: the pod's reports now.
        flushed: the same at Envoy's last flush.
    """
    build = block(_BUILD_LAYOUT, (("component", "proxy"), ("tag", tag)), [1])
    counted = [_counters(mesh, report) for report in live]
    measured = [_histograms(mesh, report) for report in flushed if report.protocol != "tcp"]
    return [build, *_merge(counted), *_merge(measured)]


def _merge(blocks: Iterable[Block]) -> Iterable[Block]:
    """One block for each label set: from outside, some outcomes look the same."""
    merged: dict[tuple[Layout, Labels], Block] = {}
    for each in blocks:
        same = merged.get(each.key)
        merged[each.key] = replace(each, values=same.values + each.values) if same else each
    return merged.values()


def _counters(mesh: Mesh, report: RequestReport) -> Block:
    labels = mesh.labels(report)
    if report.protocol == "tcp":
        # each sidecar opens its connection once and keeps it; sent is what went to the client
        values = [1.0, report.response_bytes_sum, report.request_bytes_sum]
        return block(_TCP_LAYOUT, labels, values)
    if report.protocol == "http":
        return block(_HTTP_LAYOUT, labels, [report.count])
    if report.outcome is Outcome.OK:
        return block(_GRPC_LAYOUT, labels, [report.count, report.count, report.count])
    return block(_UNANSWERED_LAYOUT, labels, [report.count, report.count])


def _histograms(mesh: Mesh, report: RequestReport) -> Block:
    durations = np.concatenate([report.bucket_counts, [report.duration_ms_sum, report.count]])
    requests = _bytes_histogram(
        mesh.request_sizes[report.destination_service], report.count, report.request_bytes_sum
    )
    is_answered = report.outcome in (Outcome.OK, Outcome.REDIRECTED)
    answers = mesh.response_sizes[report.destination_service] if is_answered else Sizes(0, 0)
    responses = _bytes_histogram(answers, report.count, report.response_bytes_sum)
    values = np.concatenate([durations, requests, responses]).astype(np.float64)
    return Block(_HISTOGRAMS_LAYOUT, mesh.labels(report), values)


def _bytes_histogram(sizes: Sizes, count: int, bytes_sum: float) -> Values:
    """Buckets, sum and count of messages of which only the number and the sum is known.

    As many count as the smallest and the rest as the largest size as make up the sum. With two sizes this is
    exact; always the mean is right and no bucket ever falls.
    """
    spread = sizes.largest - sizes.smallest
    large = math.floor((bytes_sum - count * sizes.smallest) / spread + 1e-9) if spread > 0 else 0
    bounds = np.append(BUCKET_BOUNDS_MS, np.inf)
    buckets = np.where(sizes.smallest <= bounds, count - large, 0) + np.where(
        sizes.largest <= bounds, large, 0
    )
    return np.concatenate([buckets, [bytes_sum, count]])
