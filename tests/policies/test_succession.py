"""One agreement after another: never back, nothing opened without a guardian."""

import os
import random  # noqa: TID251  # seeded instances only: every run decides the same cases
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date

import pytest

from policies.agreement import Agreement, load_agreement
from policies.decide import Engine, Outcome
from policies.errors import AgreementError, SuccessionError
from policies.facts import CaseFacts, Query, SupplierFacts
from policies.reach import reach_of
from policies.schedule import with_schedule
from policies.standing import Standing
from policies.succession import check_succession, take_over, widenings

Draw = Callable[[random.Random], tuple[Query, CaseFacts, SupplierFacts]]
LONG = os.environ.get("MASH_LONG") == "1"  # noqa: TID251  # how long to search, nothing else
TODAY = date(2026, 10, 6)
LAXNESS = {Outcome.DENY: 0, Outcome.REVIEW: 1, Outcome.PERMIT: 2}
# (old text, new text): what a new version opens of a health category.
OPENING = [
    ("allow: [practice, registered_since]", "allow: [practice, registered_since, list_notes]"),
    ("      allow: [practice, registered_since]\n", ""),
    ("title: GP attendance\n      sensitivity: 2", "title: GP attendance\n      sensitivity: 1"),
    ("prof: {auto: 2, review: 3}", "prof: {auto: 3, review: 3}"),
    ("at_most: {red: 3, amber: 2, green: 0}", "at_most: {red: 3, amber: 2, green: 1}"),
    ("{group: police, families: [hlt], at_most", "{group: police, families: [csc], at_most"),
    ("household_adult: 2", "household_adult: 3"),
    ("consent: required, fan_out", "consent: seek_or_record_reason, fan_out"),
    ("consent: seek_or_record_reason, fan_out", "consent: not_required, fan_out"),
    ("categories: [hlt.gp.sexual_health]", "categories: []"),
    ("own: [hlt.acute, hlt.community]", "own: [hlt]"),
    ("standard: consent}", "standard: share}"),
    ("dash: {purposes: [da_risk]", "dash: {purposes: [da_risk, cin_s17]"),
    ("own_report: {families: [csc]", "own_report: {families: [csc, hlt]"),
    ("probation-ne, own: [prob]}", "probation-ne, also_parties: [northshire-yjs], own: [prob]}"),
    ("[pol.da_incidents], requires", "[pol.da_incidents, hlt.acute.ed_attendance], requires"),
]
CLOSING = [
    ("allow: [practice, registered_since]", "allow: [practice]"),
    ("title: GP attendance\n      sensitivity: 2", "title: GP attendance\n      sensitivity: 4"),
    ("prof: {auto: 2, review: 3}", "prof: {auto: 1, review: 2}"),
    ("parent_carer: 3", "parent_carer: 1"),
    ("high: share, medium: share", "high: consent, medium: share"),
    ("consent: not_required, fan_out", "consent: required, fan_out"),
]


def _pinned(yaml: bytes, **schedule: object) -> bytes:
    draft = load_agreement(yaml, source="draft", allow_unpinned=True)
    parties = {
        party: {"ed25519": bytes([n]) * 32, "mldsa65": bytes([n]) * 1952, "operator": party}
        for n, party in enumerate(draft.terms.parties)
    }
    broker = {"operator": "ops", "origin": "broker.example/demo", "log_key": b"\x07" * 32}
    return with_schedule(yaml, {"parties": parties, "broker": broker, **schedule})


def _load(yaml: bytes) -> Agreement:
    return load_agreement(yaml, source="next.yaml")


@pytest.fixture(scope="session")
def first(northshire_yaml: bytes) -> Agreement:
    return _load(_pinned(northshire_yaml))


@pytest.fixture(scope="session")
def successor(northshire_yaml: bytes, first: Agreement) -> Callable[..., bytes]:
    def make(*changes: tuple[str, str], **schedule: object) -> bytes:
        text = northshire_yaml.decode()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return _pinned(text.encode(), **{"seq": 2, "supersedes": first.sha256, **schedule})

    return make


def _take(old: Agreement | None, data: bytes, today: date = TODAY) -> Agreement:
    return take_over(old, data, source="next.yaml", sha256=_load(data).sha256, today=today)


def _line_of(data: bytes, key: str) -> int:
    text = data.decode()
    return text[: text.index(key)].count("\n") + 1


def test_the_next_version_follows(first: Agreement, successor: Callable[..., bytes]) -> None:
    second = _take(first, successor())

    check_succession(first, second)
    assert (second.seq, second.schedule.supersedes) == (2, first.sha256)


def test_the_first_version_follows_nothing(successor: Callable[..., bytes]) -> None:
    assert _take(None, successor(seq=1)).seq == 1


@pytest.mark.parametrize(
    ("schedule", "key", "message"),
    [
        ({"seq": 1}, "  seq:", "seq 1 is not above 1"),
        ({"supersedes": "0" * 64}, "  supersedes: '000", "supersedes another text"),
    ],
)
def test_seq_never_goes_back_and_what_is_superseded_is_named(
    first: Agreement,
    successor: Callable[..., bytes],
    schedule: Mapping[str, object],
    key: str,
    message: str,
) -> None:
    data = successor(**schedule)

    with pytest.raises(SuccessionError, match=message) as caught:
        _take(first, data)

    assert (caught.value.path, caught.value.line) == ("next.yaml", _line_of(data, key))


def test_another_hubs_agreement_does_not_follow(
    first: Agreement, successor: Callable[..., bytes]
) -> None:
    data = successor(("urn:isa:northshire-mash:mash-core", "urn:isa:northshire-mash:other"))

    with pytest.raises(SuccessionError, match="not a version of") as caught:
        _take(first, data)

    assert caught.value.line == _line_of(data, "    id: urn:isa")


def test_an_expired_agreement_is_not_taken_over(
    first: Agreement, successor: Callable[..., bytes]
) -> None:
    data = successor()

    with pytest.raises(SuccessionError, match="expired on 2027-11-30") as caught:
        _take(first, data, date(2027, 12, 1))

    assert caught.value.line == _line_of(data, "    expires:")


def test_another_text_than_the_signed_one_is_not_taken_over(
    first: Agreement, successor: Callable[..., bytes]
) -> None:
    with pytest.raises(SuccessionError, match="differs from what was signed"):
        take_over(first, successor(), source="next.yaml", sha256=first.sha256, today=TODAY)


def test_what_was_in_force_stays_when_the_next_is_refused(
    first: Agreement,
    successor: Callable[..., bytes],
    standing: Standing,
    query: Query,
    case: CaseFacts,
) -> None:
    in_force = first
    for broken in (successor(seq=1), successor() + b"surplus: yes\n", b"terms: {}\n"):
        with pytest.raises(AgreementError):
            in_force = take_over(in_force, broken, source="next.yaml", sha256="0" * 64, today=TODAY)

    assert in_force is first
    assert Engine(in_force, standing).decide(query, case).rule == "P10"


@pytest.mark.parametrize("change", OPENING)
def test_opening_a_health_category_is_seen_and_needs_the_guardian(
    first: Agreement, successor: Callable[..., bytes], change: tuple[str, str]
) -> None:
    opened = _load(successor(change))
    unguarded = successor(change, ("signs: [Caldicott Guardian]", "signs: [Chief Executive]"))

    found = widenings(first, opened)

    assert found
    assert all(first.terms.parties[widening.party].is_health for widening in found)
    check_succession(first, opened)
    with pytest.raises(SuccessionError, match="needs its Caldicott Guardian") as caught:
        _take(first, unguarded)
    assert caught.value.line == _line_of(unguarded, "northshire-cc:")


@pytest.mark.parametrize("change", CLOSING)
def test_closing_a_health_category_widens_nothing(
    first: Agreement, successor: Callable[..., bytes], change: tuple[str, str]
) -> None:
    assert widenings(first, _load(successor(change))) == ()


def test_opening_what_is_no_health_record_needs_no_guardian(
    first: Agreement, successor: Callable[..., bytes]
) -> None:
    title = "title: Attendance and suspensions\n      sensitivity: 2"
    opened = _load(successor((title, title[:-1] + "1")))

    assert widenings(first, opened) == ()
    assert reach_of(opened, "edu.attendance_exclusion") > reach_of(
        first, "edu.attendance_exclusion"
    )


@pytest.mark.parametrize("change", [*OPENING, *CLOSING])
def test_whatever_becomes_laxer_is_in_the_reach(
    first: Agreement,
    successor: Callable[..., bytes],
    standing: Standing,
    draw: Draw,
    change: tuple[str, str],
) -> None:
    other = _load(successor(change))
    for old, new in ((first, other), (other, first)):
        before, after = Engine(old, standing), Engine(new, standing)
        chance = random.Random(23)  # noqa: S311  # seeded on purpose
        for _ in range(250 if LONG else 60):
            query, case, supplier = draw(chance)
            query = _known(query, old, new)
            case = replace(case, rag=case.rag if case.rag != "blue" else "red")
            was = before.decide(query, case, supplier).outcome
            now = after.decide(query, case, supplier).outcome
            if LAXNESS[now] > LAXNESS[was]:
                assert reach_of(new, query.category) - reach_of(old, query.category)


def _known(query: Query, *agreements: Agreement) -> Query:
    """Return a query about health, which both agreements know."""
    categories = sorted(c for c in agreements[0].terms.categories if c.startswith("hlt."))
    category = categories[len(query.category) % len(categories)]
    return replace(query, category=category, supplier=agreements[0].supplier_of(category))


@pytest.mark.parametrize(
    "escape",
    [
        (
            "kind: nhs_gp, supplies: [hlt.gp], signs: [Caldicott",
            "kind: csc, supplies: [hlt.gp], signs: [No",
        ),
        (
            "supplies: [hlt.gp], signs: [Caldicott Guardian]",
            "supplies: [], signs: [Caldicott Guardian]",
        ),
    ],
    ids=["another kind of party", "another supplier"],
)
def test_renaming_a_health_party_is_no_way_round_its_guardian(
    first: Agreement, successor: Callable[..., bytes], escape: tuple[str, str]
) -> None:
    changes = [escape, ("allow: [practice, registered_since]", "allow: [practice, list_size]")]
    if "supplies: []" in escape[1]:
        changes += [("supplies: [fire]", "supplies: [fire, hlt.gp]")]
    data = successor(*changes)

    found = {widening.category: widening.party for widening in widenings(first, _load(data))}

    assert found["hlt.gp.registration"] == "northshire-icb-gp"
    if "signs: [No" in escape[1]:
        with pytest.raises(SuccessionError, match="needs its Caldicott Guardian"):
            _take(first, data)


def test_a_health_party_that_is_gone_cannot_have_agreed(
    first: Agreement, successor: Callable[..., bytes]
) -> None:
    moved = ("supplies: [fire]", "supplies: [fire, hlt.gp]")
    data = successor(
        moved,
        (
            "supplies: [hlt.gp], signs: [Caldicott Guardian]",
            "supplies: [], signs: [Caldicott Guardian]",
        ),
        ("allow: [practice, registered_since]", "allow: [practice, list_size]"),
        ("northshire-icb-gp", "northshire-gone"),
    )

    with pytest.raises(SuccessionError, match="northshire-icb-gp needs its Caldicott Guardian"):
        _take(first, data)


def test_reach_tells_fields_kept_back_own_records_and_safe_addresses(
    first: Agreement, successor: Callable[..., bytes]
) -> None:
    open_fields = _load(successor(("      allow: [problem, since]\n", "")))
    closed = _load(successor(("own_records_at_most: 3", "own_records_at_most: 1")))

    kept_back = _load(successor(("      never: [consultation_text]\n", "      never: [date]\n")))
    assert not any(s.endswith(" date") for s in reach_of(kept_back, "hlt.gp.attendance"))
    assert any(s.endswith("holds date") for s in reach_of(first, "hlt.gp.attendance"))
    masked = _load(successor(("      never: [consultation_text]\n", "      mask: [date]\n")))
    assert "holds date" in reach_of(masked, "hlt.gp.attendance")
    assert "shows date unmasked" not in reach_of(masked, "hlt.gp.attendance")
    assert "holds any field" in reach_of(open_fields, "hlt.gp.problems_medication")
    assert "keeps back only consultation_text, third_party_entry" in reach_of(
        open_fields, "hlt.gp.problems_medication"
    )
    assert not any("own record" in s for s in reach_of(closed, "hlt.acute.ed_attendance"))
    assert any("own record" in s for s in reach_of(first, "hlt.acute.ed_attendance"))
    assert "a safe address is open to decider in RED" in reach_of(first, "hou.safe_address")
    assert reach_of(first, "hlt.gp.sexual_health") == reach_of(first, "hlt.weather") == frozenset()


@pytest.mark.parametrize(("code", "widened"), [("csc.letters", False), ("hlt.gp.letters", True)])
def test_a_new_category_is_opened_only_if_it_is_about_health(
    first: Agreement, successor: Callable[..., bytes], code: str, *, widened: bool
) -> None:
    added = f"    {code}:\n      title: Letters\n      sensitivity: 2\n      allow: [date]\n"
    new = _load(successor(("    pol.involvement:\n", f"{added}    pol.involvement:\n")))

    assert [w.category for w in widenings(first, new)] == ([code] if widened else [])
