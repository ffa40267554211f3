"""What the answers say of a service's pods, over the grid.

The rules are those of `kpp.collector.prometheus.signals`, for all instants at once: a test compares the two.
"""

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from kpp.collector.history.instants import Floats
from kpp.collector.history.ranges import Answered

Bools = NDArray[np.bool_]
Pods = Mapping[str, Bools]  # of one service: when each ran
PodValues = Mapping[str, Mapping[str, Floats]]  # by pod and container

REPLICA_SET = "ReplicaSet"
_POD_OF_DEPLOYMENT = re.compile(r"(?P<deployment>.+)-[a-z0-9]{6,10}-[a-z0-9]{5}")


def group_by_pod(answered: Answered | None) -> dict[str, dict[str, Floats]]:
    """The arrays by pod and container; the container is empty where a runtime labels only pods."""
    grouped: dict[str, dict[str, Floats]] = {}
    for (pod, container), values in (answered.by("pod", "container") if answered else {}).items():
        grouped.setdefault(pod, {})[container] = values
    return grouped


def find_owned_pods(answered: Answered | None) -> dict[str, dict[str, Bools]]:
    """The pods of each workload. A ReplicaSet's is the Deployment: its name without the last part."""
    found: dict[str, dict[str, Bools]] = {}
    owned = answered.by("pod", "owner_kind", "owner_name") if answered else {}
    for (pod, kind, owner), values in owned.items():
        workload = owner.rpartition("-")[0] if kind == REPLICA_SET else owner
        found.setdefault(workload, {})[pod] = ~np.isnan(values)
    return found


def find_named_pods(cores: PodValues) -> dict[str, dict[str, Bools]]:
    """The pods of each Deployment by their own names; a pod ran while it used CPU."""
    found: dict[str, dict[str, Bools]] = {}
    for pod, containers in cores.items():
        if named := _POD_OF_DEPLOYMENT.fullmatch(pod):
            ran = np.any([~np.isnan(values) for values in containers.values()], axis=0)
            found.setdefault(named["deployment"], {})[pod] = ran
    return found


def sum_cores(cores: PodValues, pods: Pods, sidecar: str, *, of_sidecar: bool, count: int) -> Floats:
    """The cores of all pods together; NaN where one of them ran without a series, or none ran."""
    total, is_whole, is_run = np.zeros(count), np.ones(count, dtype=bool), np.zeros(count, dtype=bool)
    for pod, ran in pods.items():
        of_pod = [
            values for name, values in cores.get(pod, {}).items() if (name == sidecar) == of_sidecar
        ] or [np.full(count, np.nan)]
        is_measured = ~np.all(np.isnan(of_pod), axis=0)
        total += np.where(ran, np.nansum(of_pod, axis=0), 0.0)
        is_whole &= is_measured | ~ran
        is_run |= ran
    return np.where(is_whole & is_run, total, np.nan)


def share_throttled(throttled: PodValues, periods: PodValues, pods: Pods, sidecar: str, count: int) -> Floats:
    """Throttled periods in all periods of the application, over the pods that have them; NaN without any."""
    throttled_sum, period_sum = np.zeros(count), np.zeros(count)
    for pod, ran in pods.items():
        for name in (periods.get(pod, {}).keys() & throttled.get(pod, {}).keys()) - {sidecar}:
            ours, all_of_them = throttled[pod][name], periods[pod][name]
            is_known = ran & ~np.isnan(ours) & ~np.isnan(all_of_them)
            throttled_sum += np.where(is_known, ours, 0.0)
            period_sum += np.where(is_known, all_of_them, 0.0)
    share: Floats = np.divide(throttled_sum, period_sum, out=np.full(count, np.nan), where=period_sum > 0)
    return np.clip(share, 0.0, 1.0)


def cores_of_a_replica(amounts: PodValues, cores: PodValues, pods: Pods, sidecar: str, count: int) -> Floats:
    """What one replica asks for, or may use: the most that a pod has; NaN where a container of it has none.

    Args:
        amounts: by container, cores.
        cores: what containers use, which tells of those that have no amount.
        pods: of the service.
        sidecar: the container that does not count.
        count: of instants.
    """
    most = np.full(count, np.nan)
    nothing = np.full(count, np.nan)
    for pod, ran in pods.items():
        of_pod, used = amounts.get(pod, {}), cores.get(pod, {})
        names = (of_pod.keys() | used.keys()) - {sidecar, ""}
        total, is_whole = np.zeros(count), ran & bool(names)
        for name in names:
            amount = of_pod.get(name, nothing)
            total += np.nan_to_num(amount)
            is_whole &= ~np.isnan(amount) | np.isnan(used.get(name, nothing))
        has_any = np.any([~np.isnan(of_pod.get(name, nothing)) for name in names], axis=0) if names else False
        most = np.fmax(most, np.where(is_whole & has_any, total, np.nan))
    return most


def fill_errors(errors: Floats, throughput_rps: Floats) -> Floats:
    """Istio has no series of failures before the first one: with traffic, that is a true zero."""
    return np.where(np.isnan(errors) & (throughput_rps > 0), 0.0, errors)
