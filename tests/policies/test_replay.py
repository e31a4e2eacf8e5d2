"""Past decisions made again: what a draft would change, and what cannot be said."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from policies.agreement import Agreement, load_agreement
from policies.decide import Engine
from policies.errors import CasesError
from policies.facts import CaseFacts, Query
from policies.replay import KeptFacts, PastDecision, read_facts, replay
from policies.standing import Standing

SUBJECT = "s_aaaaaaaaaaaaaaaaaaaaaaaaaa"
REQUEST = "r_aaaaaaaaaaaaaaaaaaaaaaaaaa"


@pytest.fixture(scope="session")
def draft(northshire_yaml: bytes) -> Agreement:
    """Closes domestic abuse incidents to automatic answers; in force only from 2027."""
    text = northshire_yaml.decode()
    title = "title: Domestic abuse incidents\n      sensitivity: "
    for old, new in (
        (f"{title}2", f"{title}4"),
        ("effective_from: 2026-09-01", "effective_from: 2027-01-01"),
    ):
        assert old in text
        text = text.replace(old, new)
    return load_agreement(text.encode(), source="draft", allow_unpinned=True)


@pytest.fixture
def past(
    northshire: Agreement, standing: Standing, query: Query, case: CaseFacts
) -> Callable[..., PastDecision]:
    def make(**changes: object) -> PastDecision:
        decision = Engine(northshire, standing).decide(query, case)
        line = PastDecision(
            entry=7,
            request=REQUEST,
            supplier=query.supplier,
            category=query.category,
            subject=SUBJECT,
            role=query.recipient_role,
            party=query.recipient_party,
            outcome=str(decision.outcome),
            rules=tuple(fired.rule for fired in decision.fired),
            agreement=northshire.sha256,
            standing=standing,
        )
        return replace(line, **changes)  # type: ignore[arg-type]  # fields by name

    return make


@pytest.fixture
def kept(query: Query, case: CaseFacts) -> dict[tuple[str, str], KeptFacts]:
    facts = KeptFacts(case=case, subjects={SUBJECT: str(query.subject_role)})
    return {(REQUEST, query.supplier): facts}


def test_a_draft_that_closes_a_category_changes_its_past_decision(
    northshire: Agreement,
    draft: Agreement,
    past: Callable[..., PastDecision],
    kept: dict[tuple[str, str], KeptFacts],
) -> None:
    result = replay(northshire, draft, [past()], kept)

    assert (result.made, len(result.changed), result.unlike) == (1, 1, [])
    assert result.changed[0].past.words == "PERMIT P10"
    assert result.changed[0].would_be == "REVIEW V11"


def test_an_equal_draft_changes_nothing(
    northshire: Agreement,
    past: Callable[..., PastDecision],
    kept: dict[tuple[str, str], KeptFacts],
) -> None:
    result = replay(northshire, northshire, [past(), past()], kept)

    assert (result.made, result.changed) == (2, [])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"agreement": "0" * 64}, "decided under another agreement"),
        ({"request": "r_bbbbbbbbbbbbbbbbbbbbbbbbbb"}, "no facts kept"),
        ({"supplier": "northshire-mh"}, "no facts kept"),
        ({"subject": "s_bbbbbbbbbbbbbbbbbbbbbbbbbb"}, "the subject's role is not kept"),
    ],
)
def test_what_cannot_be_made_again_is_counted_not_guessed(
    *,
    northshire: Agreement,
    draft: Agreement,
    past: Callable[..., PastDecision],
    kept: dict[tuple[str, str], KeptFacts],
    changes: dict[str, object],
    reason: str,
) -> None:
    result = replay(northshire, draft, [past(**changes)], kept)

    assert (result.made, result.changed) == (0, [])
    assert result.not_made == {reason: 1}


@pytest.mark.parametrize("changes", [{"outcome": "DENY"}, {"rules": ("P05",)}, {"rules": ()}])
def test_facts_that_do_not_give_the_recorded_decision_prove_nothing(
    northshire: Agreement,
    draft: Agreement,
    past: Callable[..., PastDecision],
    kept: dict[tuple[str, str], KeptFacts],
    changes: dict[str, object],
) -> None:
    result = replay(northshire, draft, [past(**changes)], kept)

    assert (result.made, result.changed, len(result.unlike)) == (0, [], 1)
    assert result.unlike[0].would_be == "PERMIT P10"


def test_who_had_signed_then_counts_and_not_who_has_since(
    northshire: Agreement,
    draft: Agreement,
    past: Callable[..., PastDecision],
    kept: dict[tuple[str, str], KeptFacts],
) -> None:
    nobody = Standing(signed=frozenset())
    line = past(standing=nobody, outcome="DENY", rules=("D03",))

    result = replay(northshire, draft, [line], kept)

    assert (result.made, result.changed) == (1, [])


def test_nobodys_subject_is_made_again_too(
    northshire: Agreement,
    draft: Agreement,
    past: Callable[..., PastDecision],
    kept: dict[tuple[str, str], KeptFacts],
) -> None:
    line = past(subject=None, outcome="DENY", rules=("D04",))

    assert replay(northshire, draft, [line], kept).made == 1


def _line(**changes: object) -> str:
    case = CaseFacts(
        at=datetime(2026, 10, 6, 9, tzinfo=UTC), purpose="cp_s47", requester_party="northshire-cc"
    )
    row = {
        "request": REQUEST,
        "supplier": "northshire-police",
        "subjects": {SUBJECT: "subject_child"},
        "facts": case.to_json(),
    }
    return json.dumps(row | changes)


def test_kept_facts_are_read_line_by_line() -> None:
    kept = read_facts([_line(), "\n", _line(supplier="northshire-mh")])

    assert set(kept) == {(REQUEST, "northshire-police"), (REQUEST, "northshire-mh")}
    assert kept[REQUEST, "northshire-mh"].case.purpose == "cp_s47"


@pytest.mark.parametrize(
    "line",
    [
        "no",
        "[]",
        "{}",
        _line(request=3),
        _line(subjects=[]),
        _line(subjects={SUBJECT: 4}),
        _line(facts={"at": "2026-10-06T09:00:00+00:00", "name": "Jo Example"}),
        "[" * 50_000,
        " " * 100_000 + "x",
    ],
)
def test_a_broken_line_of_facts_is_named_and_not_quoted(line: str) -> None:
    with pytest.raises(CasesError) as caught:
        read_facts([_line(), line])

    assert caught.value.place == "line 2"
    assert "Jo Example" not in str(caught.value)
