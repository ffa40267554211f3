"""Waiting for a roll-out, by the rule of `kubectl rollout status`, and saying why one did not finish."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from kpp.clock import Clock
from kpp.collector.cluster.api import KubernetesApi, KubernetesObject
from kpp.errors import KubernetesError, RolloutError

POLL_SECONDS = 2.0


class Outcome(Enum):
    """How far a roll-out is."""

    DONE = "done"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True)
class Progress:
    """How far a roll-out is, and why."""

    outcome: Outcome
    reason: str


def rollout_progress(deployment: KubernetesObject) -> Progress:
    """Decide as kubectl does, in its order: `DeploymentStatusViewer.Status` in kubectl's source.

    >>> rollout_progress({"metadata": {"name": "shop", "generation": 2}, "spec": {}, "status": {}}).reason
    'the new specification has not been observed yet'
    """
    status = deployment.get("status", {})
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        return Progress(Outcome.WAITING, "the new specification has not been observed yet")
    if _progressing_reason(status) == "ProgressDeadlineExceeded":
        return Progress(Outcome.FAILED, "it exceeded its progress deadline")
    wanted = deployment["spec"].get("replicas", 0)
    replicas, updated = status.get("replicas", 0), status.get("updatedReplicas", 0)
    available = status.get("availableReplicas", 0)
    if updated < wanted:
        return Progress(Outcome.WAITING, f"{updated} out of {wanted} new replicas have been updated")
    if replicas > updated:
        return Progress(Outcome.WAITING, f"{replicas - updated} old replicas are pending termination")
    if available < updated:
        return Progress(Outcome.WAITING, f"{available} of {updated} updated replicas are available")
    return Progress(Outcome.DONE, "it is rolled out")


class RolloutWatch:
    """Waits for what a patch of one Deployment set off."""

    def __init__(
        self,
        api: KubernetesApi,
        clock: Clock,
        name: str,
        timeout_seconds: float,
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        """Watch one Deployment; `meanwhile` is called between two looks at it."""
        self._api = api
        self._clock = clock
        self._name = name
        self._timeout_seconds = timeout_seconds
        self._meanwhile = meanwhile or (lambda: None)

    def await_rollout(self) -> None:
        """Return when the roll-out is done and the pods that it replaced are gone.

        Raises:
            RolloutError: it failed, or is not done in time: with conditions and what the pods wait for.
            KubernetesError: the API cannot be reached or refuses.
        """
        self._await(stopped=False)

    def await_stopped(self) -> None:
        """Return when the Deployment, scaled to 0, has no pod left. Raises as `await_rollout` does."""
        self._await(stopped=True)

    def _await(self, *, stopped: bool) -> None:
        deadline = self._clock.now() + self._timeout_seconds
        while True:
            deployment = self._api.read_deployment(self._name)
            progress = rollout_progress(deployment)
            if progress.outcome is Outcome.DONE or (stopped and progress.outcome is Outcome.FAILED):
                progress = self._pods_progress(deployment)  # a past failure hinders no scaling to 0
            if progress.outcome is Outcome.DONE:
                return
            if progress.outcome is Outcome.FAILED or self._clock.now() >= deadline:
                raise self._explain(deployment, progress)
            self._clock.sleep(POLL_SECONDS)
            self._meanwhile()

    def _pods_progress(self, deployment: KubernetesObject) -> Progress:
        """Whether no more pods are there than asked for; `status.replicas` leaves terminating ones out."""
        pods = [pod for pod in self._list_pods(deployment) if _is_there(pod)]
        terminating = [pod for pod in pods if _is_terminating(pod)]
        if terminating or len(pods) > deployment["spec"].get("replicas", 1):
            names = ", ".join(pod["metadata"]["name"] for pod in terminating or pods)
            return Progress(Outcome.WAITING, f"old pods are still there ({names})")
        return Progress(Outcome.DONE, "old pods are gone")

    def _list_pods(self, deployment: KubernetesObject) -> list[KubernetesObject]:
        return self._api.list_pods(format_selector(deployment["spec"]["selector"]))

    def _explain(self, deployment: KubernetesObject, progress: Progress) -> RolloutError:
        failed = progress.outcome is Outcome.FAILED
        ending = "failed" if failed else f"is not done after {self._timeout_seconds:g} s"
        try:
            pods = describe_pods(self._list_pods(deployment))
        except KubernetesError as error:
            pods = f"pods could not be listed: {error}"
        namespace = deployment["metadata"]["namespace"]
        return RolloutError(
            f"the roll-out {ending}: {progress.reason}; {describe_conditions(deployment)}; {pods}",
            where=f"Deployment {self._name} in namespace {namespace}",
            mend=f"mend what hinders it (`kubectl describe pods --namespace {namespace}`) or raise "
            "KPP_ROLLOUT_TIMEOUT_SECONDS, then collect again",
        )


def describe_conditions(deployment: KubernetesObject) -> str:
    """The Deployment's conditions in one line: type, status, reason and message."""
    conditions = [
        f"{condition['type']}={condition['status']}{_describe(condition)}"
        for condition in deployment.get("status", {}).get("conditions", [])
    ]
    return f"conditions: {', '.join(conditions) or 'none'}"


def describe_pods(pods: Iterable[KubernetesObject]) -> str:
    """What the pods wait for, in one line."""
    texts = [
        f"pod {pod['metadata']['name']}: {', '.join(_hindrances(pod)) or pod['status']['phase']}"
        for pod in pods
    ]
    return "; ".join(texts) or "no pods"


def format_selector(selector: KubernetesObject) -> str:
    """A Deployment's selector as the text that list calls take.

    >>> track = {"key": "track", "operator": "NotIn", "values": ["canary"]}
    >>> format_selector({"matchLabels": {"app": "shop"}, "matchExpressions": [track]})
    'app=shop,track notin (canary)'
    """
    terms = [f"{key}={value}" for key, value in selector.get("matchLabels", {}).items()]
    for expression in selector.get("matchExpressions", []):
        key, values = expression["key"], f"({','.join(expression.get('values', []))})"
        formats = {
            "In": f"{key} in {values}",
            "NotIn": f"{key} notin {values}",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }
        terms.append(formats[expression["operator"]])
    return ",".join(terms)


def _progressing_reason(status: KubernetesObject) -> str | None:
    for condition in status.get("conditions", []):
        if condition["type"] == "Progressing":
            return str(condition.get("reason"))
    return None


def _is_terminating(pod: KubernetesObject) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def _is_there(pod: KubernetesObject) -> bool:
    """A pod that ended by itself (evicted, say) stays listed but runs nothing; a terminating one may run."""
    return _is_terminating(pod) or pod["status"]["phase"] not in ("Succeeded", "Failed")


def _hindrances(pod: KubernetesObject) -> list[str]:
    status = pod["status"]
    found = ["terminating"] if _is_terminating(pod) else []
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            found.append(_describe(condition).strip())
    for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        waiting = container.get("state", {}).get("waiting")
        if waiting:
            found.append(f"{container['name']}{_describe(waiting)}")
    return found


def _describe(state: dict[str, Any]) -> str:
    """Its reason and message, each with a space before it; nothing where it has none."""
    message = " ".join(state.get("message", "").split())
    return (f" {state['reason']}" if state.get("reason") else "") + (f" ({message})" if message else "")
