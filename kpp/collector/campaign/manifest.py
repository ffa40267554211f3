"""What a campaign puts on record beside its tables: versions, settings, queries, the cluster as found."""

import dataclasses
import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kpp import __version__
from kpp.collector.cluster.services import Resources, Service
from kpp.collector.cluster.state import ClusterState
from kpp.collector.config import Config, setting_names
from kpp.collector.profiles.profile import Signal
from kpp.collector.profiles.reading import read_profile
from kpp.files import write_whole


def manifest_path(measurements: Path) -> Path:
    """`performance_campaign_YYYYMMDD-HHMMSS.json`, beside `performance_results_YYYYMMDD-HHMMSS.csv`."""
    return measurements.with_name(measurements.stem.replace("results", "campaign") + ".json")


def describe_settings(config: Config) -> dict[str, Any]:
    """The settings as JSON holds them. The access to Prometheus is none: it is given anew each time."""
    settings = ((name, getattr(config, name)) for name in setting_names())
    return {name: str(value) if isinstance(value, Path) else value for name, value in settings}


def describe_queries(config: Config) -> dict[str, str]:
    """The queries as they are sent, by name; what only `kpp import` asks is left out."""
    profile = read_profile(config.profile)
    texts = profile.texts(config.namespace, config.rate_window_seconds, config.cpu_rate_window_seconds)
    return {
        profile.queries[signal].name: text for signal, text in texts if signal.section != Signal.PODS.section
    }


def describe_cluster(
    *,
    cpu_source: str,
    services: Sequence[Service],
    resources: Mapping[str, Resources],
    images: Mapping[str, Mapping[str, str]],
    node_cores: Mapping[str, float],
    kubernetes_version: str | None,
    state: ClusterState,
) -> dict[str, Any]:
    """The cluster as found: cores by node; Deployment, resources and images by service; what is put back."""
    return {
        "cpu_source": cpu_source,
        "kubernetes_version": kubernetes_version,
        "python_version": platform.python_version(),
        "node_cores": dict(node_cores),
        "services": {
            service.name: {
                "deployment": service.deployment,
                **dataclasses.asdict(resources[service.name]),
                "images": dict(images.get(service.name, {})),
            }
            for service in services
        },
        "load_found": str(state.load),
        "state": state.as_json(),
    }


def write_manifest(path: Path, config: Config, started_at: float, cluster: Mapping[str, Any]) -> None:
    """Write the settings and the cluster as found, for people; the journal has the same and what followed.

    Raises:
        ConfigError: the file cannot be written.
    """
    record: dict[str, Any] = {
        "kpp_version": __version__,
        "started_at": datetime.fromtimestamp(started_at, UTC).isoformat(timespec="seconds"),
        "settings": describe_settings(config),
        **cluster,
        "queries": describe_queries(config),
    }
    write_whole({path: (json.dumps(record, indent=2, default=str) + "\n").encode()})
