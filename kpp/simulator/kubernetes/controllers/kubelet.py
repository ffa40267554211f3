"""The kubelets of all nodes: they take the pods placed on them from creation to their end."""

from ipaddress import IPv4Address
from itertools import count

from kpp.simulator.kubernetes.controllers.event_recorder import EventRecorder
from kpp.simulator.kubernetes.controllers.pod_run import PodRun, Stage, StartupTimes
from kpp.simulator.kubernetes.controllers.pod_status import container_id, make_status
from kpp.simulator.kubernetes.controllers.pods import is_terminating
from kpp.simulator.kubernetes.objects.resources import NODES, PODS, REPLICA_SETS, Json
from kpp.simulator.kubernetes.objects.store import ObjectStore, controller_reference
from kpp.simulator.kubernetes.objects.timestamps import format_timestamp
from kpp.simulator.kubernetes.pod_observer import PodObserver, PodView, view_pod

_FIRST_POD_IP = IPv4Address("10.244.0.2")


class Kubelet:
    """Looks at one pod at a time, and tells the observer what happens to it."""

    def __init__(
        self, store: ObjectStore, events: EventRecorder, times: StartupTimes, observer: PodObserver
    ) -> None:
        self._store = store
        self._events = events
        self._times = times
        self._observer = observer
        self._runs: dict[str, PodRun] = {}  # by uid
        self._ip_offsets = count()
        self._held_back: set[str] = set()  # Deployments whose pods do not get ready

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Take a pod as far as it is due; returns when to look again, Unix seconds."""
        pod = self._store.find(PODS, name, namespace)
        if pod is None or "nodeName" not in pod["spec"]:
            return None
        run = self._runs.get(pod["metadata"]["uid"]) or self._accept(pod)
        if is_terminating(pod) and run.stage is not Stage.STOPPING:
            self._begin_to_stop(pod, run)
        while run.due_at is not None and run.due_at <= self._store.now:
            run.due_at = None
            self._advance(pod, run)
        return run.due_at

    def forget(self, pod: Json) -> None:
        """A pod is out of the store: whatever of it still ran has ended."""
        run = self._runs.pop(pod["metadata"]["uid"], None)
        if run is not None and run.is_running:
            if run.stage is Stage.READY:
                self._observer.pod_unready(self._view(pod, run), self._store.now)
            self._observer.pod_stopped(self._view(pod, run), self._store.now)

    def view_running(self, pod: Json) -> PodView | None:
        """The view of a pod whose containers run, None of any other."""
        run = self._runs.get(pod["metadata"]["uid"])
        return self._view(pod, run) if run is not None and run.is_running else None

    def hold_back(self, deployment: str) -> None:
        """Let no further pod of a Deployment get ready."""
        self._held_back.add(deployment)

    def release(self, deployment: str) -> None:
        """Let the pods of a Deployment get ready again, at once where they wait for it."""
        self._held_back.discard(deployment)
        for pod in self._store.list_all(PODS):
            run = self._runs.get(pod["metadata"]["uid"])
            if run is not None and run.deployment == deployment and run.stage is Stage.UNREADY:
                self._become_ready(pod, run)

    def set_ready(self, pod: Json, *, is_ready: bool) -> None:
        """Report how a running pod's readiness probe fares; does nothing to one that is in another stage."""
        run = self._runs.get(pod["metadata"]["uid"])
        if run is not None and is_ready and run.stage is Stage.UNREADY:
            self._become_ready(pod, run)
        elif run is not None and not is_ready and run.stage is Stage.READY:
            self._become_unready(pod, run)

    def restart(self, pod: Json, container: str, exit_code: int, reason: str) -> None:
        """End a running pod's container; it begins anew at once and gets ready in its own time."""
        run = self._runs.get(pod["metadata"]["uid"])
        if run is None or run.started_at is None or run.stage is Stage.STOPPING:
            return
        now = self._store.now
        restarts = run.restarts.get(container, 0)
        began_at = run.restarted_at.get(container, run.started_at)
        run.last_states[container] = {
            "terminated": {
                "exitCode": exit_code,
                "reason": reason,
                "startedAt": format_timestamp(began_at),
                "finishedAt": format_timestamp(now),
                "containerID": container_id(pod, container, restarts),
            }
        }
        run.restarts[container] = restarts + 1
        run.restarted_at[container] = now
        if run.stage is Stage.READY:
            self._observer.pod_unready(self._view(pod, run), now)
        self._observer.pod_restarted(self._view(pod, run), container, now)
        run.stage = Stage.STARTING
        run.due_at = now + self._times.of(run.deployment).startup_seconds
        self._report(pod, run)  # which also queues the pod for its due time

    def _accept(self, pod: Json) -> PodRun:
        deployment = self._find_deployment(pod)
        ip = str(_FIRST_POD_IP + next(self._ip_offsets))
        run = PodRun(deployment, ip, self._store.now)
        run.due_at = self._store.now + self._times.of(deployment).creating_seconds
        self._runs[pod["metadata"]["uid"]] = run
        self._report(pod, run)
        return run

    def _advance(self, pod: Json, run: PodRun) -> None:
        match run.stage:
            case Stage.CREATING if pod["spec"].get("initContainers"):
                run.stage = Stage.INITIALIZING
                run.init_started_at = self._store.now
                run.due_at = self._store.now + self._times.of(run.deployment).init_seconds
                self._report(pod, run)
            case Stage.CREATING | Stage.INITIALIZING:
                self._start_containers(pod, run)
            case Stage.STARTING if run.deployment in self._held_back:
                run.stage = Stage.UNREADY
                self._report(pod, run)
                self._events.record(pod, "Unhealthy", "Readiness probe failed: no answer", "Warning")
            case Stage.STARTING:
                self._become_ready(pod, run)
            case Stage.STOPPING:
                self._stop(pod)
            case _:
                pass

    def _start_containers(self, pod: Json, run: PodRun) -> None:
        run.stage = Stage.STARTING
        run.started_at = self._store.now
        run.due_at = self._store.now + self._times.of(run.deployment).startup_seconds
        self._report(pod, run)
        for container in pod["spec"]["containers"]:
            self._events.record(pod, "Created", f"Created container: {container['name']}")
            self._events.record(pod, "Started", f"Started container {container['name']}")
        self._observer.pod_started(self._view(pod, run), self._store.now)

    def _become_ready(self, pod: Json, run: PodRun) -> None:
        run.stage = Stage.READY
        self._report(pod, run)
        self._observer.pod_ready(self._view(pod, run), self._store.now)

    def _become_unready(self, pod: Json, run: PodRun) -> None:
        run.stage = Stage.UNREADY
        self._report(pod, run)
        self._events.record(pod, "Unhealthy", "Readiness probe failed: no answer", "Warning")
        self._observer.pod_unready(self._view(pod, run), self._store.now)

    def _begin_to_stop(self, pod: Json, run: PodRun) -> None:
        if run.stage is Stage.READY:
            self._observer.pod_unready(self._view(pod, run), self._store.now)
        grace_seconds = pod["metadata"]["deletionGracePeriodSeconds"]
        stopping_seconds = self._times.of(run.deployment).stopping_seconds if run.is_running else 0.0
        run.stage = Stage.STOPPING
        run.due_at = self._store.now + min(grace_seconds, stopping_seconds)
        for container in pod["spec"]["containers"]:
            self._events.record(pod, "Killing", f"Stopping container {container['name']}")

    def _stop(self, pod: Json) -> None:
        metadata = pod["metadata"]
        if not metadata.get("finalizers"):
            self._store.remove(PODS, metadata["name"], metadata["namespace"])  # `forget` tells the observer

    def _report(self, pod: Json, run: PodRun) -> None:
        node = self._store.find(NODES, pod["spec"]["nodeName"])
        host_ip = node["status"]["addresses"][0]["address"] if node is not None else ""

        def change(edited: Json) -> None:
            edited["status"] = make_status(edited, run, host_ip, self._store.now)

        self._store.edit(PODS, pod, change)

    def _view(self, pod: Json, run: PodRun) -> PodView:
        present = self._store.find(PODS, pod["metadata"]["name"], pod["metadata"]["namespace"]) or pod
        return view_pod(present, run.deployment)

    def _find_deployment(self, pod: Json) -> str:
        owner = controller_reference(pod)
        if owner is None:
            return str(pod["metadata"]["name"])
        replica_set = self._store.find(REPLICA_SETS, owner["name"], pod["metadata"]["namespace"])
        above = controller_reference(replica_set) if replica_set is not None else None
        return str((above or owner)["name"])
