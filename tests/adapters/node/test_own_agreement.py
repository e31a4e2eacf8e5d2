"""A node's own copy of the agreement: pinned, and in a suite that it can seal with."""

from pathlib import Path

import pytest

from adapters.errors import AgreementNotOursError, SuiteNotAgreedError
from adapters.node.settings import NodeSettings
from adapters.node.standing import load_own_agreement
from broker.testing_nodes import Mesh
from policies.agreement import load_agreement, with_schedule


def test_the_pinned_agreement_is_taken(mesh: Mesh) -> None:
    path = mesh.world.settings.agreement_path

    agreement = load_own_agreement(path, sha256=mesh.world.agreement.sha256)

    assert agreement.sha256 == mesh.world.agreement.sha256


def test_another_agreement_than_the_pinned_is_refused(mesh: Mesh) -> None:
    with pytest.raises(AgreementNotOursError):
        load_own_agreement(mesh.world.settings.agreement_path, sha256="0" * 64)


def test_an_agreement_with_only_a_foreign_suite_is_refused(mesh: Mesh, tmp_path: Path) -> None:
    document = mesh.world.settings.agreement_path.read_bytes()
    changed = with_schedule(document, {"suites": ["SOME-OTHER-SUITE-9"]})
    path = tmp_path / "agreement.yaml"
    path.write_bytes(changed)
    sha256 = load_agreement(changed, source=path.name).sha256

    with pytest.raises(SuiteNotAgreedError):
        load_own_agreement(path, sha256=sha256)


@pytest.mark.parametrize("url", ["http://broker.example", "http://10.0.0.8:8080", "ftp://x"])
def test_a_broker_elsewhere_is_reached_by_https_only(mesh: Mesh, url: str) -> None:
    given = mesh.police.settings.model_dump() | {"broker_url": url}

    with pytest.raises(ValueError, match="must begin with https://"):
        NodeSettings.model_validate(given)


def test_a_broker_elsewhere_by_https_is_fine(mesh: Mesh) -> None:
    given = mesh.police.settings.model_dump() | {"broker_url": "https://broker.example"}

    assert NodeSettings.model_validate(given).broker_url == "https://broker.example"
