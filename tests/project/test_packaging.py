"""The five names are ours alone, the pins are complete, no secret and no address is in the tree."""

import importlib.metadata
import re
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("adapters", "audit", "broker", "keys", "policies")
PINS = ("requirements.txt", "requirements-dev.txt")
ADDRESS = re.compile(r"https?://|file://|--(extra-)?index-url|--find-links|@ ")


def tree() -> list[Path]:
    """Every file that is committed or would be: what git lists and does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def pinned(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE))


def normalised(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name is not None
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def test_no_dependency_claims_one_of_our_top_level_names() -> None:
    owners = importlib.metadata.packages_distributions()  # an editable install lists no files

    assert not {name for name in PACKAGES if set(owners.get(name, ())) - {"mash-broker"}}


def test_the_import_name_casbin_is_pycasbin() -> None:
    names = {dist.metadata["Name"].lower() for dist in importlib.metadata.distributions()}

    assert "pycasbin" in names
    assert "casbin" not in names


def test_no_key_material_is_in_the_tree() -> None:
    files = tree()

    assert not [path for path in files if path.suffix in {".pem", ".key", ".p12", ".pfx"}]
    marker = b"PRIVATE " + b"KEY-----"
    assert not [path for path in files if marker in path.read_bytes()]


@pytest.mark.parametrize("name", ["keys/root.pem", "node.key", "broker.sqlite3", "uv.lock"])
def test_git_ignores_keys_databases_and_foreign_locks(name: str) -> None:
    subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=True)


@pytest.mark.parametrize("name", PINS)
def test_the_pins_name_no_address(name: str) -> None:
    assert not ADDRESS.findall((ROOT / name).read_text())


@pytest.mark.parametrize("name", PINS)
def test_every_pin_has_a_hash(name: str) -> None:
    blocks = re.split(r"\n(?=\S)", (ROOT / name).read_text().strip())

    assert not [block.split()[0] for block in blocks if "--hash=sha256:" not in block]


def test_no_lock_that_records_addresses_is_committed() -> None:
    assert not {"uv.lock", "pylock.toml", "poetry.lock"} & {path.name for path in tree()}


def test_every_requirement_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    direct = {normalised(line) for line in project["project"]["dependencies"]}
    developing = {normalised(line) for line in project["dependency-groups"]["dev"]}

    assert direct <= set(pinned("requirements.txt"))
    assert direct | developing <= set(pinned("requirements-dev.txt"))


def test_both_pin_files_agree() -> None:
    run, develop = (pinned(name) for name in PINS)

    assert {name for name, version in run.items() if develop.get(name) != version} == set()


def test_ci_runs_exactly_make_test() -> None:
    script = ROOT / ".ci" / "run"
    lines = [line for line in script.read_text().splitlines() if not line.startswith("#")]

    assert script.stat().st_mode & stat.S_IXUSR
    assert lines[-1] == "exec make test"


def test_no_home_folder_is_named() -> None:
    marks = re.compile(rb"/(?:home|Users)/[a-z]+/|/root/")
    own = Path(__file__)

    assert not [path for path in tree() if path != own and marks.search(path.read_bytes())]
