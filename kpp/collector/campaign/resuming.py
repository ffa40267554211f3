"""With which settings a campaign may go on, or be put back: those of its journal, and some of the present."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kpp.collector.campaign.journal_record import CampaignRecord
from kpp.collector.campaign.manifest import describe_queries, describe_settings
from kpp.collector.config import MAY_CHANGE, Config, read_some_settings, setting_names, variable_of
from kpp.errors import ConfigError

TO_REACH_THE_CLUSTER = ("kube_context", "output_directory", "request_timeout_seconds")
_PUT_BACK = ("namespace", "load_generator", "load_container", "load_variables", "users_per_replica")


def refuse_other_settings(record: CampaignRecord, config: Config) -> None:
    """Let a campaign go on only as it began.

    Raises:
        ConfigError: all settings that differ and have to be the same, in one line.
    """
    present = describe_settings(config)
    differing = [
        f"{variable_of(name)} is {_show(present[name])} and was {_show(record.settings[name])}"
        for name in sorted(present.keys() & record.settings.keys() - MAY_CHANGE)
        if _plain(present[name]) != _plain(record.settings[name])
    ]
    queries = describe_queries(config)
    if not differing and queries != record.queries:
        names = sorted(name for name, text in queries.items() if record.queries.get(name) != text)
        differing = [f"the profile {config.profile} has another text for {', '.join(names) or 'less'}"]
    if differing:
        raise ConfigError(
            f"the campaign began with other settings: {'; '.join(differing)}",
            where=str(record.path),
            mend="leave them out, since the journal has them, or start a new campaign",
        )


def config_to_restore(
    record: CampaignRecord,
    options: Mapping[str, object],
    environment: Mapping[str, str],
    env_file: Path | None,
) -> Config:
    """How to reach the cluster, by what is given now, and what is put back there, by the journal.

    Prometheus and all that only measuring needs do not matter: nothing wrong with them is in the way.

    Raises:
        ConfigError: a setting that is needed is faulty.
    """
    put_back = {name: record.settings.get(name) for name in _PUT_BACK}
    names = (*TO_REACH_THE_CLUSTER, *_PUT_BACK)
    return read_some_settings(names, {**options, **put_back}, environment, env_file, settings_of(record))


def settings_of(record: CampaignRecord) -> dict[str, Any]:
    """The recorded settings that this version of kpp knows."""
    return {name: value for name, value in record.settings.items() if name in setting_names()}


def _plain(value: Any) -> Any:
    """As it reads from JSON."""
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _show(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
