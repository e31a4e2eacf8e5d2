from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.errors import SettingsError
from adapters.node.settings import load_settings

GOOD: dict[str, Any] = {
    "party": "northshire-police",
    "broker_url": "http://127.0.0.1:8080",
    "data_dir": ".",
    "agreement": "../agreement.yaml",
    "agreement_sha256": "0" * 64,
    "agency": "Northshire Police",
    "switchboard": "01632 960 100",
    "systems": ["police.yaml"],
    "people": [
        {
            "name": "Dawn Tranter",
            "title": "Disclosure officer",
            "roles": ["agency_representative"],
            "token_sha256": "1" * 64,
        }
    ],
}


def write(folder: Path, text: str) -> Path:
    path = folder / "node.yaml"
    path.write_text(text)
    return path


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, yaml.safe_dump(GOOD)))

    assert settings.data_dir == tmp_path
    assert settings.agreement == tmp_path / "../agreement.yaml"
    assert settings.systems == (tmp_path / "police.yaml",)
    assert settings.host == "127.0.0.1"


def test_an_absolute_path_stays(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, yaml.safe_dump(GOOD | {"data_dir": "/srv/mash"})))

    assert settings.data_dir == Path("/srv/mash")


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"agreement_sha256": "short"}, "agreement_sha256"),
        ({"port": 70_000}, "port"),
        ({"poll_seconds": 0}, "poll_seconds"),
        ({"partys": "x"}, "partys"),
        ({"people": [GOOD["people"][0] | {"token": "in clear"}]}, "people.0.token"),
        ({"people": [GOOD["people"][0] | {"name": ""}]}, "people.0.name"),
        ({"log_level": "chatty"}, "log_level"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(
    tmp_path: Path, changes: dict[str, Any], key: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(write(tmp_path, yaml.safe_dump(GOOD | changes)))

    assert (caught.value.file, caught.value.key) == ("node.yaml", key)
    assert "in clear" not in str(caught.value)


def test_a_missing_setting_is_named(tmp_path: Path) -> None:
    given = {key: value for key, value in GOOD.items() if key != "party"}

    with pytest.raises(SettingsError) as caught:
        load_settings(write(tmp_path, yaml.safe_dump(given)))

    assert caught.value.key == "party"


@pytest.mark.parametrize(("text", "key"), [("a: [", "line 1"), ("- 1", "(top)"), ("", "(top)")])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(write(tmp_path, text))

    assert caught.value.key == key


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path / "node.yaml")

    assert caught.value.key == "(file)"
