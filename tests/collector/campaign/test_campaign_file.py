from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kpp.collector.campaign.campaign_file import read_campaign_file
from kpp.collector.campaign.plan import Level
from kpp.errors import InputError

CAMPAIGN = """\
repeats: 2
experiments:
  - users: 50
  - users: 100:200:100
    replicas: {frontend: 2, cartservice: 3}
    repeats: 2
  - users: [5, 7]
"""
WRONG = """\
repeats: yes
experiments:
  - users: 0
    think_time: 3
  - replicas:
      Front_End: 2
      cart: two
      ads: 0
  - users: many
  - 5
  - users: [5, true]
other: 1
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "campaign.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_experiments_come_in_their_order_and_as_often_as_asked(tmp_path: Path) -> None:
    scaled = {"frontend": 2, "cartservice": 3}
    once = (
        Level(50),
        *(Level(100, scaled), Level(100, scaled), Level(200, scaled), Level(200, scaled)),
        *(Level(5), Level(7)),
    )
    assert read_campaign_file(write(tmp_path, CAMPAIGN)) == once * 2


def test_every_fault_is_told_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, WRONG)

    with pytest.raises(InputError) as caught:
        read_campaign_file(path)

    faults = str(caught.value).removeprefix(f"{path}: ").split("; ")
    assert sorted(faults) == sorted(
        [
            "line 1: repeats: must be a whole number",
            "line 3: users: must be greater than or equal to 1",
            "line 4: think_time: nothing that a campaign has",
            "line 5: users: missing",
            "line 6: replicas.Front_End: the name of a service has lower-case letters, digits and '-'",
            "line 7: replicas.cart: must be a whole number",
            "line 8: replicas.ads: must be greater than or equal to 1",
            "line 9: users: a list of whole numbers like 10,20,50, or start:end:step like 10:100:10",
            "line 10: an experiment: must be a mapping",
            "line 11: users: must be a whole number",
            "line 12: other: nothing that a campaign has",
            "write it as docs/campaigns.md shows",
        ]
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "line 1: the file: must be a mapping"),
        ("- 5\n", "line 1: the file: must be a mapping"),
        ("repeats: 1\n", "line 1: experiments: missing"),
        ("\n\nexperiments: []\n", "line 3: experiments: at least one is needed"),
        ("experiments:\n  - {users: 5, users: 6}\n", "line 2: users is there twice"),
        ("experiments: [\n", "is no YAML: line 2"),
        ("experiments: &a [*a]\n", "nested too deep"),
        ("experiments: !!python/object:os.system x\n", "could not determine a constructor"),
        ("experiments: [{users: '1:1000000000000:1'}]\n", "a range of at most 10000 counts"),
        ("experiments: [{users: 1, repeats: 1000}]\nrepeats: 1000\n", "1000000 experiments, more than"),
        ("experiments: [{users: 1, replicas: {1: 2}}]\n", "must be the name of a service"),
        ("experiments: [{users: 1.5}]\n", "must be a whole number, a list of them, or a range"),
    ],
)
def test_what_is_no_campaign_is_one_line(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(InputError) as caught:
        read_campaign_file(write(tmp_path, text))

    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "campaign.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        read_campaign_file(path)


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
keys = st.sampled_from(["experiments", "users", "replicas", "repeats", "frontend", "x y", ""])
anything = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=10
)


@settings(max_examples=150, deadline=None)
@given(anything | st.builds(lambda each: {"experiments": each}, st.lists(anything, max_size=3)))
def test_any_yaml_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: object
) -> None:
    path = write(tmp_path_factory.mktemp("any"), yaml.safe_dump(content, allow_unicode=True))
    levels: tuple[Level, ...] = ()
    message = ""
    try:
        levels = read_campaign_file(path)
    except InputError as error:
        message = str(error)
    assert bool(levels) != bool(message)
    assert "\n" not in message
    assert all(level.user_count >= 1 for level in levels)
