import pytest

from kpp.errors import ConfigError
from kpp.whatif.registry import DEFAULT_MODEL, MODELS, make_model, pick_names


def test_every_model_has_the_name_under_which_it_is_found() -> None:
    assert {name: make_model(name).name for name in MODELS} == {name: name for name in MODELS}
    assert DEFAULT_MODEL in MODELS


def test_a_fresh_model_is_made_each_time() -> None:
    assert make_model("linear") is not make_model("linear")


def test_names_are_picked_from_a_list() -> None:
    assert pick_names("usl, linear,usl") == ["usl", "linear"]
    assert pick_names("all") == list(MODELS)


@pytest.mark.parametrize(
    ("text", "what"), [("usl,nosuch", "'nosuch' is no model"), (" ,", "no model is named")]
)
def test_unknown_names_are_refused(text: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        pick_names(text)
