import json
from typing import Any

import pytest

from adapters.node.caseinput import CaseInput, read_case
from adapters.node.indicators import SAME_SURNAME, find_conflicts
from broker.testing_nodes import CHILD, Mesh, case_about_child


def case_with(*surnames: str) -> CaseInput:
    subjects: list[dict[str, Any]] = [
        {
            "label": f"s{number}",
            "role": "subject_child",
            "identity": {**CHILD, "surname": surname},
        }
        for number, surname in enumerate(surnames)
    ]
    return read_case(json.dumps(case_about_child() | {"subjects": subjects}).encode())


@pytest.mark.parametrize(
    ("requester", "surname"),
    [
        ("Moira Quillfeather", "Quillfeather"),
        ("Moira QUILLFEATHER", "quillfeather"),
        ("Moira Quillfeather-Pask", "Pask"),
        ("Zoë Núñez", "Nunez"),
    ],
)
def test_a_requester_who_bears_a_subjects_surname_is_shown_to_the_guardian(
    mesh: Mesh, requester: str, surname: str
) -> None:
    (found,) = find_conflicts(mesh.council, case_with(surname, "Other"), requester, "r_1")

    assert (found.kind, found.reference, found.id) == (SAME_SURNAME, "r_1", "r_1:same_surname:s0")
    assert surname not in found.sentence


@pytest.mark.parametrize("surname", ["Dunleavy", ""])
def test_another_name_or_none_is_no_conflict(mesh: Mesh, surname: str) -> None:
    assert find_conflicts(mesh.council, case_with(surname), "Moira Quillfeather", "r_1") == []


def test_a_requester_without_a_name_conflicts_with_nobody(mesh: Mesh) -> None:
    assert find_conflicts(mesh.council, case_with("Dunleavy"), " ", "r_1") == []
