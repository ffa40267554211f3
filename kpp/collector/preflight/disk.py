"""Whether the campaign's rows have room where they are written."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kpp.collector.config import Config
from kpp.collector.preflight.findings import Finding, Outcome

CHECK = "disk"
ROW_BYTES = 320  # thirteen columns, floats with all their digits; a row of Online Boutique takes some 150
AMPLE = 10  # times what is needed: others write to the same disk for hours
_MEBIBYTE = 2**20


@dataclass(frozen=True)
class Disk:
    """The place of the output folder, which need not be there yet."""

    folder: Path  # the folder, or the nearest one above it that is there
    free_bytes: int
    is_writable: bool


def needed_bytes(config: Config, experiment_count: int, service_count: int) -> int:
    """What all rows of a campaign take at most."""
    return ROW_BYTES * service_count * config.samples_per_experiment * experiment_count


def judge_disk(disk: Disk, needed: int, config: Config) -> Iterator[Finding]:
    """What is found of the output folder; `needed` is in bytes."""
    sizes = f"{_show(disk.free_bytes)} free for {_show(needed)} of rows in {config.output_directory}"
    move, look = "name another folder with KPP_OUTPUT_DIRECTORY", shlex.join(["df", "-h", str(disk.folder)])
    if not disk.is_writable:
        yield Finding(
            CHECK, Outcome.FAIL, f"{disk.folder} cannot be written to", f"{move}, or get the right to write"
        )
    elif disk.free_bytes < needed:
        yield Finding(CHECK, Outcome.FAIL, sizes, f"free some, or {move}:", look)
    elif disk.free_bytes < AMPLE * needed:
        yield Finding(CHECK, Outcome.WARN, sizes, f"leave more room, or {move}:", look)
    else:
        yield Finding(CHECK, Outcome.PASS, sizes)


def _show(size: int) -> str:
    mebibytes = size / _MEBIBYTE
    return f"{mebibytes:.1f} MiB" if mebibytes < 1024 else f"{mebibytes / 1024:.1f} GiB"
