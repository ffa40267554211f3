"""Whether each pod of each service has the proxy that measures its requests."""

from collections.abc import Iterator, Mapping, Sequence

from kpp.collector.cluster.api import KubernetesObject
from kpp.collector.cluster.services import SIDECAR, Service
from kpp.collector.config import Config
from kpp.collector.preflight.commands import kubectl
from kpp.collector.preflight.findings import Finding, Outcome, name_some

CHECK = "sidecars"


def judge_sidecars(
    pods: Mapping[str, Sequence[KubernetesObject]],
    services: Sequence[Service],
    config: Config,
    sidecar: str | None,
) -> Iterator[Finding]:
    """What is found of the services' pods.

    Args:
        pods: the running pods, by service.
        services: all that are to be measured.
        config: names the namespace.
        sidecar: the container that each pod is to have; None: none is needed.
    """
    without_pods = [each for each in services if not pods.get(each.name)]
    if without_pods:
        names = name_some(each.name for each in without_pods)
        look = kubectl(config, "get", "deployments,pods")
        yield Finding(CHECK, Outcome.FAIL, f"no running pod: {names}", "see why, and scale them up:", look)
    if sidecar is None:
        return
    bare = [
        each for each in services if any(not has_sidecar(pod, sidecar) for pod in pods.get(each.name, ()))
    ]
    if bare:
        yield Finding(
            CHECK,
            Outcome.FAIL,
            f"pods without {sidecar}, so without request metrics: {name_some(each.name for each in bare)}",
            "let Istio inject it into new pods, and make them anew:",
            _inject(bare, config),
        )
    count = len(services) - len(without_pods) - len(bare)
    if count:
        yield Finding(CHECK, Outcome.PASS, f"{count} of {len(services)} services have one in every pod")


def has_sidecar(pod: KubernetesObject, name: str = SIDECAR) -> bool:
    """Whether the proxy runs in a pod, as a container or as a native sidecar.

    A native sidecar (Kubernetes 1.29, Istio 1.27) is an init container that is restarted for ever.

    >>> proxy = {"name": "istio-proxy"}
    >>> has_sidecar({"spec": {"containers": [{"name": "server"}], "initContainers": [proxy]}})
    False
    >>> native = {**proxy, "restartPolicy": "Always"}
    >>> has_sidecar({"spec": {"containers": [{"name": "server"}], "initContainers": [native]}})
    True
    """
    spec = pod["spec"]
    native = [each for each in spec.get("initContainers", []) if each.get("restartPolicy") == "Always"]
    return any(container["name"] == name for container in [*spec["containers"], *native])


def _inject(services: Sequence[Service], config: Config) -> str:
    label = kubectl(
        config,
        "label",
        "namespace",
        config.namespace,
        "istio-injection=enabled",
        "--overwrite",
        namespaced=False,
    )
    deployments = [f"deployment/{each.deployment}" for each in services]
    return f"{label} && {kubectl(config, 'rollout', 'restart', *deployments)}"
