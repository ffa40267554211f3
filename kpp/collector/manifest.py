"""What a campaign puts on record beside its tables: versions, settings, queries, the cluster as found."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kpp import __version__
from kpp.collector.config import Config
from kpp.collector.kubernetes_client import LoadState, Resources, Service
from kpp.collector.profiles.profile import Signal
from kpp.collector.profiles.reading import read_profile
from kpp.files import write_whole


def manifest_path(measurements: Path) -> Path:
    """`performance_campaign_YYYYMMDD-HHMMSS.json`, beside `performance_results_YYYYMMDD-HHMMSS.csv`."""
    return measurements.with_name(measurements.stem.replace("results", "campaign") + ".json")


def write_manifest(  # noqa: PLR0913 - one argument per part of the record
    path: Path,
    config: Config,
    *,
    started_at: float,
    cpu_source: str,
    services: Sequence[Service],
    resources: Mapping[str, Resources],
    node_cores: Mapping[str, float],
    load_found: LoadState,
) -> None:
    """Write the record as JSON: cores by node, resources by service, the queries as they are sent.

    Raises:
        ConfigError: the file cannot be written.
    """
    record: dict[str, Any] = {
        "kpp_version": __version__,
        "started_at": datetime.fromtimestamp(started_at, UTC).isoformat(timespec="seconds"),
        "settings": dataclasses.asdict(config),
        "cpu_source": cpu_source,
        "node_cores": dict(node_cores),
        "services": {
            service.name: {"deployment": service.deployment, **dataclasses.asdict(resources[service.name])}
            for service in services
        },
        "load_found": str(load_found),
        "queries": _write_queries(config),
    }
    text = json.dumps(record, indent=2, default=str) + "\n"
    write_whole({path: text.encode()})


def _write_queries(config: Config) -> dict[str, str]:
    """The texts as they are sent; what only `kpp import` asks is left out."""
    profile = read_profile(config.profile)
    texts = profile.texts(config.namespace, config.rate_window_seconds, config.cpu_rate_window_seconds)
    return {
        profile.queries[signal].name: text for signal, text in texts if signal.section != Signal.PODS.section
    }
