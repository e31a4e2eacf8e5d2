"""Signing and verifying agreements with real keys; replay against a real ledger."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from adapters import protocol as wire
from adapters.agreement.acts import check_acts, read_act, reference_of
from adapters.agreement.cli import app
from adapters.agreement.ledger import PastDecisions, facts_line
from adapters.ceremony import sign_agreement
from adapters.deciding import decide_ask
from adapters.errors import AgreementActError
from audit.entry import Event, draft
from audit.testing import MemoryLedger, digest
from keys.keystore import FileKeyStore
from keys.signing import RootKey
from keys.words import twelve_words
from policies.agreement import Agreement, load_agreement, with_schedule
from policies.decide import Engine
from policies.replay import read_facts
from policies.standing import Standing

SECRET = "a secret for tests only"  # noqa: S105  # guards nothing
GP, FIRE = "northshire-icb-gp", "northshire-fire"
POSTS = ["--post", "Caldicott Guardian"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceremony:
    """An agreement with pinned roots, its file, and a folder with each party's root."""

    folder: Path
    roots: dict[str, RootKey]
    document: bytes
    agreement: Agreement

    def write(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def party(self, party: str) -> Path:
        return self.folder / party


def _template() -> bytes:
    return resources.files("policies.agreements").joinpath("northshire.yaml").read_bytes()


def _pinned(template: bytes, roots: dict[str, RootKey], **schedule: object) -> bytes:
    parties = {
        party: {"ed25519": r.public.ed25519, "mldsa65": r.public.mldsa65, "operator": party}
        for party, r in roots.items()
    }
    broker = {"operator": "ops", "origin": "broker.example/demo", "log_key": b"\x07" * 32}
    return with_schedule(template, {"parties": parties, "broker": broker, **schedule})


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Ceremony:
    folder = tmp_path_factory.mktemp("ceremony")
    template = _template()
    parties = load_agreement(template, source="x", allow_unpinned=True).terms.parties
    roots = {party: RootKey.generate() for party in parties}
    for party in (GP, FIRE):
        (folder / party).mkdir()
        store = FileKeyStore(
            folder / party / "root", secret=SECRET.encode(), operations=1, memory_bytes=8192
        )
        store.put("root", roots[party].to_bytes())
    document = _pinned(template, roots)
    agreement = load_agreement(document, source="northshire.yaml")
    return Ceremony(folder=folder, roots=roots, document=document, agreement=agreement)


@pytest.fixture
def ceremony(made: Ceremony, tmp_path: Path) -> Ceremony:
    for party in (GP, FIRE):
        (tmp_path / party).symlink_to(made.folder / party)
    return Ceremony(
        folder=tmp_path, roots=made.roots, document=made.document, agreement=made.agreement
    )


@pytest.fixture
def file(ceremony: Ceremony) -> Path:
    return ceremony.write("northshire.yaml", ceremony.document)


def _run(*arguments: object, secret: str = SECRET, answers: str | None = None) -> Result:
    return CliRunner(env={"MASH_KEYSTORE_SECRET": secret}).invoke(
        app, [str(argument) for argument in arguments], input=answers
    )


def _sign(ceremony: Ceremony, file: Path, *more: str, party: str = GP, yes: bool = True) -> Result:
    out = ceremony.folder / f"{party}.json"
    options = ["--party", party, "--dir", ceremony.party(party), "--out", out]
    return _run("sign", file, *options, *more, *(["--yes"] if yes else []), answers="n\n")


def test_a_signature_is_over_the_protocols_bytes_and_verifies(
    ceremony: Ceremony, file: Path
) -> None:
    words = " ".join(twelve_words(bytes.fromhex(ceremony.agreement.sha256)))

    result = _sign(ceremony, file, *POSTS)
    shown = _run("verify", file, ceremony.folder / f"{GP}.json")

    assert result.exit_code == 0, result.output
    assert words in result.output
    assert words in shown.output
    assert f"signed: {GP} (Caldicott Guardian)" in shown.output
    assert f"missing: {FIRE}" in shown.output
    assert shown.exit_code == 1  # the others have not signed
    act = read_act((ceremony.folder / f"{GP}.json").read_bytes())
    assert check_acts(ceremony.agreement, [act]).standing.is_party(GP)


def test_when_everybody_has_signed_verify_succeeds(ceremony: Ceremony, file: Path) -> None:
    reference = reference_of(ceremony.agreement)
    files = []
    for party, root in ceremony.roots.items():
        fields = sign_agreement(root, party=party, agreement=reference)
        data = msgspec.json.encode(fields | {"agreement": reference})
        files.append(ceremony.write(f"{party}.json", data))

    result = _run("verify", file, *files, "--sha256", ceremony.agreement.sha256, "--json")

    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert len(found["signed"]) == 8
    assert (found["missing"], found["withdrawn"], len(found["words"])) == ([], [], 12)


def test_who_has_left_is_named(ceremony: Ceremony, file: Path) -> None:
    _sign(ceremony, file, "--withdraw")

    result = _run("verify", file, ceremony.folder / f"{GP}.json", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["withdrawn"] == [GP]


def test_words_that_were_not_compared_sign_nothing(ceremony: Ceremony, file: Path) -> None:
    result = _sign(ceremony, file, *POSTS, yes=False)

    assert result.exit_code == 1
    assert "twelve words" in result.output
    assert not (ceremony.folder / f"{GP}.json").exists()


@pytest.mark.parametrize(
    ("more", "party", "complaint"),
    [
        ((), GP, "has not agreed: --post 'Caldicott Guardian'"),
        (("--post", "Head of IT"), GP, "has not agreed"),
        (("--post", "Chief Fire Officer"), "northshire-ice", "is no party"),
    ],
)
def test_a_party_signs_only_with_its_posts(
    ceremony: Ceremony, file: Path, more: tuple[str, ...], party: str, complaint: str
) -> None:
    (ceremony.folder / "northshire-ice").mkdir()

    result = _sign(ceremony, file, *more, party=party)

    assert result.exit_code == 1
    assert complaint in result.output


def test_another_partys_root_signs_nothing(ceremony: Ceremony, file: Path) -> None:
    out = ceremony.folder / "forged.json"
    options = ["--party", GP, "--dir", ceremony.party(FIRE), "--out", out, "--yes"]

    result = _run("sign", file, *options, *POSTS)

    assert result.exit_code == 1
    assert "not the one in the schedule" in result.output
    assert not out.exists()


@pytest.mark.parametrize(("secret", "complaint"), [("", "MASH_KEYSTORE_SECRET"), ("wrong", "")])
def test_without_the_secret_nothing_is_signed(
    ceremony: Ceremony, file: Path, secret: str, complaint: str
) -> None:
    options = ["--party", GP, "--dir", ceremony.party(GP), "--out", ceremony.folder / "x", "--yes"]

    result = _run("sign", file, *options, *POSTS, secret=secret)

    assert result.exit_code == 1
    assert complaint in result.output
    assert not (ceremony.folder / "x").exists()


def test_a_draft_with_unpinned_keys_cannot_be_signed(ceremony: Ceremony) -> None:
    draft_file = ceremony.write("draft.yaml", _template())

    result = _sign(ceremony, draft_file, *POSTS)

    assert result.exit_code == 2
    assert "not pinned" in result.output


def test_a_signature_is_never_overwritten(ceremony: Ceremony, file: Path) -> None:
    assert _sign(ceremony, file, *POSTS).exit_code == 0
    assert _sign(ceremony, file, *POSTS).exit_code == 1


@pytest.fixture
def widened(ceremony: Ceremony) -> Callable[..., Path]:
    """A function that writes version 2, which opens a GP category and drops the guardian."""

    def write(**schedule: object) -> Path:
        text = _template().decode()
        text = text.replace("allow: [practice, registered_since]", "allow: [practice, list_size]")
        data = _pinned(
            text.encode(),
            ceremony.roots,
            **{"seq": 2, "supersedes": ceremony.agreement.sha256, **schedule},
        )
        return ceremony.write("second.yaml", data)

    return write


def test_a_new_version_says_what_it_opens_before_it_is_signed(
    ceremony: Ceremony, file: Path, widened: Callable[..., Path]
) -> None:
    result = _sign(ceremony, widened(), *POSTS, "--old", str(file))

    assert result.exit_code == 0, result.output
    assert "opens hlt.gp.registration further: holds list_size" in result.output


def test_a_new_version_is_signed_only_against_the_old_one(
    ceremony: Ceremony, file: Path, widened: Callable[..., Path]
) -> None:
    alone = _sign(ceremony, widened(), *POSTS)
    back = _sign(ceremony, widened(seq=1), *POSTS, "--old", str(file))

    assert "name it with --old" in alone.output
    assert "seq 1 is not above 1" in back.output
    assert (alone.exit_code, back.exit_code) == (1, 1)


def _flip(text: str) -> str:
    return ("B" if text[9] == "A" else "A").join((text[:9], text[10:]))


@pytest.mark.parametrize(
    "change",
    [
        {"party": FIRE},
        {"party": "northshire-ice"},
        {"act": "withdrawn"},
        {"act": "blessed"},
        {"agreement": {"id": "urn:isa:northshire-mash:mash-core", "seq": 2, "sha256": "0" * 64}},
        {"ed25519": _flip},
        {"mldsa65": _flip},
        {"ed25519": "AAAA"},
        {"mldsa65": "!"},
        {"surplus": "yes"},
    ],
)
def test_a_changed_act_does_not_verify(
    ceremony: Ceremony, file: Path, change: dict[str, object]
) -> None:
    _sign(ceremony, file, *POSTS)
    fields = json.loads((ceremony.folder / f"{GP}.json").read_bytes())
    for key, value in change.items():
        fields[key] = value(fields[key]) if callable(value) else value
    changed = ceremony.write("changed.json", json.dumps(fields).encode())

    result = _run("verify", file, changed)

    assert result.exit_code == 1
    assert "signed:" not in result.output


@pytest.mark.parametrize("data", [b"", b"{}", b"x" * 70_000, b"\xff"])
def test_what_is_no_act_is_refused(data: bytes) -> None:
    with pytest.raises(AgreementActError):
        read_act(data)


def test_a_text_that_differs_from_the_pinned_hash_is_refused(ceremony: Ceremony) -> None:
    changed = ceremony.write("changed.yaml", ceremony.document.replace(b"PT24H", b"PT48H"))

    result = _run("verify", changed, "--sha256", ceremony.agreement.sha256)

    assert result.exit_code == 1
    assert "not the text of that hash" in result.output


def test_the_rendered_agreement_bears_its_words(ceremony: Ceremony, file: Path) -> None:
    words = " ".join(twelve_words(bytes.fromhex(ceremony.agreement.sha256)))

    assert words in _run("render", file).stdout
    page = _run("render", file, "--as", "html").stdout
    assert page.startswith("<!DOCTYPE html>")
    assert words in page
    assert json.loads(_run("render", file, "--as", "html", "--json").stdout)["html"] == page


REQUEST = "r_" + "a" * 26
CHILD = wire.Subject(ref="s_" + "a" * 26, role="subject_child")
POST = wire.Post(party="northshire-cc", role="mash_decision_maker")


def _messages(reference: wire.AgreementRef) -> tuple[wire.Request, wire.Ask]:
    ask = wire.Ask(
        request=REQUEST,
        supplier="northshire-police",
        salt="0" * 64,
        justified=True,
        items=[
            wire.AskItem(category="pol.da_incidents", subject=CHILD.ref, recipients=[POST]),
            wire.AskItem(category="pol.intel_graded", subject=CHILD.ref, recipients=[POST]),
            wire.AskItem(category="pol.missing", subject=None, recipients=[POST]),
        ],
    )
    at = int(datetime(2026, 10, 6, 9, 15, tzinfo=UTC).timestamp())
    request = wire.Request(
        iss="northshire-cc",
        aud="broker.example/demo",
        iat=at,
        exp=at + 7200,
        jti="j_" + "a" * 26,
        mash="northshire",
        agreement=reference,
        seen=wire.Seen(size=0, root="0" * 64),
        case="c_" + "a" * 26,
        case_seq=0,
        prev=None,
        request=REQUEST,
        actor_ref="p_" + "a" * 26,
        role="mash_decision_maker",
        rag="red",
        purpose="cp_s47",
        concern="physical_abuse_nai",
        facts=wire.ClearFacts(second_factor=True),
        subjects=[CHILD],
        asks=["0" * 64],
    )
    return request, ask


def _recorded(ledger: MemoryLedger, event: Event, party: str, **fields: object) -> None:
    common = {"kid": digest("kid")[:32], "actor_ref": None, "role": None}
    ledger.append(draft(event, party=party, msg=digest(f"{event} {party}"), **common, **fields))  # type: ignore[arg-type]  # fields by name


@pytest.fixture
def ledger(ceremony: Ceremony) -> MemoryLedger:
    """A ledger in which two parties sign and one request is decided."""
    ledger = MemoryLedger()
    reference = msgspec.to_builtins(reference_of(ceremony.agreement))
    signed = ("northshire-cc", "northshire-police", GP)
    for party in signed:
        _recorded(ledger, Event.AGREEMENT_SIGNED, party, agreement=reference)
    _recorded(ledger, Event.AGREEMENT_WITHDRAWN, GP, agreement=reference)
    request, ask = _messages(reference_of(ceremony.agreement))
    standing = Standing(signed=frozenset(signed), withdrawn=frozenset({GP}))
    lines = decide_ask(Engine(ceremony.agreement, standing), request, ask)
    _recorded(
        ledger,
        Event.REQUEST,
        "northshire-cc",
        case=request.case,
        request=REQUEST,
        agreement=reference,
        purpose="cp_s47",
        rag="red",
        asks_root=digest("asks"),
        facts_c=digest("facts"),
        identities=[],
        assurance="app",
        emergency=False,
        deadline=None,
    )
    _recorded(
        ledger,
        Event.ASK,
        "northshire-cc",
        case=request.case,
        request=REQUEST,
        supplier=ask.supplier,
        digest="0" * 64,
        route="none",
        recipients=[{"party": POST.party, "role": POST.role}],
        decisions=[
            {
                "category": line.category,
                "subject": line.subject,
                "party": line.post.party,
                "role": line.post.role,
                "outcome": line.outcome,
                "rules": line.rules,
            }
            for line in lines
        ],
    )
    return ledger


def test_replay_tells_what_a_draft_would_change(
    ceremony: Ceremony, file: Path, ledger: MemoryLedger
) -> None:
    stricter = _template().replace(
        b"decider: {auto: 3, review: 4}", b"decider: {auto: 2, review: 4}"
    )
    draft_file = ceremony.write("draft.yaml", stricter)
    request, ask = _messages(reference_of(ceremony.agreement))
    facts = ceremony.write("facts.jsonl", facts_line(request, ask).encode())
    export = ledger.export(ceremony.folder / "export")
    options = ["--ledger", export, "--facts", facts]

    result = _run("replay", file, draft_file, *options)

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].endswith("for mash_decision_maker: was PERMIT P10, would be REVIEW V11")
    assert "pol.intel_graded from northshire-police" in lines[0]
    assert lines[1:] == ["3 decisions made again, 1 would change"]
    as_json = json.loads(_run("replay", file, draft_file, *options, "--json").stdout)
    assert (as_json["made"], as_json["unlike"], as_json["withheld"]) == (3, [], 0)
    assert as_json["changed"][0]["would_be"] == "REVIEW V11"


def test_replay_owns_up_to_what_it_cannot_make_again(
    ceremony: Ceremony, file: Path, ledger: MemoryLedger
) -> None:
    request, ask = _messages(reference_of(ceremony.agreement))
    other = msgspec.structs.replace(ask, supplier="northshire-mh")
    night = msgspec.structs.replace(request, facts=wire.ClearFacts())
    no_facts = ceremony.write("none.jsonl", facts_line(request, other).encode())
    wrong = ceremony.write("wrong.jsonl", facts_line(night, ask).encode())
    kept = [b"" if number == 1 else entry for number, entry in enumerate(ledger.entries)]
    export = ledger.export(ceremony.folder / "export", entries=kept)

    none = _run("replay", file, file, "--ledger", export, "--facts", no_facts)
    unlike = _run("replay", file, file, "--ledger", export, "--facts", wrong)

    assert "0 decisions made again, 0 would change" in none.stdout
    assert "3 not made again: no facts kept" in none.stdout
    assert "1 entries are withheld in this export" in none.stdout
    assert "3 not as recorded, so nothing is said about them" in unlike.stdout


def test_past_decisions_carry_who_had_signed_then(ceremony: Ceremony, ledger: MemoryLedger) -> None:
    past = list(PastDecisions(ledger.export(ceremony.folder / "export")))

    assert {line.words for line in past} == {"PERMIT P10", "DENY D04"}
    assert {line.agreement for line in past} == {ceremony.agreement.sha256}
    assert past[0].standing.is_party("northshire-police")
    assert not past[0].standing.is_party(GP)


@pytest.mark.parametrize("facts", [b"no\n", b"\xff\n"])
def test_replay_stops_at_facts_that_are_none(
    ceremony: Ceremony, file: Path, ledger: MemoryLedger, facts: bytes
) -> None:
    path = ceremony.write("facts.jsonl", facts)
    export = ledger.export(ceremony.folder / "export")

    result = _run("replay", file, file, "--ledger", export, "--facts", path)
    missing = _run("replay", file, file, "--ledger", ceremony.folder, "--facts", path)

    assert (result.exit_code, missing.exit_code) == (2, 2)


def test_facts_are_read_as_they_are_written(ceremony: Ceremony) -> None:
    request, ask = _messages(reference_of(ceremony.agreement))

    kept = read_facts([facts_line(request, ask)])

    assert kept[REQUEST, ask.supplier].subjects == {CHILD.ref: "subject_child"}
    assert kept[REQUEST, ask.supplier].case.justified
