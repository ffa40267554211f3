"""Whether the load generator can be driven: its Deployment, the container, the variables."""

from collections.abc import Iterator

from kpp.collector.config import Config
from kpp.collector.kubernetes_api import KubernetesObject
from kpp.collector.load_generator import find_load, profile_of
from kpp.collector.preflight.commands import kubectl
from kpp.collector.preflight.findings import Finding, Outcome
from kpp.errors import KubernetesError

CHECK = "load generator"


def judge_load_generator(deployment: KubernetesObject | None, config: Config) -> Iterator[Finding]:
    """What is found of the load generator.

    Args:
        deployment: its Deployment; None: there is none.
        config: names it.
    """
    if deployment is None:
        yield Finding(
            CHECK,
            Outcome.FAIL,
            f"there is no Deployment {config.load_generator} in namespace {config.namespace}",
            "name it with KPP_LOAD_GENERATOR, one of these:",
            kubectl(config, "get", "deployments"),
        )
        return
    try:
        state = find_load(deployment, profile_of(config))
    except KubernetesError as error:
        yield Finding(CHECK, Outcome.FAIL, error.what, error.mend)
        return
    yield Finding(CHECK, Outcome.PASS, f"Deployment {config.load_generator}: {state}")


def is_running(deployment: KubernetesObject | None) -> bool:
    """Whether users are at work now, so that the application's metrics have something to show."""
    return deployment is not None and deployment.get("status", {}).get("readyReplicas", 0) > 0
