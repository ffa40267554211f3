"""Series of a small shop as Istio and cAdvisor report them, with rates chosen by hand.

`SHOP` runs on containerd; `POD_LABELS` on a runtime that labels only pods; `AMBIENT` has waypoints. Beside
what is to be measured stands what must not be: the client's count of every request, other namespaces, pause
containers, the pods' cgroups, the nodes' root, a dead pod whose series linger.
"""

from collections.abc import Iterable

from tests.collector.real_prometheus import counter, gauge

SHOP, POD_LABELS, NEIGHBOR, AMBIENT = "shop", "pod-labels", "neighbor", "ambient"
ODD_NAME = 'odd "name" \\ {$1}'

RESET_AT = 38  # a scrape inside the last minute

# (caller, service, pod, response_code, grpc_response_status, requests per second)
REQUESTS = (
    ("loadgenerator", "frontend", "frontend-1", "200", None, 2.0),
    ("loadgenerator", "frontend", "frontend-1", "302", None, 0.4),
    ("loadgenerator", "frontend", "frontend-1", "500", None, 0.2),
    ("loadgenerator", "frontend", "frontend-1", "0", None, 0.1),  # the client went away
    ("loadgenerator", "frontend", "frontend-1", "404", None, 0.3),  # the client's fault, not a failure
    ("frontend", "cartservice", "cartservice-1", "200", "0", 0.6),
    ("frontend", "cartservice", "cartservice-2", "200", "0", 0.3),  # restarted
    ("frontend", "cartservice", "cartservice-1", "200", "14", 0.1),  # failed, says gRPC
    ("checkoutservice", "cartservice", "cartservice-1", "503", "14", 0.05),  # failed, say both
    ("frontend", "adservice", "adservice-1", "200", "0", 0.0),  # idle
    ("frontend", "checkoutservice", "checkoutservice-1", "200", "0", 0.02),
    ("frontend", "unknown", "passthrough", "200", None, 9.0),
)

# service, mean in milliseconds, share of the requests within 10, 25 and 50 ms
DURATIONS = (("frontend", 20.0, (0.5, 0.9, 1.0)), ("cartservice", 4.0, (1.0, 1.0, 1.0)))

# (pod, container, cores)
CPU = (
    ("frontend-1", "server", 0.3),
    ("frontend-1", "istio-proxy", 0.1),
    ("frontend-0", "server", 7.0),  # dead, lingering
    ("frontend-0", "istio-proxy", 7.0),
    ("cartservice-1", "server", 0.2),
    ("cartservice-1", "istio-proxy", 0.04),
    ("cartservice-2", "server", 0.1),  # restarted
    ("cartservice-2", "istio-proxy", 0.05),
    ("adservice-1", "server", 0.01),
    ("adservice-1", "log-shipper", 0.02),
)

# (pod, container, CFS periods per second, throttled ones)
CFS = (
    ("frontend-1", "server", 10.0, 2.0),
    ("frontend-1", "istio-proxy", 10.0, 10.0),
    ("cartservice-1", "server", 9.0, 1.0),
    ("cartservice-2", "server", 3.0, 2.0),
    ("frontend-0", "server", 10.0, 10.0),
)


# (pod, its owner, whether it runs): ReplicaSets of Deployments, and another kind
OWNERS = (
    ("frontend-1", ("ReplicaSet", "frontend-7c5d8f9b6d"), True),
    ("frontend-0", ("ReplicaSet", "frontend-7c5d8f9b6d"), False),
    ("cartservice-1", ("ReplicaSet", "cartservice-6b4c9d8f5b"), True),
    ("cartservice-2", ("ReplicaSet", "cartservice-6b4c9d8f5b"), True),
    ("adservice-1", ("ReplicaSet", "adservice-5f8b6c7d9f"), True),
    ("database-0", ("StatefulSet", "database"), True),
)

# (pod, container, cores asked for, cores at most)
RESOURCES = (
    ("frontend-1", "server", 0.1, 0.2),
    ("frontend-1", "istio-proxy", 0.01, 2.0),
    ("cartservice-1", "server", 0.2, 0.3),
    ("cartservice-2", "server", 0.2, 0.3),
    ("adservice-1", "server", 0.2, 0.3),  # and a log-shipper without either
)


def boutique_series() -> Iterable[str]:
    """All series, as OpenMetrics."""
    yield from _requests(SHOP)
    yield from _durations(SHOP)
    yield from _cpu(SHOP)
    yield from _pod_level_cpu(POD_LABELS)
    yield from _objects(SHOP)
    yield _request_count(AMBIENT, AMBIENT, REQUESTS[0], "waypoint")
    yield _request_count(AMBIENT, AMBIENT, ("frontend", "cartservice", "c", "503", None, 0.5), "waypoint")
    yield from _duration(AMBIENT, "waypoint", "frontend", 30.0, (0.0, 0.0, 1.0))
    # the same names next door
    yield _request_count(NEIGHBOR, NEIGHBOR, ("loadgenerator", "frontend", "frontend-1", "500", None, 100.0))
    yield _request_count(NEIGHBOR, SHOP, ("frontend", "cartservice", "cartservice-1", "200", "0", 0.15))
    yield _request_count(SHOP, NEIGHBOR, ("frontend", "cartservice", "cartservice-1", "200", "0", 0.35))
    yield from _duration(NEIGHBOR, "destination", "frontend", 1000.0, (0.0, 0.0, 0.0))
    yield counter("container_cpu_usage_seconds_total", 50.0, _container(NEIGHBOR, "frontend-1", "server"))
    yield from _cfs(NEIGHBOR, "frontend-1", "server", 50.0, 25.0)
    yield _request_count(ODD_NAME, ODD_NAME, ("loadgenerator", "frontend", "frontend-1", "200", None, 3.0))


def _requests(namespace: str) -> Iterable[str]:
    for request in REQUESTS:
        for reporter in ("destination", "source"):
            yield _request_count(namespace, namespace, request, reporter)


def _request_count(
    caller_namespace: str,
    namespace: str,
    request: tuple[str, str, str, str, str | None, float],
    reporter: str = "destination",
) -> str:
    caller, service, pod, code, grpc_status, per_second = request
    labels = {
        "reporter": reporter,
        "source_workload": caller,
        "source_workload_namespace": caller_namespace,
        "destination_workload": service,
        "destination_workload_namespace": namespace,
        "response_code": code,
        "response_flags": "DC" if code == "0" else "-",
        "pod": pod if reporter == "destination" else f"{caller}-1",
    }
    if grpc_status is not None:
        labels["grpc_response_status"] = grpc_status
    reset_at = RESET_AT if pod == "cartservice-2" else None
    return counter("istio_requests_total", per_second, labels, reset_at=reset_at)


def _durations(namespace: str) -> Iterable[str]:
    for service, mean_milliseconds, shares in DURATIONS:
        yield from _duration(namespace, "destination", service, mean_milliseconds, shares)
        # the client waits for the network too
        yield from _duration(namespace, "source", service, mean_milliseconds * 3, (0.0, 0.0, 1.0))
    yield from _duration(namespace, "destination", "adservice", 0.0, (0.0, 0.0, 0.0), per_second=0.0)


def _duration(
    namespace: str,
    reporter: str,
    service: str,
    mean_milliseconds: float,
    shares: tuple[float, float, float],
    per_second: float = 2.0,
) -> Iterable[str]:
    labels = {
        "reporter": reporter,
        "destination_workload": service,
        "destination_workload_namespace": namespace,
    }
    name = "istio_request_duration_milliseconds"
    yield counter(f"{name}_sum", per_second * mean_milliseconds, labels)
    yield counter(f"{name}_count", per_second, labels)
    for bound, share in zip(("5", "10", "25", "50", "+Inf"), (0.0, *shares, 1.0), strict=True):
        yield counter(f"{name}_bucket", per_second * share, {**labels, "le": bound})


def _cpu(namespace: str) -> Iterable[str]:
    name = "container_cpu_usage_seconds_total"
    yield counter(name, 30.0, {"cpu": "total", "id": "/"})
    for pod in sorted({pod for pod, _, _ in CPU}):
        cgroup = {"cpu": "total", "namespace": namespace, "pod": pod, "id": f"/kubepods/pod-{pod}"}
        yield counter(name, 20.0, cgroup)
        yield counter(
            name, 0.5, {**cgroup, "id": f"{cgroup['id']}/pause", "image": "pause:3.9", "name": "abc"}
        )
        yield counter(name, 0.5, {**_container(namespace, pod, "POD"), "image": "pause:3.9"})
    for pod, container, cores in CPU:
        reset_at = RESET_AT if pod == "cartservice-2" else None
        yield counter(name, cores, _container(namespace, pod, container), reset_at=reset_at)
    for pod, container, periods, throttled in CFS:
        yield from _cfs(namespace, pod, container, periods, throttled)


def _cfs(namespace: str, pod: str, container: str, periods: float, throttled: float) -> Iterable[str]:
    labels = _container(namespace, pod, container)
    yield counter("container_cpu_cfs_periods_total", periods, labels)
    yield counter("container_cpu_cfs_throttled_periods_total", throttled, labels)


def _pod_level_cpu(namespace: str) -> Iterable[str]:
    for pod, cores in (("frontend-1", 0.4), ("cartservice-1", 0.25)):
        cgroup = {"cpu": "total", "namespace": namespace, "pod": pod, "id": f"/kubepods/pod-{pod}"}
        yield counter("container_cpu_usage_seconds_total", cores, cgroup)
        for labels in ({"image": "pause:3.9"}, {"container": "POD"}):
            pause = {**cgroup, "id": f"{cgroup['id']}/pause", **labels}
            yield counter("container_cpu_usage_seconds_total", 0.5, pause)


def _container(namespace: str, pod: str, container: str) -> dict[str, str]:
    return {
        "cpu": "total",
        "namespace": namespace,
        "pod": pod,
        "container": container,
        "image": f"{container}:v0.10.6",
        "id": f"/kubepods/pod-{pod}/{container}",
    }


def _objects(namespace: str) -> Iterable[str]:
    """What kube-state-metrics says of them."""
    for deployment, ready in (("frontend", 1), ("cartservice", 2), ("adservice", 1), ("checkoutservice", 0)):
        labels = {"namespace": namespace, "deployment": deployment}
        yield gauge("kube_deployment_status_replicas_ready", ready, labels)
    for pod, (kind, name), is_running in OWNERS:
        labels = {"namespace": namespace, "pod": pod, "uid": f"uid-of-{pod}"}
        owner = {"owner_kind": kind, "owner_name": name, "owner_is_controller": "true"}
        yield gauge("kube_pod_owner", 1, {**labels, **owner})
        for phase in ("Running", "Succeeded"):
            value = float(is_running == (phase == "Running"))
            yield gauge("kube_pod_status_phase", value, {**labels, "phase": phase})
    for pod, container, request, limit in RESOURCES:
        labels = {
            "namespace": namespace,
            "pod": pod,
            "container": container,
            "resource": "cpu",
            "unit": "core",
        }
        yield gauge("kube_pod_container_resource_requests", request, labels)
        yield gauge("kube_pod_container_resource_limits", limit, labels)
