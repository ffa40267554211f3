"""Events: what `kubectl describe` shows at its end."""

from random import Random

from kpp.simulator.kubernetes.controllers.work_queue import Task, WorkQueue
from kpp.simulator.kubernetes.objects.resources import EVENTS, Json
from kpp.simulator.kubernetes.objects.store import ObjectStore
from kpp.simulator.kubernetes.objects.timestamps import format_timestamp

KEPT_SECONDS = 3600  # as an API server's `--event-ttl`
EXPIRE_EVENT = "event"  # the controller that removes them


class EventRecorder:
    """Writes Events in the name of one component; one that happens again is counted, not repeated."""

    def __init__(self, store: ObjectStore, queue: WorkQueue, random: Random, component: str) -> None:
        self._store = store
        self._queue = queue
        self._random = random
        self._component = component
        self._names: dict[tuple[str, str, str], str] = {}  # by uid, reason and message

    def record(self, about: Json, reason: str, message: str, kind: str = "Normal") -> None:
        """Say what happened to an object; `kind` is Normal or Warning."""
        metadata = about["metadata"]
        key = (metadata["uid"], reason, message)
        known = self._store.find(EVENTS, self._names.get(key, ""), metadata["namespace"])
        if known is not None:
            self._store.edit(EVENTS, known, self._count)
            return
        moment = format_timestamp(self._store.now)
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{metadata['name']}.{self._random.getrandbits(64):016x}",
                "namespace": metadata["namespace"],
            },
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
            },
            "reason": reason,
            "message": message,
            "type": kind,
            "count": 1,
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": "",
        }
        name = self._store.create(EVENTS, event)["metadata"]["name"]
        self._names[key] = name
        self._queue.add(Task(EXPIRE_EVENT, metadata["namespace"], name), self._store.now + KEPT_SECONDS)

    def _count(self, edited: Json) -> None:
        edited["count"] += 1
        edited["lastTimestamp"] = format_timestamp(self._store.now)
