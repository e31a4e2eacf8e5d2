"""Facts as JSON: the round trip, and everything that is not a fact."""

import json
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import FactsError
from policies.facts import CaseFacts, Consent


def _json() -> dict[str, object]:
    return {"at": "2026-10-06T09:15:00+00:00", "purpose": "cp_s47", "requester_party": "a"}


def test_facts_survive_the_wire() -> None:
    consent = Consent(given=True, parties=("a",), categories=None, until=date(2026, 12, 31))
    facts = CaseFacts(
        at=datetime(2026, 10, 6, 9, 15, tzinfo=UTC),
        purpose="cin_s17",
        requester_party="northshire-cc",
        rag="amber",
        consent=consent,
        dash="high",
        opened_in_hours=True,
    )

    assert CaseFacts.from_json(json.loads(json.dumps(facts.to_json()))) == facts


def test_what_is_left_out_takes_the_strict_value() -> None:
    facts = CaseFacts.from_json(_json())

    assert not facts.second_factor
    assert not facts.justified
    assert facts.consent is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("at", "2026-10-06T09:15:00"),
        ("at", "yesterday"),
        ("at", 5),
        ("purpose", ""),
        ("purpose", None),
        ("purpose", "x" * 121),
        ("rag", 1),
        ("closed", "no"),
        ("closed", 0),
        ("emergency", None),
        ("consent", True),
        ("consent", {}),
        ("consent", {"given": True, "parties": "all"}),
        ("consent", {"given": True, "parties": [1]}),
        ("consent", {"given": True, "parties": ["a"] * 201}),
        ("consent", {"given": True, "until": "31/12/2026"}),
        ("consent", {"given": True, "by": "mother"}),
        ("break_glass", True),
    ],
)
def test_an_unknown_key_or_another_type_is_refused(key: str, value: object) -> None:
    with pytest.raises(FactsError):
        CaseFacts.from_json(_json() | {key: value})


@pytest.mark.parametrize("key", ["at", "purpose", "requester_party"])
def test_a_missing_fact_is_named(key: str) -> None:
    data = _json()
    del data[key]

    with pytest.raises(FactsError) as caught:
        CaseFacts.from_json(data)

    assert caught.value.key == key


def test_errors_name_the_key_and_not_the_value() -> None:
    with pytest.raises(FactsError) as caught:
        CaseFacts.from_json(_json() | {"dash": ["Jayden Example"]})

    assert "Jayden" not in str(caught.value)


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(_anything)
def test_any_json_raises_only_our_error(value: object) -> None:
    with pytest.raises(FactsError):
        CaseFacts.from_json(value)
