"""Loading: what is refused and where, canonical bytes, schedule, look-ups."""

import base64
import json
from datetime import UTC, datetime

import pytest
import rfc8785
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.agreement import Agreement, load_agreement
from policies.errors import AgreementError
from policies.schedule import with_schedule
from policies.schema import json_schema

SMOKE = "{name: S, kind: fire, supplies: [], signs: []}"
SWITCHBOARD = (
    "{in_hours: {post: A, telephone: 01632 960 100},"
    " out_of_hours: {post: A, telephone: 01632 960 100}}"
)
REPLACEMENTS = [
    ("  emergency: {lifts", "  emergancy: {lifts", "emergency"),
    ("effect: hold, when: identity_unc", "effect: Hold, when: identity_unc", "hold"),
    ("when: case_closed", "when: case_close", "case_closed"),
    ("purpose: da_risk, asks", "purpose: da_risc, asks", "da_risk"),
    ("confidentiality: court_order", "confidentiality: court_ordr", "court_order"),
    ("asks: [eh.involvement, eh.assessment]", "asks: [eh.involvment]", "eh.involvement"),
    ("out_of_hours_roles: [edt_worker]", "out_of_hours_roles: [edt_wroker]", "edt_worker"),
    ("reason: isa_not_in_force", "reason: isa_not_in_forse", "isa_not_in_force"),
    ("owner: {party: northshire-cc", "owner: {party: northshire-c", "northshire-cc"),
    ("lifts: [outside_hours]", "lifts: [outside_hour]", "outside_hours"),
    ("id: D02, effect", "id: D01, effect", None),
    ("supplies: [hlt.gp]", "supplies: [hlt]", None),
    ("supplies: [fire]", "supplies: [smoke]", None),
    ("gateway: ca1989_s47, ", "", None),
    ("review_due: 2027-08-31", "review_due: 2026-08-31", None),
    ("effective_from: 2026-09-01", "effective_from: 2026-13-01", None),
    ('close: "17:30"', 'close: "07:30"', None),
    ("red: {decider: {auto: 3, review: 4}", "red: {decider: {auto: 4, review: 3}", None),
    ("red: {decider: {auto: 3, review: 4}", "red: {decider: {auto: 3, review: 9}", None),
    (", deadline: PT24H, clock: elapsed", ", clock: elapsed", None),
    ("id: D18, effect: deny", "id: D18, effect: permit", None),
    ("id: D18, effect: deny", "id: V18, effect: deny", None),
    ("when: case_closed,", "when: case_closed, rag: red,", None),
    ("remedy: Rate the case., ", "", None),
    ("seq: 1\n", "seq: 0\n", None),
    ("ed25519: to-be-pinned", "ed25519: c2hvcnQtYnV0LWxvbmctZW5vdWdo", None),
    ("ed25519: to-be-pinned", "ed25519: '!!!!!!!!!!!!!!!!!!!!!!!!'", None),
    ("size_classes: [4096, 16384", "size_classes: [16384, 4096", None),
    ("to: [school_dsl, ", "to: [school_dls, ", "school_dsl"),
    ("route: notice", "route: ordinary", None),
    ("subject_caps: {subject_child: 4,", "subject_caps: {}\n    dash2: {subject_child: 4,", None),
    ("    northshire-fire: {operator", "    northshire-ice: {operator", None),
    ("    northshire-fire: {name", f"    smoke: {SMOKE}\n    northshire-fire: {{name", None),
    (
        "    northshire-fire: {in_hours",
        f"    northshire-firm: {SWITCHBOARD}\n    northshire-fire: {{in_hours",
        "northshire-fire",
    ),
    ("      green: {decider", "      violet: {decider", None),
    ("  rag:\n", "  rag:\n    violet: {title: x, consent: not_shared, fan_out: none}\n", None),
    ("    green: {title: support with", "    blue2: {title: support with", "blue"),
    ("version: 3.1.0", "version: [3, 1]", None),
    ("id: D02, effect: deny", "id: D02, effect: [deny]", None),
    ("asks: [eh.involvement, eh.assessment]}", "asks: []}", None),
    ("lifts: [outside_hours]", "lifts: {outside_hours: yes}", None),
    ("own_records_groups: {admin: 0}", "own_records_groups: [admin]", None),
    ("ed25519: to-be-pinned", "ed25519: AAAAAAAAAAAAAAAAAAAAA", None),
    ("    northshire-fire: {in_hours", "    northshire-ice: {in_hours", None),
    ("groups: [decider]", "groups: [deciders]", "decider"),
    ("red: {title: immediate", "red: &r {title: immediate", None),
    ("red: {title: immediate", "red: !!map {title: immediate", None),
    ("title: Missing children", "title: *r", None),
    ("  statistics: {min_cell: 5, round: 5}", "  statistics: {min_cell: 5, min_cell: 6}", None),
]


def _load(data: bytes) -> Agreement:
    return load_agreement(data, source="draft.yaml", allow_unpinned=True)


@pytest.mark.parametrize(("old", "new", "suggestion"), REPLACEMENTS)
def test_a_fault_is_refused_with_its_line_and_the_nearest_word(
    northshire_yaml: bytes, old: str, new: str, suggestion: str | None
) -> None:
    text = northshire_yaml.decode()
    assert old in text
    line = text[: text.index(old)].count("\n") + 1

    with pytest.raises(AgreementError) as caught:
        _load(text.replace(old, new, 1).encode())

    assert caught.value.suggestion == suggestion
    assert caught.value.path == "draft.yaml"
    if suggestion is not None:
        assert caught.value.line == line
        assert f"draft.yaml:{line}:" in str(caught.value)


@pytest.mark.parametrize(
    "when",
    ["second_factor_missing", "absolute_bar", "identity_unconfirmed", "above_role_gate"],
)
def test_an_agreement_without_an_obligatory_rule_is_refused(
    northshire_yaml: bytes, when: str
) -> None:
    lines = northshire_yaml.decode().splitlines(keepends=True)
    kept = "".join(line for line in lines if f"when: {when}," not in line)

    with pytest.raises(AgreementError, match=when):
        _load(kept.encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"# only a comment\n",
        b"terms: {}\n---\nterms: {}\n",
        b"terms: {}\n",
        b"[1, 2]\n",
        b"{a: 1}: b\n",
        b"\xff\xfe\x00",
        b"a: \x00",
        b"a: [1\n",
        b"x" * 5_000_000,
        b"[" * 2_000,
        b"a: &a [x]\nb: [*a, *a, *a]\n",
        b'terms: "\\ud800"\n',
    ],
)
def test_what_is_no_agreement_is_refused_by_our_own_error(data: bytes) -> None:
    with pytest.raises(AgreementError):
        _load(data)


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_raise_only_our_error(data: bytes) -> None:
    with pytest.raises(AgreementError):
        _load(data)


@given(position=st.integers(0, 20_000), junk=st.sampled_from(list(":{}[]&*!|>'\"\n\t#-,éx0")))
@settings(max_examples=60, deadline=None)
def test_one_changed_character_loads_or_raises_only_our_error(position: int, junk: str) -> None:
    text = _northshire_text()
    changed = text[: position % len(text)] + junk + text[position % len(text) + 1 :]

    try:
        loaded = _load(changed.encode())
    except AgreementError:
        return

    assert loaded.canonical == rfc8785.dumps(yaml.load(changed, Loader=yaml.BaseLoader))  # noqa: S506  # texts only


def _northshire_text() -> str:
    from importlib import resources  # noqa: PLC0415  # hypothesis takes no function fixture here

    path = resources.files("policies.agreements").joinpath("northshire.yaml")
    return path.read_text(encoding="utf-8")


def test_comments_and_layout_do_not_change_the_hash_but_any_word_does(
    northshire: Agreement, northshire_yaml: bytes
) -> None:
    commented = b"# a remark\n" + northshire_yaml.replace(b"  onward: {", b"\n  onward:   {")
    reworded = northshire_yaml.replace(b"Ask the family and record", b"Ask the family then record")

    assert _load(commented).sha256 == northshire.sha256
    assert _load(reworded).sha256 != northshire.sha256


def test_scalars_are_texts_so_no_is_not_false(northshire: Agreement) -> None:
    document = json.loads(northshire.canonical)

    assert document["schedule"]["seq"] == "1"
    assert document["terms"]["parties"]["northshire-police"]["part3_dpa"] == "yes"


def test_an_unpinned_agreement_is_a_draft(northshire_yaml: bytes, northshire: Agreement) -> None:
    assert not northshire.schedule.pinned
    with pytest.raises(AgreementError, match="not pinned"):
        load_agreement(northshire_yaml, source="northshire.yaml")


def _filled(agreement: Agreement) -> dict[str, object]:
    return {
        "seq": 2,
        "supersedes": agreement.sha256,
        "parties": {
            party: {"ed25519": bytes([n]) * 32, "mldsa65": bytes([n]) * 1952, "operator": party}
            for n, party in enumerate(agreement.terms.parties)
        },
        "broker": {"operator": "ops", "origin": "broker.example/demo", "log_key": b"\x07" * 32},
        "slots": {"red": 1, "other": 1},
        "size_classes": [1024, 65536],
    }


def test_a_filled_schedule_loads_pinned_with_the_same_terms(
    northshire: Agreement, northshire_yaml: bytes
) -> None:
    data = with_schedule(northshire_yaml, _filled(northshire))

    loaded = load_agreement(data, source="signed.yaml")

    assert loaded.schedule.pinned
    assert (loaded.seq, loaded.schedule.supersedes) == (2, northshire.sha256)
    assert loaded.terms == northshire.terms
    assert loaded.schedule.parties["northshire-police"].ed25519 == b"\x01" * 32
    assert loaded.schedule.broker.log_key == b"\x07" * 32
    assert loaded.slot_seconds("red") == loaded.slot_seconds("green") == 1
    assert loaded.schedule.size_classes == (1024, 65536)
    assert loaded.schedule.witness == northshire.schedule.witness


def test_a_key_with_a_second_spelling_is_refused(
    northshire: Agreement, northshire_yaml: bytes
) -> None:
    filled = _filled(northshire)
    key = base64.urlsafe_b64encode(b"\x07" * 32).rstrip(b"=").decode()
    twin = key[:-1] + chr(ord(key[-1]) + 1)
    filled["broker"] = {"operator": "ops", "origin": "broker.example", "log_key": twin}

    with pytest.raises(AgreementError, match="key of 32 bytes"):
        load_agreement(with_schedule(northshire_yaml, filled), source="signed.yaml")


def test_an_unknown_key_in_the_schedule_is_refused(northshire_yaml: bytes) -> None:
    with pytest.raises(AgreementError, match="no key 'sequence'"):
        with_schedule(northshire_yaml, {"sequence": 3})


def test_look_ups(northshire: Agreement) -> None:
    assert northshire.id == "urn:isa:northshire-mash:mash-core"
    assert (northshire.mash, northshire.version, northshire.seq) == ("northshire", "3.1.0", 1)
    assert northshire.supplier_of("hlt.camhs.care_plan") == "northshire-mh"
    assert northshire.own_families("edt_worker") == {"csc", "asc", "eh"}
    assert northshire.role_party("mash_health_navigator") == "northshire-nhs-ft"
    assert northshire.slot_seconds("red") == 10
    assert northshire.slot_seconds(None) == 60
    with pytest.raises(KeyError):
        northshire.supplier_of("hlt.gp.weather")


def test_the_contact_depends_on_the_hour_and_is_never_missing(northshire: Agreement) -> None:
    morning = datetime(2026, 10, 6, 9, tzinfo=UTC)
    night = datetime(2026, 10, 6, 22, tzinfo=UTC)

    assert northshire.contact("northshire-police", morning).post == "Force MASH desk"
    assert northshire.contact("northshire-police", night).post == "Force control room"
    assert northshire.contact("somebody-else", night).telephone == "01632 960 199"


def test_deadlines_run_on_the_agreements_clock(northshire: Agreement) -> None:
    friday = datetime(2026, 10, 9, 15, 30, tzinfo=UTC)  # 16:30 in England

    assert northshire.deadline("red", friday) == datetime(2026, 10, 9, 17, 30, tzinfo=UTC)
    assert northshire.deadline("orange", friday) == datetime(2026, 10, 10, 15, 30, tzinfo=UTC)
    # 72 working hours: 1 on Friday, 7 days of 9 hours, then 8 hours of the tenth weekday.
    assert northshire.deadline("green", friday) == datetime(2026, 10, 21, 15, 30, tzinfo=UTC)
    assert northshire.deadline("blue", friday) is None


def test_the_shape_is_published_as_json_schema(northshire: Agreement) -> None:
    import jsonschema  # noqa: PLC0415  # only here

    validator = jsonschema.Draft202012Validator(json_schema())
    document = json.loads(northshire.canonical)

    validator.validate(document)
    document["terms"]["emergancy"] = {}
    assert not validator.is_valid(document)
