"""The commands and what they print: test, lint, explain, diff; examples in files."""

import json
from datetime import datetime
from importlib import resources
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from policies.agreement import Agreement, load_agreement
from policies.cases import file_examples, one_example, own_examples, run_examples
from policies.cli import app
from policies.decide import Engine
from policies.diff import diff
from policies.errors import AgreementError, CasesError
from policies.explain import explain_lines
from policies.lint import lint
from policies.standing import Standing
from policies.vocabulary import vocabulary
from policies.working_time import LOCAL

SCENARIOS = Path(__file__).parent / "data" / "scenarios-public.json"
ROW = {
    "at": "2026-10-06T10:15:00",
    "rag": "amber",
    "purpose": "cin_s17",
    "role": "mash_decision_maker",
    "category": "edu.attendance_exclusion",
    "subject_role": "subject_child",
}


@pytest.fixture
def draft(tmp_path: Path, northshire_yaml: bytes) -> Path:
    path = tmp_path / "draft.yaml"
    path.write_bytes(northshire_yaml)
    return path


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def _changed(northshire_yaml: bytes, *changes: tuple[str, str]) -> Agreement:
    text = northshire_yaml.decode()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return load_agreement(text.encode(), source="changed", allow_unpinned=True)


def test_the_scenario_file_agrees_on_the_command_line(draft: Path) -> None:
    result = _run("test", draft, "--cases", SCENARIOS)

    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "72 rows, 0 differ"


def test_the_agreements_own_examples_agree(draft: Path, northshire: Agreement) -> None:
    results = run_examples(northshire, own_examples(northshire))

    assert len(results) == 6
    assert _run("test", draft).stdout.splitlines()[-1] == "6 rows, 0 differ"


def test_a_differing_row_is_printed_and_fails(draft: Path, tmp_path: Path) -> None:
    file = tmp_path / "cases.json"
    file.write_text(json.dumps([{"id": "X1", "case": ROW, "rows": [{"exp": "PERMIT P11"}]}]))

    result = _run("test", draft, "--cases", file)
    as_json = json.loads(_run("test", draft, "--cases", file, "--json").stdout)

    assert result.exit_code == 1
    assert "X1 row 1" in result.stdout
    assert "expected PERMIT P11, got DENY D18" in result.stdout
    assert result.stdout.splitlines()[-1] == "1 rows, 1 differ"
    assert (as_json["rows"], as_json["differ"]) == (1, 1)
    assert as_json["differing"][0]["got"] == "DENY D18"


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"case_closed": True}, "D05"),
        ({"sealed": True, "rag": "red", "purpose": "cp_s47"}, "D08"),
        ({"safe_address": True}, "D09"),
        ({"category": "hou.safe_address", "rag": "red", "purpose": "cp_s47"}, "V11"),
        ({"role": "receptionist"}, "D10"),
        ({"purpose": "prevent"}, "D20"),
        ({"rag": None}, "D11"),
        ({"rag": "unrated"}, "D11"),
        ({"rag": "blue"}, "D12"),
        ({"justification": "short", "rag": "red", "purpose": "cp_s47"}, "D14"),
        ({"justification": "x" * 30, "rag": "red", "purpose": "cp_s47"}, "P10"),
        ({"purpose": "da_risk", "dash": "standard"}, "D16"),
        ({"purpose": "da_risk", "dash": "medium"}, "P11"),
        ({"purpose": "court_request", "evidenced_authority": True}, "D20"),
        (
            {
                "purpose": "court_request",
                "evidenced_authority": True,
                "category": "csc.plans_status",
            },
            "P31",
        ),
        ({"purpose": "court_request", "category": "csc.plans_status"}, "D20"),
        ({"subject_role": "associate", "rag": "red", "purpose": "cp_s47"}, "D19"),
        ({"consent": {"given": True, "withdrawn": True}}, "D18"),
        ({"consent": {"given": True, "until": "2026-10-06"}}, "P11"),
        ({"consent": {"given": True, "until": "2026-10-05"}}, "D18"),
        ({"consent": {"given": True, "capacity": False}}, "D18"),
        ({"consent": {"given": True, "parties": ["northshire-police"]}}, "D18"),
        ({"at": "2027-12-25T10:15:00"}, "D01"),
        ({"at": "2026-12-28T10:15:00", "consent": {"given": True}}, "D13"),
        ({"category": "edu.weather"}, "D00"),
    ],
)
def test_rows_of_the_other_rules(
    northshire: Agreement, engine: Engine, facts: dict[str, object], expected: str
) -> None:
    example = one_example(northshire, json.dumps(ROW | facts))

    assert engine.decide(example.query, example.case, example.supplier).rule == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[1]",
        b'[{"case": {}}]',
        b'[{"case": 1, "rows": []}]',
        b'[{"case": {}, "rows": [1]}]',
        b'[{"case": {}, "rows": [{"role": "x"}]}]',
        json.dumps([{"case": ROW, "rows": [{"breakglass": True}]}]).encode(),
        json.dumps([{"case": ROW, "rows": [{"at": 3}]}]).encode(),
        json.dumps([{"case": ROW, "rows": [{"consent": {"given": True, "x": 1}}]}]).encode(),
        json.dumps([{"case": ROW, "rows": [{"consent": {"given": 1, "parties": 1}}]}]).encode(),
        b"[" * 100_000,
        b" " * 10_000_001,
    ],
)
def test_a_broken_file_of_examples_is_refused(northshire: Agreement, data: bytes) -> None:
    with pytest.raises(CasesError):
        list(file_examples(northshire, data))


def test_a_broken_agreement_stops_with_its_line_and_code_2(draft: Path) -> None:
    draft.write_text("terms: {}\nschedul: {}\n")

    result = _run("lint", draft)

    assert result.exit_code == 2
    assert f"{draft}:2:" in result.stderr or f"{draft}:1:" in result.stderr


def test_broken_facts_and_files_stop_with_code_2(draft: Path, tmp_path: Path) -> None:
    (tmp_path / "no.json").write_text("no")

    assert _run("explain", draft, "--facts", "{").exit_code == 2
    assert _run("explain", draft, "--facts", json.dumps(ROW | {"rag": "purple"})).exit_code == 2
    assert _run("test", draft, "--cases", tmp_path / "no.json").exit_code == 2
    assert _run("test", draft, "--cases", tmp_path / "missing.json").exit_code == 2


def test_explain_tells_rule_basis_remedy_and_number(draft: Path) -> None:
    result = _run("explain", draft, "--facts", json.dumps(ROW))

    assert result.stdout.startswith("DENY D18 (consent_or_override_reason_required)")
    assert "Haringey" in result.stdout
    assert "Record consent or a reason" in result.stdout
    assert "01632 960 100" in result.stdout
    as_json = json.loads(_run("explain", draft, "--facts", json.dumps(ROW), "--json").stdout)
    assert as_json["rule"] == "D18"
    assert "consent_or_reason_missing" in as_json["facts"]


def test_explaining_tells_that_the_review_is_overdue(draft: Path) -> None:
    result = _run("explain", draft, "--facts", json.dumps(ROW | {"at": "2027-09-01T10:00:00"}))

    assert "warning: isa_review_overdue" in result.stdout


def test_numbers_that_somebody_answers_need_no_warning(northshire_yaml: bytes) -> None:
    real = northshire_yaml.replace(b"telephone: 01632 960", b"telephone: 020 7946")

    found = lint(load_agreement(real, source="real", allow_unpinned=True))

    assert "contacts" not in {finding.check for finding in found}


def test_explaining_a_permit_lists_its_fields(northshire: Agreement, engine: Engine) -> None:
    example = one_example(northshire, json.dumps(ROW | {"rag": "red", "purpose": "cp_s47"}))
    explanation = engine.explain(example.query, example.case, example.supplier)

    text = "\n".join(explain_lines(example.query, explanation))

    assert "fields: week, attendance_percent" in text
    assert "masked: none" in text


def _shipped(name: str) -> Agreement:
    data = resources.files("policies.agreements").joinpath(f"{name}.yaml").read_bytes()
    return load_agreement(data, source=f"{name}.yaml", allow_unpinned=True)


@pytest.mark.parametrize("name", ["northshire", "westmoor", "eastvale"])
def test_shipped_agreements_have_no_lint_error_and_keep_their_examples(name: str) -> None:
    agreement = _shipped(name)

    assert [finding for finding in lint(agreement) if finding.level == "error"] == []
    assert not any(r.differs for r in run_examples(agreement, own_examples(agreement)))


def test_another_hubs_clock_and_ratings_are_configuration() -> None:
    friday_noon = datetime(2026, 10, 9, 13, 0, tzinfo=LOCAL)
    four_ratings, office_hours = _shipped("westmoor"), _shipped("eastvale")

    due = four_ratings.deadline("red", friday_noon)

    assert due == datetime(2026, 10, 9, 17, 0, tzinfo=LOCAL)
    assert four_ratings.deadline("amber", friday_noon) == datetime(2026, 10, 14, 13, tzinfo=LOCAL)
    assert four_ratings.deadline("blue", friday_noon) is None
    with pytest.raises(KeyError):
        office_hours.deadline("red", friday_noon)


def test_gates_and_rules_of_a_rating_that_a_hub_does_not_have() -> None:
    data = resources.files("policies.agreements").joinpath("eastvale.yaml").read_bytes()
    rule = data.replace(
        b"when: within_review_gate, rag: amber", b"when: within_review_gate, rag: red"
    )
    gate = data.replace(b"      amber: {decider", b"      green: {decider")
    assert rule != data != gate

    found = lint(load_agreement(rule, source="rule", allow_unpinned=True))

    assert "rule V12: no rating 'red'" in {finding.message for finding in found}
    with pytest.raises(AgreementError, match="no rating"):
        load_agreement(gate, source="gate", allow_unpinned=True)


def test_statutes_verified_beyond_the_agreements_end_need_no_warning(
    northshire_yaml: bytes,
) -> None:
    short = _changed(
        northshire_yaml,
        ("review_due: 2027-08-31", "review_due: 2026-11-01"),
        ("expires: 2027-11-30", "expires: 2026-11-30"),
    )

    assert "legal_basis" not in {finding.check for finding in lint(short)}


def test_a_rating_that_a_hub_does_not_have_is_undecidable() -> None:
    agreement = _shipped("eastvale")
    example = one_example(agreement, json.dumps(ROW | {"rag": "red"}))
    engine = Engine(agreement, Standing(signed=frozenset(agreement.terms.tests_signed)))

    assert engine.decide(example.query, example.case, example.supplier).rule == "D00"


@pytest.mark.parametrize(
    ("old", "new", "check"),
    [
        ("auto: 3, review: 4", "auto: 4, review: 4", "restricted_automatic"),
        ("never: [source_identity]", "never: [urn]", "fields"),
        ("never: [source_identity]", "mask: [source_identity]", "fields"),
        ("gateway: ca1989_s17", "gateway: ca2004_s16LA", "legal_basis"),
        ("effective_from: 2026-09-01", "effective_from: 1980-09-01", "legal_basis"),
        ("effective_from: 2026-09-01", "effective_from: 1990-09-01", "review"),
        ("    apd_ref: APD-NS-2026-03\n", "", "policy_document"),
        ("approved: 2026-08-18", "approved: 2026-09-02", "approval"),
        ("art6: legal_obligation_6_1_c", "art6: recognised_li_6_1_ea", "legal_basis"),
        ("consent: required, fan_out", "consent: not_required, fan_out", "ratings"),
        ("supplies: [hlt.gp], signs: [Caldicott", "supplies: [hlt.gp], signs: [No", "signatures"),
        ("asks: [eh.involvement, csc.involvement, hlt", "asks: [csc.involvement, hlt", "concerns"),
        ("operator: northshire-broker-operator", "operator: northshire-mh", "operators"),
    ],
)
def test_lint_finds_what_the_parties_cannot_mean(
    northshire_yaml: bytes, old: str, new: str, check: str
) -> None:
    found = lint(_changed(northshire_yaml, (old, new)))

    # The trust's own node is run by northshire-nhs-ft; northshire-mh as operator hosts nobody else.
    errors = {finding.check for finding in found if finding.level == "error"}
    if check == "operators":
        assert errors == set()
        found = lint(_changed(northshire_yaml, (old, "operator: northshire-nhs-ft")))
        errors = {finding.check for finding in found if finding.level == "error"}
    assert check in errors


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("queue: {concerns: [missing_child]", "queue: {concerns: [neglect]"),
        ("decider: {auto: 3, review: 4}", "decider: {auto: 3, review: 3}"),
        (
            "admin: {auto: 0, review: 0}}\n",
            "admin: {auto: 0, review: 0}, x: {auto: 0, review: 0}}\n",
        ),
        ("      allow: [uprn, line, postcode, from, to]\n", ""),
    ],
)
def test_lint_warns_of_what_a_person_should_look_at(
    northshire: Agreement, northshire_yaml: bytes, old: str, new: str
) -> None:
    assert len(lint(_changed(northshire_yaml, (old, new)))) > len(lint(northshire))


def test_lint_on_the_command_line(draft: Path, northshire_yaml: bytes) -> None:
    good = _run("lint", draft)
    draft.write_bytes(northshire_yaml.replace(b"auto: 3, review: 4", b"auto: 4, review: 4"))
    bad = _run("lint", draft, "--json")

    assert good.exit_code == 0
    assert bad.exit_code == 1
    assert json.loads(bad.stdout)[0]["level"] == "error"


def test_equal_agreements_have_no_difference(northshire: Agreement, draft: Path) -> None:
    assert diff(northshire, northshire) == []
    assert _run("diff", draft, draft).stdout == "no difference\n"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "title: Attendance and suspensions\n      sensitivity: 2",
            "title: Attendance and suspensions\n      sensitivity: 1",
            "lets Early help officer (mash_early_help_officer) see Attendance and suspensions",
        ),
        (
            "earlyhelp: {auto: 2, review: 2}, admin",
            "earlyhelp: {auto: 1, review: 2}, admin",
            "(edu.attendance_exclusion) in GREEN unless a person at the supplier decides",
        ),
        ("deadline: PT24H", "deadline: PT20H", "rag.amber.deadline was PT24H, is PT20H"),
        ("own: [prob]}", "own: []}", "roles.mash_probation_officer.own was prob, is empty"),
        ("safe_address: yes\n", "safe_address: no\n", "hou.safe_address.safe_address was yes"),
        ("allow: [practice, registered_since]", "allow: [practice]", "no longer holds registered"),
        ("allow: [practice, registered_since]", "allow: [practice, x]", "may now hold x"),
        ("      allow: [practice, registered_since]\n", "", "may now hold any field"),
        ("kind: fire,", "kind: fire, part3_dpa: no,", "fire.part3_dpa is new: no"),
        (", part3_dpa: yes", "", "parties.northshire-police.part3_dpa is gone (was yes)"),
        ("hfea: {categories: []", "hfea: {categories: [asc]", "prohibitions.hfea.categories was"),
        ("why: The case was rated", "why: The case is rated", "rules.D12.why was"),
        ("3.1.0 adds", "3.1.1 adds", "only wording, examples or the schedule changed"),
    ],
)
def test_diff_speaks_in_sentences(
    northshire: Agreement, northshire_yaml: bytes, old: str, new: str, sentence: str
) -> None:
    sentences = diff(northshire, _changed(northshire_yaml, (old, new)))

    assert any(sentence in line for line in sentences)
    assert all(line.startswith("Version 3.1.0: ") for line in sentences)


def test_diff_on_the_command_line(draft: Path, tmp_path: Path, northshire_yaml: bytes) -> None:
    new = tmp_path / "new.yaml"
    new.write_bytes(northshire_yaml.replace(b"min_cell: 5", b"min_cell: 7"))

    assert "statistics.min_cell was 5, is 7" in _run("diff", draft, new).stdout
    assert len(json.loads(_run("diff", draft, new, "--json").stdout)) == 1


def test_schema_is_printed(draft: Path) -> None:
    assert draft.exists()
    assert json.loads(_run("schema").stdout)["required"] == ["schedule", "terms"]


def test_unsigned_parties_of_the_examples_count_as_unsigned(
    northshire: Agreement, standing: Standing
) -> None:
    assert not standing.is_party("northshire-fire")
    assert northshire.terms.tests_signed


def test_the_vocabulary_keeps_dates_of_statutory_items() -> None:
    words = vocabulary()

    assert words.statutes["daa2021_s49A"].in_force_from is not None
    assert words.statutes["ca2004_s16LA"].in_force_from is None
    assert "cp_s47" in words["purposes"]
