"""Decisions: scenarios, the properties of scenarios D, closed failure, threads, more agreements."""

import random  # noqa: TID251  # seeded instances only: every run decides the same cases
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import pytest

from policies.agreement import Agreement, load_agreement
from policies.cases import file_examples, run_examples
from policies.compile import Policy, Row, rows_of
from policies.decide import Decision, Engine, Outcome
from policies.errors import CompileError, UndecidableError
from policies.facts import CaseFacts, Consent, Query, SupplierFacts
from policies.predicates import CONDITIONS
from policies.standing import Standing

Draw = Callable[[random.Random], tuple[Query, CaseFacts, SupplierFacts]]
ORDER = {Outcome.PERMIT: 0, Outcome.REVIEW: 1, Outcome.DENY: 2}
RUNS = 1_500
SCENARIOS = Path(__file__).parent / "data" / "scenarios-public.json"


def _random(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  # seeded on purpose


def _words(decision: Decision) -> str:
    return f"{decision.outcome} {decision.rule}"


def test_the_public_scenarios_come_out_as_expected(northshire: Agreement) -> None:
    results = run_examples(northshire, file_examples(northshire, SCENARIOS.read_bytes()))

    assert len(results) == 72
    assert [result for result in results if result.differs] == []


def test_m1_without_a_signature_nothing_of_that_supplier_flows(
    northshire: Agreement, standing: Standing, draw: Draw, signers: Callable[..., Standing]
) -> None:
    chance = _random(1)
    party = "northshire-police"
    engines = (
        Engine(northshire, signers(standing, party)),
        Engine(northshire, replace(standing, withdrawn=frozenset({party}))),
    )
    for _ in range(RUNS):
        query, case, supplier = draw(chance)
        if party in {query.supplier, query.recipient_party, case.requester_party}:
            for engine in engines:
                assert engine.decide(query, case, supplier).outcome is Outcome.DENY


def test_m3_a_lower_sensitivity_of_the_same_family_is_never_stricter(
    northshire: Agreement, standing: Standing, draw: Draw, northshire_yaml: bytes
) -> None:
    text = northshire_yaml.decode()
    title = "title: Mental health risk summary\n      sensitivity: 3"
    lower = load_agreement(
        text.replace(title, title[:-1] + "2").encode(), source="lower", allow_unpinned=True
    )
    assert lower.sha256 != northshire.sha256
    high, low = Engine(northshire, standing), Engine(lower, standing)
    chance = _random(3)
    for _ in range(RUNS):
        query, case, supplier = draw(chance)
        query = replace(query, category="hlt.mh.risk_summary", supplier="northshire-mh")
        stricter = ORDER[high.decide(query, case, supplier).outcome]
        assert ORDER[low.decide(query, case, supplier).outcome] <= stricter


def test_m4_a_sealed_record_is_always_denied(engine: Engine, draw: Draw) -> None:
    chance = _random(4)
    for _ in range(RUNS):
        query, case, supplier = draw(chance)
        decision = engine.decide(query, case, replace(supplier, sealed=True))
        assert decision.outcome is Outcome.DENY
        assert decision.fields_allowed == ()


def test_m6_an_unconfirmed_identity_is_never_permitted(engine: Engine, draw: Draw) -> None:
    chance = _random(6)
    for _ in range(RUNS):
        query, case, supplier = draw(chance)
        decision = engine.decide(query, case, replace(supplier, identity_confirmed=False))
        assert decision.outcome is not Outcome.PERMIT


def test_m7_the_order_of_policy_rows_does_not_matter(northshire: Agreement) -> None:
    rows = list(rows_of(northshire.terms))
    shuffled = rows.copy()
    _random(7).shuffle(shuffled)
    one, two = Policy(rows), Policy(shuffled)
    facts = sorted({row.when for row in rows})
    chance = _random(8)
    for _ in range(300):
        held = frozenset(chance.sample(facts, chance.randrange(4)))
        key = {"rag": chance.choice(["red", "amber"]), "group": chance.choice(["prof", "admin"])}
        for act in ("auto", "review"):
            assert one.allows(act, **key, facts=held) is two.allows(act, **key, facts=held)
        assert one.matching(**key, facts=held) == two.matching(**key, facts=held)


def test_m9_business_support_never_sees_above_sensitivity_0(
    engine: Engine, draw: Draw, northshire: Agreement
) -> None:
    chance = _random(9)
    for _ in range(RUNS):
        query, case, supplier = draw(chance)
        query = replace(query, recipient_role="mash_business_support")
        if northshire.terms.categories[query.category].sensitivity > 0:
            assert engine.decide(query, case, supplier).outcome is Outcome.DENY


@pytest.mark.parametrize(
    "day", [datetime(2026, 8, 31, tzinfo=UTC), datetime(2027, 12, 1, tzinfo=UTC)]
)
def test_m10_outside_its_dates_everything_is_d01(engine: Engine, draw: Draw, day: datetime) -> None:
    chance = _random(10)
    for _ in range(RUNS // 3):
        query, case, supplier = draw(chance)
        at = day + timedelta(minutes=chance.randrange(600))
        assert engine.decide(query, replace(case, at=at), supplier).rule == "D01"


def test_the_brokers_decision_is_a_ceiling(engine: Engine, draw: Draw) -> None:
    chance = _random(11)
    for _ in range(RUNS):
        query, case, supplier = draw(chance)
        ceiling, effective = engine.decide(query, case), engine.decide(query, case, supplier)
        assert ORDER[effective.outcome] >= ORDER[ceiling.outcome]
        if effective.outcome is not Outcome.DENY:
            assert set(effective.fields_allowed or ()) <= set(ceiling.fields_allowed or ())


def test_emergency_access_lifts_hours_and_nothing_else(engine: Engine, draw: Draw) -> None:
    chance = _random(12)
    for _ in range(RUNS):
        query, case, supplier = draw(chance)
        plain = engine.decide(query, replace(case, emergency=False), supplier)
        lifted = engine.decide(query, replace(case, emergency=True), supplier)
        assert {fired.rule for fired in lifted.fired if fired.effect == "deny"} == {
            fired.rule for fired in plain.fired if fired.effect == "deny"
        } - {"D13"}


def test_every_denial_says_what_to_do_and_whom_to_ring(engine: Engine, draw: Draw) -> None:
    chance = _random(13)
    for _ in range(RUNS):
        decision = engine.decide(*draw(chance))
        assert decision.contact.telephone
        assert decision.rule == decision.fired[0].rule
        if decision.outcome is Outcome.DENY:
            assert decision.remedy


@pytest.mark.parametrize(
    ("of_query", "of_case"),
    [
        ({"category": "pol.weather"}, {}),
        ({"category": ""}, {}),
        ({"supplier": "northshire-mh"}, {}),
        ({"supplier": "nobody"}, {}),
        ({"subject_role": "victim"}, {}),
        ({"category": ["pol.da_incidents"]}, {}),
        ({"supplier": {}}, {}),
        ({}, {"rag": "purple"}),
        ({}, {"rag": ["red"]}),
        ({}, {"dash": "extreme"}),
        ({}, {"consent": "yes", "rag": "green"}),
        ({}, {"purpose": {}}),
        ({}, {"second_factor": "no"}),
        ({}, {"justified": "no"}),
    ],
)
def test_what_nobody_knows_is_denied_as_undecidable(
    engine: Engine,
    query: Query,
    case: CaseFacts,
    of_query: dict[str, object],
    of_case: dict[str, object],
) -> None:
    odd_query = replace(query, **of_query)  # type: ignore[arg-type]  # wrong types on purpose
    odd_case = replace(case, **of_case)  # type: ignore[arg-type]  # wrong types on purpose

    decision = engine.decide(odd_query, odd_case)

    assert _words(decision) == "DENY D00"
    assert decision.contact.telephone
    assert decision.fields_allowed == ()


def test_what_no_rule_speaks_about_is_denied_as_undecidable(
    northshire_yaml: bytes, standing: Standing, query: Query, case: CaseFacts
) -> None:
    lines = northshire_yaml.decode().splitlines(keepends=True)
    silent = load_agreement(
        "".join(line for line in lines if "id: V11" not in line).encode(),
        source="silent",
        allow_unpinned=True,
    )
    restricted = replace(query, category="csc.adoption_preidentity", supplier="northshire-cc")

    decision = Engine(silent, standing).decide(restricted, case)

    assert _words(decision) == "DENY D00"


def test_explaining_what_nobody_knows_names_the_fact(
    engine: Engine, query: Query, case: CaseFacts
) -> None:
    with pytest.raises(UndecidableError) as caught:
        engine.explain(query, replace(case, rag="purple"))

    assert caught.value.fact == "rag"


def test_an_unlisted_reason_is_no_reason(engine: Engine, query: Query, case: CaseFacts) -> None:
    amber = replace(case, rag="amber", purpose="cin_s17")

    assert engine.decide(query, replace(amber, reason_without_consent="because")).rule == "D18"
    listed = replace(amber, reason_without_consent="seeking_would_increase_risk")
    assert engine.decide(query, listed).rule == "P11"


def test_a_post_of_another_party_is_not_in_the_agreement(
    engine: Engine, query: Query, case: CaseFacts
) -> None:
    posing = replace(query, recipient_party="probation-ne")

    assert _words(engine.decide(posing, case)) == "DENY D10"


def test_asking_for_the_suppliers_own_post_still_needs_consent(
    engine: Engine, query: Query, case: CaseFacts
) -> None:
    own = replace(
        query, recipient_role="mash_police_researcher", recipient_party="northshire-police"
    )
    green = replace(case, rag="green", purpose="early_help")

    asked_by_council = engine.decide(own, green)
    asked_by_police = engine.decide(own, replace(green, requester_party="northshire-police"))

    assert _words(asked_by_council) == "DENY D15"
    assert _words(asked_by_police) == "PERMIT P05"


def test_a_case_opened_in_hours_may_go_on_in_red_only(
    engine: Engine, query: Query, case: CaseFacts
) -> None:
    night = replace(case, at=datetime(2026, 10, 6, 21, 15, tzinfo=UTC))
    amber = replace(night, rag="amber", consent=Consent(given=True))

    assert engine.decide(query, night).rule == "D13"
    assert engine.decide(query, replace(night, opened_in_hours=True)).rule == "P10"
    assert engine.decide(query, replace(amber, opened_in_hours=True)).rule == "D13"


def test_a_notice_to_a_school_holds_its_own_fields_only(
    engine: Engine, query: Query, case: CaseFacts
) -> None:
    notice = replace(case, purpose="encompass", rag=None, children_in_household=True)
    to_school = replace(query, recipient_role="school_dsl", subject_role="subject_child")

    decision = engine.decide(to_school, notice)

    assert _words(decision) == "PERMIT P30"
    assert decision.fields_allowed == ("incident_no", "date", "children_present", "oic_contact")
    assert engine.decide(to_school, case).outcome is Outcome.DENY


def test_the_bars_of_every_agreement_the_supplier_signed_bind(
    northshire: Agreement, northshire_yaml: bytes, standing: Standing, query: Query, case: CaseFacts
) -> None:
    text = northshire_yaml.decode().replace(
        "hfea: {categories: [], legal: Human", "hfea: {categories: [pol], legal: Human"
    )
    regional = load_agreement(text.encode(), source="regional", allow_unpinned=True)
    signed = Engine(northshire, standing, [(regional, standing)])
    unsigned = Engine(northshire, standing, [(regional, Standing(signed=frozenset()))])

    barred = signed.decide(query, case)

    assert _words(barred) == "DENY D07"
    assert "Human Fertilisation" in barred.fired[0].legal
    assert _words(unsigned.decide(query, case)) == "PERMIT P10"


def test_a_remembered_decision_is_the_fresh_one(
    northshire: Agreement, standing: Standing, draw: Draw
) -> None:
    remembering = Engine(northshire, standing, cache_entries=50)
    forgetful = Engine(northshire, standing, cache_entries=0)
    chance = _random(14)
    drawn = [draw(chance) for _ in range(150)]
    for query, case, supplier in drawn + drawn:
        later = replace(case, at=case.at + timedelta(seconds=20))
        fresh = forgetful.decide(query, later, supplier)
        assert remembering.decide(query, case, supplier) == fresh


def test_eight_threads_decide_as_one_does(
    northshire: Agreement, standing: Standing, draw: Draw
) -> None:
    chance = _random(15)
    drawn = [draw(chance) for _ in range(400)]
    alone = [_words(Engine(northshire, standing).decide(*one)) for one in drawn[:40]]
    # Several engines at once, forgetting and remembering: Casbin's state is the process's.
    shared = [Engine(northshire, standing, cache_entries=n) for n in (0, 0, 30, 1_000)]

    def decide(number: int) -> str:
        return _words(shared[number % len(shared)].decide(*drawn[number // len(shared) % 400]))

    with ThreadPoolExecutor(max_workers=8) as pool:
        together = list(pool.map(decide, range(2 * 400 * len(shared))))

    assert together[: 40 * len(shared) : len(shared)] == alone
    one_round = 400 * len(shared)
    assert together[:one_round] == together[one_round:]
    for number in range(1, len(shared)):
        assert together[number :: len(shared)] == together[:: len(shared)]


def test_decisions_are_plain_json(engine: Engine, query: Query, case: CaseFacts) -> None:
    import json  # noqa: PLC0415  # only here

    data = json.loads(json.dumps(engine.decide(query, case).to_json()))

    assert data["outcome"] == "PERMIT"
    assert data["fired"][0]["rule"] == "P10"
    assert data["contact"]["party"] == "northshire-police"


def _row(**changes: str) -> Row:
    fields = {"act": "auto", "rag": "red", "group": "prof", "when": "case_closed", "eft": "deny"}
    return Row(**({**fields, "rule": "D05"} | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"eft": "Deny"},
        {"eft": ""},
        {"act": "AUTO"},
        {"act": "*"},
        {"when": "True"},
        {"when": ""},
        {"when": "case_closd"},
        {"rag": "*"},
        {"group": ""},
    ],
)
def test_a_row_that_casbin_would_ignore_or_widen_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(CompileError):
        Policy([_row(**changes)])


def test_no_rows_no_policy_and_no_bucket_no_permission() -> None:
    with pytest.raises(CompileError):
        Policy([])
    policy = Policy([_row(eft="allow", when="own_records", rule="P05")])
    held = frozenset({"own_records", ""})

    assert policy.allows("auto", rag="red", group="prof", facts=held)
    assert not policy.allows("auto", rag="violet", group="prof", facts=held)
    assert not policy.allows("auto", rag="", group="", facts=frozenset({""}))
    assert not policy.allows("review", rag="red", group="prof", facts=held)


def test_every_bucket_has_its_sentinel_and_all_obligatory_denials(northshire: Agreement) -> None:
    rows = list(rows_of(northshire.terms))
    buckets = {(row.act, row.rag, row.group) for row in rows}

    assert len(buckets) == 2 * 5 * 7
    for bucket in buckets:
        inside = {row.rule for row in rows if (row.act, row.rag, row.group) == bucket}
        assert {"S00", "D01", "D02", "D03", "D07", "D08", "D20"} <= inside


def test_the_model_has_no_wildcard_and_no_eval() -> None:
    model = resources.files("policies").joinpath("model.conf").read_text(encoding="utf-8")

    assert "eval(" not in model
    assert '"*"' not in model
    assert "absolute_bar" in CONDITIONS


def test_the_compiled_matcher_answers_as_casbins_own_evaluator_does(northshire: Agreement) -> None:
    import casbin  # noqa: PLC0415  # only here

    rows = list(rows_of(northshire.terms))
    text = resources.files("policies").joinpath("model.conf").read_text(encoding="utf-8")
    stock = casbin.Enforcer(casbin.Enforcer.new_model(text=text))
    stock.add_function("holds", lambda facts, when: when != "" and when in facts)
    stock.model.model["p"]["p"].policy = [row.values() for row in rows]
    ours, chance = Policy(rows), _random(21)
    facts = sorted({row.when for row in rows} | {"", "True", "r_facts"})
    for _ in range(40):
        held = frozenset(chance.sample(facts, chance.randrange(5)))
        rag = chance.choice(["red", "amber", "green", "blue", "unrated", "violet", "", "*"])
        group = chance.choice(["decider", "prof", "police", "admin", "no_group", "", "*"])
        for act in ("auto", "review", "*", ""):
            wanted = stock.enforce(act, rag, group, held)
            assert ours.allows(act, rag=rag, group=group, facts=held) is wanted
