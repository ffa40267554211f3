"""Puts back what a campaign changed, and says what it did."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from kpp.collector.cluster.api import KubernetesApi, KubernetesObject
from kpp.collector.cluster.errors import is_forbidden, status_of
from kpp.collector.cluster.load_generator import (
    LoadState,
    Patch,
    find_load,
    kubectl_patch_command,
    replicas_patch,
    restore_patch,
)
from kpp.collector.cluster.load_profile import LoadProfile
from kpp.collector.cluster.state import ClusterState, Restored
from kpp.collector.config import Config
from kpp.errors import KubernetesError


class _NotAsItWasError(Exception):
    """The API took a patch, and the object is another all the same."""


@dataclass
class _Report:
    """What was done, and what could not be."""

    changes: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)  # that do by hand what failed
    elsewhere: KubernetesError | None = None  # why nothing was written


@dataclass(frozen=True)
class _Part:
    """One Deployment that a campaign changed."""

    name: str
    uid: str | None  # None: a journal of an older kpp, which does not tell
    patch: Patch
    read: Callable[[KubernetesObject], LoadState | int]
    wanted: LoadState | int  # what `read` gave when the campaign began


class Restoring:
    """Restores one namespace; whatever fails, the rest is tried."""

    def __init__(self, api: KubernetesApi, config: Config, profile: LoadProfile) -> None:
        self._api = api
        self._config = config
        self._profile = profile

    def restore(self, state: ClusterState) -> Restored:
        """Put everything back as it was found; what is as it was is not written, nor what was made anew.

        Raises:
            KubernetesError: something is not as it was found, with the commands that restore it by hand; or
                this may be another cluster, and nothing is written.
        """
        report = _Report()
        load_generator, *services = self._parts_of(state)
        with self._reported(report, load_generator):
            found = self._find(load_generator.name)
            is_there = found is not None and found["metadata"]["uid"] == state.load_uid
            if not is_there and not self._has_service_of(state):
                report.elsewhere = self._elsewhere(found)
            else:
                self._restore_one(report, load_generator, found)
        if report.elsewhere is not None:
            raise report.elsewhere
        for part in services:
            with self._reported(report, part):
                self._restore_one(report, part, self._find(part.name))
        if report.failures:
            raise self._not_restored(report)
        return Restored(tuple(report.changes), tuple(report.gone))

    def _parts_of(self, state: ClusterState) -> list[_Part]:
        """The load generator, then the services."""
        load_generator = _Part(
            self._config.load_generator,
            state.load_uid,
            restore_patch(state.load),
            lambda deployment: find_load(deployment, self._profile),
            state.load,
        )
        services = [
            _Part(name, state.service_uids.get(name), replicas_patch(count), _read_replicas, count)
            for name, count in state.replicas.items()
        ]
        return [load_generator, *services]

    def _has_service_of(self, state: ClusterState) -> bool:
        """Whether this is the campaign's cluster, by its services' Deployments: a uid is never there twice.

        The current context of a kubeconfig changes, and a cluster's address may be that of another one.
        """
        try:
            present = {each["metadata"]["uid"] for each in self._api.list_deployments()}
        except KubernetesError as error:
            if is_forbidden(error):
                return False
            raise
        return not present.isdisjoint(state.service_uids.values())

    def _elsewhere(self, found: KubernetesObject | None) -> KubernetesError:
        return KubernetesError(
            f"{'is not there' if found is None else 'is another one'}, nor is any service that the campaign "
            "measured: this may be another cluster, and nothing was written",
            where=f"Deployment {self._config.load_generator} in namespace {self._config.namespace}",
            mend="name the campaign's cluster with KUBECONFIG and --kube-context; if all that the campaign "
            "changed exists no more, `kpp restore --gone` records that",
        )

    def _restore_one(self, report: _Report, part: _Part, found: KubernetesObject | None) -> None:
        if found is None:
            report.gone.append(f"Deployment {part.name} is gone; {_had(part)}")
            return
        if part.uid not in (None, found["metadata"]["uid"]):
            report.gone.append(self._describe_new(part, found))
            return
        before = part.read(found)
        if before == part.wanted:
            return
        self._api.patch_deployment(part.name, part.patch)
        after = part.read(self._api.read_deployment(part.name))
        if after != part.wanted:
            raise _NotAsItWasError(f"it has {after} instead of {part.wanted}")
        report.changes.append(f"Deployment {part.name}: {_describe(before)} -> {_describe(part.wanted)}")

    def _describe_new(self, part: _Part, found: KubernetesObject) -> str:
        """Of a Deployment under a name that a campaign knew, which it never changed."""
        text = f"Deployment {part.name} was made anew and is left as it is"
        try:
            present = part.read(found)
        except KubernetesError as error:
            return f"{text}: {error.what}; {_had(part)}"
        if present == part.wanted:
            return f"{text}, with {_describe(present)} as before"
        return f"{text}, with {_describe(present)}; {_had(part)}, which it gets by: {self._command(part)}"

    def _find(self, name: str) -> KubernetesObject | None:
        try:
            return self._api.read_deployment(name)
        except KubernetesError as error:
            if status_of(error) == 404:
                return None
            raise

    @contextmanager
    def _reported(self, report: _Report, part: _Part) -> Iterator[None]:
        try:
            yield
        except (KubernetesError, _NotAsItWasError) as error:
            report.places.append(f"Deployment {part.name}")
            report.failures.append(str(error))
            report.commands.append(self._command(part))

    def _command(self, part: _Part) -> str:
        config = self._config
        patch = json.dumps(part.patch)
        return kubectl_patch_command(part.name, config.namespace, config.kube_context, patch)

    def _not_restored(self, report: _Report) -> KubernetesError:
        return KubernetesError(
            f"could not be put back as it was found: {'; '.join(report.failures)}",
            where=f"{', '.join(report.places)} in namespace {self._config.namespace}",
            mend=f"run `kpp restore` later, or run by hand: {' && '.join(report.commands)}",
        )


def _read_replicas(deployment: KubernetesObject) -> int:
    return int(deployment["spec"].get("replicas", 1))


def _had(part: _Part) -> str:
    return f"it had {_describe(part.wanted)}"


def _describe(value: object) -> str:
    return f"replicas {value}" if isinstance(value, int) else str(value)
