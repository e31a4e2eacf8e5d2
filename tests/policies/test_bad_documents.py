"""Every bad document of the requirements: refused with file, line and the nearest valid word.

And the loader under fire: mutations of the real agreements raise nothing but our error,
in bounded time and memory. MASH_LONG=1 tries fifty times as many; `fuzz_loader.py` beside
this file does the same under the guidance of coverage.
"""

import functools
import json
import os
import random  # noqa: TID251  # seeded instances only: every run tries the same mutations
import time
import tracemalloc
from dataclasses import replace
from importlib import resources

import pytest
import rfc8785
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.agreement import Agreement, load_agreement
from policies.compile import compile_terms
from policies.decide import Engine, Outcome
from policies.errors import AgreementError, CompileError
from policies.facts import CaseFacts, Query
from policies.standing import Standing

LONG = os.environ.get("MASH_LONG") == "1"  # noqa: TID251  # how long to search, nothing else
MUTATIONS = 20_000 if LONG else 250
SLOWEST_SECONDS = 3.0
MOST_BYTES = 60_000_000
# What was done, old text, new text, where the line is, the nearest valid word.
BAD = [
    ("unknown key", "  emergency: {lifts", "  emergancy: {lifts", "emergency"),
    (
        "misspelt effect",
        "effect: hold, when: identity_unc",
        "effect: Hold, when: identity_unc",
        "hold",
    ),
    (
        "effect of another engine",
        "effect: deny, when: case_cl",
        "effect: Deny, when: case_cl",
        "deny",
    ),
    ("misspelt predicate", "when: record_sealed", "when: record_sealled", "record_sealed"),
    ("an expression", "when: record_sealed", "when: r.sub == 'x' or True", None),
    ("misspelt purpose", "purpose: da_risk, asks", "purpose: da_risc, asks", "da_risk"),
    ("misspelt gateway", "gateway: ca1989_s47", "gateway: ca1989_s74", "ca1989_s47"),
    ("misspelt reason", "reason: case_closed", "reason: case_clossed", "case_closed"),
    (
        "misspelt rating",
        "rag: amber, purpose: cin_s17, asks: [eh.involvement, eh.a",
        "rag: ambre, purpose: cin_s17, asks: [eh.involvement, eh.a",
        "amber",
    ),
    (
        "misspelt category",
        "asks: [eh.involvement, eh.assessment]}",
        "asks: [eh.involvment]}",
        "eh.involvement",
    ),
    ("misspelt field of a rating", "clock: working", "clock: workin", "working"),
    ("duplicate rule id", "id: D05, effect", "id: D04, effect", None),
    ("duplicate key", "    amber: {title: risk", "    red: {title: risk", None),
    ("two suppliers of one system", "supplies: [yjs]", "supplies: [yjs, prob]", None),
    ("missing power", "gateway: ca1989_s17, ", "", None),
    (
        "missing article 6",
        "gateway: ca2014_s42, art6: public_task_6_1_e",
        "gateway: ca2014_s42",
        None,
    ),
    ("dates reversed", "review_due: 2027-08-31", "review_due: 2026-08-31", None),
    ("expires before review", "expires: 2027-11-30", "expires: 2027-01-30", None),
    ("category nobody supplies", "    fire.home_visits:", "    fires.home_visits:", "fire"),
    ("alias", "board: {name", "board: *b {name", None),
    ("tag", "version: 3.1.0", "version: !!python/object:os.system 3.1.0", None),
    ("not a number", "min_cell: 5", "min_cell: five", None),
    ("queue of an unknown concern", "[missing_child], at", "[missing_chlid], at", "missing_child"),
]


def _load(data: bytes, *, unpinned: bool = True) -> Agreement:
    return load_agreement(data, source="draft.yaml", allow_unpinned=unpinned)


@pytest.mark.parametrize(("old", "new", "word"), [row[1:] for row in BAD], ids=[r[0] for r in BAD])
def test_a_bad_document_is_refused_with_file_line_and_nearest_word(
    northshire_yaml: bytes, old: str, new: str, word: str | None
) -> None:
    text = northshire_yaml.decode()
    assert old in text
    line = text[: text.index(old)].count("\n") + 1

    with pytest.raises(AgreementError) as caught:
        _load(text.replace(old, new, 1).encode())

    assert (caught.value.path, caught.value.line) == ("draft.yaml", line)
    assert caught.value.suggestion == word
    assert str(caught.value).startswith(f"draft.yaml:{line}: ")


def test_no_rules_are_refused_where_they_should_stand(northshire_yaml: bytes) -> None:
    text = northshire_yaml.decode()
    start = text.index("  rules:\n")
    rules = text[start : text.index("  # Absolute bars")]

    with pytest.raises(AgreementError, match="at least 1 entry") as caught:
        _load(text.replace(rules, "  rules: []\n").encode())

    assert caught.value.line == text[:start].count("\n") + 1


def test_zero_rows_never_become_a_policy(northshire: Agreement) -> None:
    nothing = replace(northshire.terms, rules=(), rag={}, roles={})

    # Buckets and their sentinels remain, so that an empty Casbin policy never arises.
    policy = compile_terms(nothing)
    assert not policy.allows("auto", rag="red", group="decider", facts=frozenset({"own_records"}))
    with pytest.raises(CompileError):
        type(policy)([])


def test_five_megabytes_are_refused_before_they_are_parsed(northshire_yaml: bytes) -> None:
    began = time.process_time()

    with pytest.raises(AgreementError, match="larger than"):
        _load(northshire_yaml + b"# filler\n" * 600_000)

    assert time.process_time() - began < 0.5


def test_a_bomb_of_aliases_goes_off_nowhere() -> None:
    levels = [b"a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [
        b"a%d: &a%d [%s]" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 40)
    ]

    with pytest.raises(AgreementError, match="anchors are not allowed") as caught:
        _load(b"\n".join(levels))

    assert caught.value.line == 1


def test_an_expired_agreement_shares_nothing(
    northshire: Agreement, standing: Standing, query: Query, case: CaseFacts
) -> None:
    late = replace(case, at=case.at.replace(year=2028))

    assert Engine(northshire, standing).decide(query, late).rule == "D01"


def test_an_unsigned_agreement_shares_nothing(
    northshire: Agreement, query: Query, case: CaseFacts
) -> None:
    nobody = Engine(northshire, Standing(signed=frozenset()))

    assert nobody.decide(query, case).outcome is Outcome.DENY


def _shipped() -> list[bytes]:
    folder = resources.files("policies.agreements")
    return [
        folder.joinpath(f"{n}.yaml").read_bytes() for n in ("northshire", "westmoor", "eastvale")
    ]


def _mutated(chance: random.Random, corpus: list[bytes]) -> bytes:
    """Return a document with lines moved, copied, cut or mixed, or with bytes changed."""
    lines = chance.choice(corpus).splitlines(keepends=True)
    for _ in range(chance.randrange(1, 4)):
        at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        match chance.randrange(7):
            case 0:
                del lines[at : at + chance.randrange(1, 6)]
                lines = lines or [b"\n"]
            case 1:
                lines.insert(at, lines[other])
            case 2:
                lines[at], lines[other] = lines[other], lines[at]
            case 3:
                lines[at] = chance.choice(chance.choice(corpus).splitlines(keepends=True))
            case 4:
                lines[at] = lines[at].replace(b": ", chance.choice(_JUNK), 1)
            case 5:
                words = lines[at].split(b" ")
                words[chance.randrange(len(words))] = chance.choice(_JUNK)
                lines[at] = b" ".join(words)
            case _:
                lines[at] = b" " * chance.randrange(9) + lines[at].lstrip(b" ")
    return b"".join(lines)


_JUNK = [
    b": ",
    b":",
    b"",
    b"{}",
    b"[]",
    b"~",
    b"yes",
    b"'",
    b'"',
    b"&x ",
    b"*x",
    b"!!str ",
    b"- ",
    b"? ",
    b"|\n",
    b"-1",
    b"999999999999",
    b"\xc3\xa9",
    b"\xff",
    b"\x00",
    b"\xe2\x80\xa8",
    b"{" * 400,
    b"[" * 400,
    b"<<: {}",
    b"a" * 5000,
    b"%",
    b"@",
    b"`",
    b"\r",
    b"\xef\xbb\xbf",
    b"2026-02-30",
    b"0x1F",
    b"1e9",
    b".inf",
    b"red",
]


def test_mutations_of_the_real_agreements_raise_only_our_error() -> None:
    corpus, chance = _shipped(), random.Random(4)  # noqa: S311  # seeded on purpose
    slowest, loaded = 0.0, 0
    for _ in range(MUTATIONS):
        data = _mutated(chance, corpus)
        began = time.process_time()
        try:
            agreement = _load(data)
            compile_terms(agreement.terms)
        except AgreementError:
            pass
        else:
            loaded += 1
            plain = yaml.load(data, Loader=yaml.BaseLoader)  # noqa: S506  # texts only
            assert agreement.canonical == rfc8785.dumps(plain)
        slowest = max(slowest, time.process_time() - began)

    assert loaded > 0
    assert slowest < SLOWEST_SECONDS


HOSTILE = [
    b"terms: " + b"{a: " * 10_000,
    b"? " * 200_000,
    b"a: " + b"'" * 999_000,
    b"- " * 400_000,
    b"a: |\n" + b" x\n" * 300_000,
    b"".join(b"k%d: v\n" % n for n in range(90_000)),
    b"[" + b"x, " * 300_000 + b"]",
    b"terms:\n  categories:\n" + b"".join(b"    a.b%d: {}\n" % n for n in range(40_000)),
    b"terms: {format: " + b"m" * 900_000 + b"}",
]


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_megabyte_costs_bounded_time_and_memory(data: bytes) -> None:
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises(AgreementError):
            _load(data[:999_999])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert time.process_time() - began < SLOWEST_SECONDS
    assert peak < MOST_BYTES


@functools.cache
def _canonical() -> bytes:
    return _load(_shipped()[0]).canonical


_SCALAR = st.text(max_size=12) | st.sampled_from(["red", "cp_s47", "2026-09-01", "yes", "3"])
_BRANCH = st.lists(_SCALAR, max_size=3) | st.dictionaries(_SCALAR, _SCALAR, max_size=3)
_INNER = _SCALAR | _BRANCH
_TREE = _INNER | st.lists(_INNER, max_size=3) | st.dictionaries(_SCALAR, _INNER, max_size=3)


@given(path=st.lists(st.integers(0, 40), min_size=1, max_size=5), tree=_TREE)
@settings(max_examples=2_000 if LONG else 60, deadline=None)
def test_any_tree_in_any_place_loads_or_raises_our_error(path: list[int], tree: object) -> None:
    document = json.loads(_canonical())
    place = document
    for number in path[:-1]:
        inside = list(place.values()) if isinstance(place, dict) else place
        if not isinstance(inside, list) or not inside:
            break
        place = inside[number % len(inside)]
    if isinstance(place, dict) and place:
        place[list(place)[path[-1] % len(place)]] = tree

    try:
        agreement = _load(json.dumps(document).encode())  # JSON is YAML on one line
    except AgreementError:
        return

    compile_terms(agreement.terms)
