import json
from typing import Any

import pytest

from adapters.errors import CaseInputError
from adapters.node.caseinput import read_case
from broker.testing_nodes import case_about_child

SECRET = "Marigold Quillfeather"  # noqa: S105 - a name that no error may repeat


def body(**changes: Any) -> bytes:
    return json.dumps(case_about_child() | changes).encode()


def subject(**changes: Any) -> list[dict[str, Any]]:
    return [case_about_child()["subjects"][0] | changes]


def ask(**changes: Any) -> list[dict[str, Any]]:
    return [case_about_child()["asks"][0] | changes]


def item(**changes: Any) -> list[dict[str, Any]]:
    return ask(items=[case_about_child()["asks"][0]["items"][0] | changes])


def test_a_case_is_read_whole() -> None:
    case = read_case(body(facts={"consent": {"given": True, "until": "2026-12-31"}}))

    assert [s.label for s in case.subjects] == ["child"]
    assert case.facts.consent is not None


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"rag": SECRET}, "case"),
        ({"purpose": None}, "case"),
        ({"unheard_of": 1}, "case"),
        ({"asks": []}, "case"),
        ({"asks": item(posts=[])}, "case"),
        ({"asks": item(category="Not A Code")}, "case"),
        ({"asks": ask(reason="x" * 2001)}, "case"),
        ({"asks": ask() * 2}, "asks"),
        ({"subjects": subject(label="Has Space")}, "case"),
        ({"subjects": subject() * 2}, "subjects"),
        ({"subjects": subject(identity={"surname": 5})}, "subjects[0].identity.surname"),
        ({"subjects": subject(identity={"nick": SECRET})}, "subjects[0].identity.(top)"),
        (
            {"subjects": subject(identity={"birth_date": "2017-02-30"})},
            "subjects[0].identity.birth_date",
        ),
        (
            {"subjects": subject(identity={"given": ["a\u202eb"]})},
            "subjects[0].identity.given",
        ),
        ({"narrative": "x" * 20_001}, "case"),
        ({"facts": {"consent": {"given": "yes"}}}, "case"),
        ({"facts": {"consent": {"given": True, "until": SECRET}}}, "facts.consent.until"),
    ],
)
def test_what_is_wrong_is_named_and_no_value_quoted(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(CaseInputError) as caught:
        read_case(body(**changes))

    assert caught.value.place == place
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"null", b"[]", b'"' + b"a" * 99])
def test_bytes_that_are_no_case_are_refused(data: bytes) -> None:
    with pytest.raises(CaseInputError) as caught:
        read_case(data)

    assert caught.value.place == "case"
