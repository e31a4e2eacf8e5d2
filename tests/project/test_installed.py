"""What is installed is whole: every module imports, every data file is there.

Runs against the editable install with the other tests, and a second time against the built wheel
in an environment that holds only `requirements.txt`, this test's runner and the wheel.
"""

import importlib
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("adapters", "audit", "broker", "keys", "policies")
FILES = sorted(
    path.relative_to(ROOT)
    for package in PACKAGES
    for path in (ROOT / package).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
)
MODULES = [".".join(file.with_suffix("").parts) for file in FILES if file.suffix == ".py"]


def is_editable() -> bool:
    text = importlib.metadata.distribution("mash-broker").read_text("direct_url.json")
    return bool(text and json.loads(text).get("dir_info", {}).get("editable"))


def installed(package: str) -> Path:
    file = importlib.import_module(package).__file__
    assert file is not None
    return Path(file).parent.parent


@pytest.mark.parametrize("package", PACKAGES)
def test_the_package_comes_from_where_it_is_installed(package: str) -> None:
    assert (installed(package) == ROOT) is is_editable()


@pytest.mark.parametrize("name", MODULES)
def test_every_module_imports(name: str) -> None:
    importlib.import_module(name.removesuffix(".__init__"))


def test_every_file_is_installed_unchanged() -> None:
    for file in FILES:
        copy = installed(file.parts[0]) / file

        assert copy.read_bytes() == (ROOT / file).read_bytes(), file


def test_the_command_is_installed() -> None:
    mash = Path(sys.executable).with_name("mash")

    result = subprocess.run([mash, "--help"], check=True, capture_output=True, text=True)

    assert "doctor" in result.stdout
