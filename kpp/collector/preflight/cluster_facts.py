"""The facts that the Kubernetes API tells, as the checks need them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from kpp.clock import Clock
from kpp.collector.cluster.api import KubernetesApi, KubernetesObject
from kpp.collector.cluster.errors import status_of
from kpp.collector.cluster.services import Service, find_pods
from kpp.collector.preflight.clocks import Skew, measure_skew
from kpp.collector.preflight.permissions import Permission
from kpp.errors import KubernetesError

_DATE_RESOLUTION_SECONDS = 1.0  # of the header Date


def greet(api: KubernetesApi, clock: Clock) -> tuple[str, Skew | None]:
    """The server's version, and how far its clock is ahead; None where it does not tell.

    Raises:
        KubernetesError: it cannot be reached.
    """
    asked_at = clock.now()
    version, told = api.greet()
    answered_at = clock.now()
    skew = None if told is None else measure_skew(asked_at, answered_at, told, _DATE_RESOLUTION_SECONDS)
    return version, skew


def ask_permissions(api: KubernetesApi, permissions: Iterable[Permission]) -> dict[Permission, bool]:
    """What the API says of each.

    Raises:
        KubernetesError: it does not answer access reviews.
    """
    return {
        permission: api.review_access(
            {
                "namespace": permission.namespace,
                "verb": permission.verb,
                "group": permission.group,
                "resource": permission.resource.partition("/")[0],
                "subresource": permission.resource.partition("/")[2],
                "name": permission.name,
            }
        )
        for permission in permissions
    }


def find_deployment(api: KubernetesApi, name: str) -> KubernetesObject | None:
    """A Deployment; None where there is none.

    Raises:
        KubernetesError: the API refuses for another reason.
    """
    try:
        return api.read_deployment(name)
    except KubernetesError as error:
        if status_of(error) == 404:
            return None
        raise


def read_pods_of(
    api: KubernetesApi, services: Sequence[Service]
) -> tuple[dict[str, list[KubernetesObject]], dict[str, str]]:
    """The running pods, as objects by service, and as service by pod name.

    Raises:
        KubernetesError: the API refuses.
    """
    pods = api.list_pods()
    service_of = find_pods(pods, api.list_replica_sets(), services)
    by_service: dict[str, list[KubernetesObject]] = defaultdict(list)
    for pod in pods:
        if service := service_of.get(pod["metadata"]["name"]):
            by_service[service].append(pod)
    return dict(by_service), service_of
