from pathlib import Path

import pytest

from kpp.errors import InputError
from kpp.simulator.fault_file import (
    DelayFault,
    PrometheusFault,
    RefuseFault,
    ResetFault,
    ServiceFault,
    read_faults,
)


def write(folder: Path, text: str) -> Path:
    path = folder / "faults.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_kind_of_fault_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        - {fault: refuse, at: 60, server: kubernetes, method: PATCH, code: 409, times: 2}
        - {fault: reset, path: /pods, is_done: true}
        - {fault: delay, seconds: 2.5, server: prometheus, for: 10}
        - {fault: prometheus-down, at: 300, for: 60}
        - {fault: scrape-gap, at: 400, for: 30}
        - {fault: restart, at: 600, service: cartservice}
        - {fault: replace, at: 700, service: cartservice}
        - {fault: never-ready, at: 5, for: 100, service: loadgenerator}
        """,
    )
    assert read_faults(path) == [
        RefuseFault(fault="refuse", at=60, method="PATCH", code=409, times=2),
        ResetFault(fault="reset", path="/pods", is_done=True),
        DelayFault(fault="delay", seconds=2.5, server="prometheus", lasts_seconds=10),
        PrometheusFault(fault="prometheus-down", at=300, lasts_seconds=60),
        PrometheusFault(fault="scrape-gap", at=400, lasts_seconds=30),
        ServiceFault(fault="restart", at=600, service="cartservice"),
        ServiceFault(fault="replace", at=700, service="cartservice"),
        ServiceFault(fault="never-ready", at=5, lasts_seconds=100, service="loadgenerator"),
    ]


def test_an_empty_file_means_no_fault(tmp_path: Path) -> None:
    assert read_faults(write(tmp_path, "")) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- {fault: explode}", "'explode'"),
        ("- {fault: refuse, code: 200}", "0.refuse.code"),
        ("- {fault: refuse, cod: 500}", "0.refuse.cod"),
        ("- {fault: restart}", "0.restart.service"),
        ("- {fault: restart, service: 'not a name'}", "0.restart.service"),
        ("- {fault: scrape-gap, for: -1}", "for"),
        ("{fault: restart}", "valid list"),
        ("- [", "no YAML"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_the_file(tmp_path: Path, text: str, says: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_faults(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_faults(tmp_path / "absent.yaml")
