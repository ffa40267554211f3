"""Puts back what a campaign changed, and says what it did."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kpp.collector.cluster_state import ClusterState
from kpp.collector.config import Config
from kpp.collector.kubernetes_api import KubernetesApi, KubernetesObject
from kpp.collector.kubernetes_errors import status_of
from kpp.collector.load_generator import (
    LoadState,
    Patch,
    find_load,
    kubectl_patch_command,
    replicas_patch,
    restore_patch,
)
from kpp.collector.load_profile import LoadProfile
from kpp.errors import KubernetesError


class _NotAsItWas(Exception):  # noqa: N818 - it never leaves this module
    """The API took a patch, and the object is another all the same."""


@dataclass
class _Report:
    """What was done, and what could not be."""

    changes: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)  # that do by hand what failed


class Restoring:
    """Restores one namespace; whatever fails, the rest is tried."""

    def __init__(self, api: KubernetesApi, config: Config, profile: LoadProfile) -> None:
        self._api = api
        self._config = config
        self._profile = profile

    def restore(self, state: ClusterState) -> tuple[str, ...]:
        """Put everything back as it was found; what is as it was is not written.

        Returns:
            What was changed, a line each.

        Raises:
            KubernetesError: something is not as it was found, with the commands that restore it by hand; or
                this is not the load generator that was changed, and nothing is written.
        """
        load_generator = self._find_changed(state)
        report = _Report()
        self._restore_one(
            report,
            self._config.load_generator,
            restore_patch(state.load),
            read=lambda deployment: find_load(deployment, self._profile),
            wanted=state.load,
            deployment=load_generator,
        )
        for name, count in state.replicas.items():
            self._restore_one(
                report,
                name,
                replicas_patch(count),
                read=lambda deployment: deployment["spec"].get("replicas", 1),
                wanted=count,
            )
        if report.failures:
            raise self._not_restored(report)
        return tuple(report.changes)

    def _find_changed(self, state: ClusterState) -> KubernetesObject | None:
        """The load generator that was changed; None: it cannot be read.

        The current context of a kubeconfig changes; an object's uid tells the cluster for sure.
        """
        name, namespace = self._config.load_generator, self._config.namespace
        try:
            found = self._find(name)
        except KubernetesError:
            return None  # what follows meets it too, and says what to do
        if found is not None and found["metadata"]["uid"] == state.load_uid:
            return found
        by_hand = [self._command(scaled, replicas_patch(count)) for scaled, count in state.replicas.items()]
        rest = f"put the rest back by hand: {' && '.join(by_hand)}" if by_hand else "nothing is left to do"
        raise KubernetesError(
            f"{'is gone' if found is None else 'was made anew'} since the campaign, or this is another "
            "cluster than the campaign's; nothing was written",
            where=f"Deployment {name} in namespace {namespace}",
            mend="name the campaign's cluster with KUBECONFIG and --kube-context; if it is this one, " + rest,
        )

    def _restore_one(
        self,
        report: _Report,
        name: str,
        patch: Patch,
        *,
        read: Callable[[KubernetesObject], Any],
        wanted: LoadState | int,
        deployment: KubernetesObject | None = None,
    ) -> None:
        with self._reported(report, name, patch):
            deployment = deployment or self._find(name)
            if deployment is None:
                return  # what the campaign changed is gone
            before = read(deployment)
            if before == wanted:
                return
            self._api.patch_deployment(name, patch)
            after = read(self._api.read_deployment(name))
            if after != wanted:
                raise _NotAsItWas(f"it has {after} instead of {wanted}")
            report.changes.append(f"Deployment {name}: {_describe(before)} -> {_describe(wanted)}")

    def _find(self, name: str) -> KubernetesObject | None:
        try:
            return self._api.read_deployment(name)
        except KubernetesError as error:
            if status_of(error) == 404:
                return None
            raise

    @contextmanager
    def _reported(self, report: _Report, name: str, patch: Patch) -> Iterator[None]:
        try:
            yield
        except (KubernetesError, _NotAsItWas) as error:
            report.places.append(f"Deployment {name}")
            report.failures.append(str(error))
            report.commands.append(self._command(name, patch))

    def _command(self, name: str, patch: Patch) -> str:
        config = self._config
        return kubectl_patch_command(name, config.namespace, config.kube_context, json.dumps(patch))

    def _not_restored(self, report: _Report) -> KubernetesError:
        return KubernetesError(
            f"could not be put back as it was found: {'; '.join(report.failures)}",
            where=f"{', '.join(report.places)} in namespace {self._config.namespace}",
            mend=f"run `kpp restore` later, or run by hand: {' && '.join(report.commands)}",
        )


def _describe(value: object) -> str:
    return f"replicas {value}" if isinstance(value, int) else str(value)
