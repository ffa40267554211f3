"""Whether the load generator can be driven: its Deployment, the container, the variables."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from difflib import get_close_matches
from enum import Enum, auto

from kpp.collector.cluster.api import KubernetesObject
from kpp.collector.cluster.load_generator import find_load, profile_of
from kpp.collector.config import Config
from kpp.collector.preflight.commands import kubectl
from kpp.collector.preflight.findings import Finding, Outcome
from kpp.errors import KubernetesError

CHECK = "load generator"
_NEAR = 0.6  # of difflib: two typing errors in ten letters


class Load(Enum):
    """Whether users are at work while the checks are made."""

    ON = auto()
    NEW = auto()  # not for long
    OFF = auto()
    ABSENT = auto()  # there is no load generator


def judge_load_generator(
    deployment: KubernetesObject | None, deployments: Iterable[str], config: Config
) -> Iterator[Finding]:
    """What is found of the load generator.

    Args:
        deployment: its Deployment; None: there is none.
        deployments: the names of all in the namespace.
        config: names it.
    """
    if deployment is None:
        yield _absent([*deployments], config)
        return
    try:
        state = find_load(deployment, profile_of(config))
    except KubernetesError as error:
        yield Finding(CHECK, Outcome.FAIL, error.what, error.mend)
        return
    yield Finding(CHECK, Outcome.PASS, f"Deployment {config.load_generator}: {state}")


def _absent(deployments: Sequence[str], config: Config) -> Finding:
    text = f"there is no Deployment {config.load_generator} in namespace {config.namespace}"
    if not deployments:
        everywhere = kubectl(config, "get", "deployments", "--all-namespaces", namespaced=False)
        mend = "name the application's namespace with KPP_NAMESPACE:"
        return Finding(CHECK, Outcome.FAIL, f"{text}, nor any other", mend, everywhere)
    near = " or ".join(get_close_matches(config.load_generator, deployments, cutoff=_NEAR))
    mend = f"name it with KPP_LOAD_GENERATOR, {f'perhaps {near}, ' if near else ''}one of these:"
    return Finding(CHECK, Outcome.FAIL, text, mend, kubectl(config, "get", "deployments"))


def find_load_now(deployment: KubernetesObject | None, config: Config, now: float) -> Load:
    """Whether users are at work, and long enough that the application's metrics have something to show."""
    if deployment is None:
        return Load.ABSENT
    status = deployment.get("status", {})
    if not status.get("readyReplicas", 0):
        return Load.OFF
    since = [
        datetime.fromisoformat(each["lastTransitionTime"]).timestamp()
        for each in status.get("conditions", [])
        if each["type"] == "Available" and each.get("lastTransitionTime")
    ]
    is_new = any(now - each < settling_seconds(config) for each in since)
    return Load.NEW if is_new else Load.ON


def settling_seconds(config: Config) -> int:
    """How long the load has to be on until every rate has a window of it."""
    return 2 * config.rate_window_seconds
