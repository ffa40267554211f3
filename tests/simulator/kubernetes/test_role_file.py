from pathlib import Path

import pytest

from kpp.errors import InputError
from kpp.simulator.kubernetes.role_file import read_role_file

ROOT = Path(__file__).parents[3]


def test_the_shipped_role_is_read() -> None:
    rules = read_role_file(ROOT / "deploy" / "rbac.yaml")
    assert ("pods",) in {rule.resources for rule in rules}
    assert {rule.namespace for rule in rules} == {"default"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("kind: ServiceAccount\nmetadata: {name: a}", "holds no Role with rules"),
        ("", "holds no Role with rules"),
        ("a: [", "no YAML"),
        ("- 1\n- 2", "no manifests of Roles"),
        ("kind: Role\nmetadata: {name: a}\nrules: [{resources: [pods]}]", "no manifests of Roles"),
        ("kind: Role\nmetadata: {name: a}\nrules: 5", "no manifests of Roles"),
    ],
)
def test_what_is_no_role_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "role.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=complaint):
        read_role_file(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_role_file(tmp_path / "nothing.yaml")
