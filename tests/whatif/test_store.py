import json
from pathlib import Path

import pandas as pd
import pytest

from kpp.errors import ConfigError, InputError
from kpp.schema import SERVICE, USER_COUNT
from kpp.whatif.fitting import FittedModels, fit_models
from kpp.whatif.model import Campaign
from kpp.whatif.registry import MODELS
from kpp.whatif.store import FILE_NAME, FORMAT_VERSION, read_stored, restore_model, write_models
from tests.whatif.systems import SHOP, make_system

ASKED = pd.DataFrame({SERVICE: [*SHOP, *SHOP], USER_COUNT: [50.0] * 3 + [400.0] * 3})


@pytest.fixture(scope="module")
def fitted() -> FittedModels:
    return fit_models(make_system((20, 40, 60, 80), minutes=4), list(MODELS), 0, lambda _: None)


def test_every_model_comes_back_as_it_was(fitted: FittedModels, tmp_path: Path) -> None:
    write_models(tmp_path, fitted)

    stored = read_stored(tmp_path)

    assert list(stored.models) == list(MODELS)
    for name, model in fitted.models.items():
        again = restore_model(tmp_path, stored, name)
        pd.testing.assert_frame_equal(again.predict(ASKED, 0.8), model.predict(ASKED, 0.8), check_exact=True)
        assert again.services == sorted(SHOP)


def test_the_file_is_plain_json_and_says_where_it_comes_from(fitted: FittedModels, tmp_path: Path) -> None:
    path = write_models(tmp_path / "new" / "folder", fitted)

    def refuse(name: str) -> float:
        raise AssertionError(f"{name} is no JSON")

    content = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert content["kind"] == "kpp what-if models"
    assert content["format_version"] == FORMAT_VERSION
    assert content["origin"]["user_counts"] == [20, 40, 60, 80]
    assert content["origin"]["tables"] == ["test.csv"]
    assert len(content["origin"]["digest"]) == 64
    assert [each.name for each in path.parent.iterdir()] == [FILE_NAME]  # nothing temporary is left


def test_the_digest_is_that_of_the_rows(fitted: FittedModels) -> None:
    same = fit_models(make_system((20, 40, 60, 80), minutes=4), ["nearest"], 0, lambda _: None)
    other = fit_models(make_system((20, 40, 60, 80), minutes=4, seed=1), ["nearest"], 0, lambda _: None)

    assert same.origin.digest == fitted.origin.digest
    assert other.origin.digest != fitted.origin.digest


def test_a_folder_without_models_says_how_to_fit_some(tmp_path: Path) -> None:
    for folder, what in ((tmp_path, "holds no what-if models"), (tmp_path / "none", "is no folder")):
        with pytest.raises(InputError, match=what) as error:
            read_stored(folder)
        assert "kpp fit" in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is damaged"),
        (b"\xff", "is damaged"),
        (b"[]", "no file of what-if models"),
        (b'{"format_version": "1"}', "no file of what-if models"),
        (b'{"format_version": 99}', "newer than 5"),
        (b'{"format_version": 3}', "version 3, which this kpp no longer reads"),
        (b'{"format_version": 2}', "version 2, which this kpp no longer reads"),
        (b'{"format_version": 5, "models": {}}', "is damaged: "),
    ],
)
def test_a_damaged_or_foreign_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)

    with pytest.raises(InputError) as error:
        read_stored(tmp_path)

    assert message in str(error.value)


@pytest.mark.parametrize("damage", ["model", "levels", "intervals"])
@pytest.mark.parametrize("name", list(MODELS))
def test_a_damaged_model_is_refused(fitted: FittedModels, tmp_path: Path, name: str, damage: str) -> None:
    path = write_models(tmp_path, fitted)
    content = json.loads(path.read_text(encoding="utf-8"))
    content["models"][name][damage] = {}
    path.write_text(json.dumps(content), encoding="utf-8")

    with pytest.raises(InputError, match=f"the model {name} is damaged"):
        restore_model(tmp_path, read_stored(tmp_path), name)


def test_a_model_that_is_not_there_is_told_with_the_reason(tmp_path: Path) -> None:
    measurements = make_system((20, 40), minutes=2).measurements
    fitted = fit_models(Campaign(measurements), ["nearest"], 0, lambda _: None)
    write_models(tmp_path, FittedModels(fitted.origin, fitted.models, {"usl": "too few loads"}))
    stored = read_stored(tmp_path)

    with pytest.raises(ConfigError, match=r"no model 'usl': too few loads; name one of nearest"):
        restore_model(tmp_path, stored, "usl")
    with pytest.raises(ConfigError, match="no model 'nosuch'"):
        restore_model(tmp_path, stored, "nosuch")


def test_a_place_that_cannot_be_written_to_is_refused(fitted: FittedModels, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(ConfigError, match="no folder can be made"):
        write_models(tmp_path / "file", fitted)
