"""What the documents say exists: links, commands, make targets, tests and message fields."""

import re
import sys
import time
from pathlib import Path
from subprocess import run

import msgspec
import pytest
from typer.testing import CliRunner

from adapters import deciding, protocol
from broker.api import ledger, membership, messages, problems, reading
from broker.cli import app

ROOT = Path(__file__).parents[2]
MASH = Path(sys.executable).with_name("mash")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
GROUPS = ("agreement", "broker", "demo", "doctor", "key", "ledger", "node", "request", "review")
STRUCTS = [
    value
    for module in (protocol, deciding)
    for value in vars(module).values()
    if isinstance(value, type)
    and issubclass(value, msgspec.Struct)
    and value.__module__ == module.__name__
    and value is not protocol.Wire
]
ROUTERS = [module.router for module in (ledger, membership, messages, reading)]
MESSAGES = ROOT / "docs" / "protocol" / "messages.md"


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def slug(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def commands() -> list[str]:
    """Every `mash ...` line of a code block, and every `mash ...` in code within a sentence."""
    found: set[str] = set()
    for document in DOCUMENTS:
        text = document.read_text()
        for block in re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            joined = block.replace("\\\n", " ")
            found |= set(re.findall(r"^\s*(?:\$ )?(mash [^#|>\n]*)", joined, re.MULTILINE))
        found |= set(re.findall(r"`(mash [a-z][^`|\n]*)`", text))
    return sorted(" ".join(command.split()) for command in found)


@pytest.mark.parametrize("document", DOCUMENTS, ids=short)
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        place = (document.parent / name).resolve() if name else document

        assert place.exists(), f"{short(document)} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", place.read_text(), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, target


@pytest.mark.parametrize("command", commands())
def test_every_command_in_the_documents_is_understood(command: str) -> None:
    result = CliRunner().invoke(app, [*command.split()[1:], "--help"])

    assert result.exit_code == 0, result.output


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    for words in (["no-such-group"], ["doctor", "--no-such-option"]):
        assert CliRunner().invoke(app, [*words, "--help"]).exit_code != 0


@pytest.mark.parametrize("document", DOCUMENTS, ids=short)
def test_every_make_target_in_the_documents_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z0-9-]+)", document.read_text(), re.MULTILINE))

    assert named <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=short)
def test_every_test_named_in_the_documents_exists(document: Path) -> None:
    for name, function in re.findall(r"(tests/[\w/]+\.py)::(\w+)", document.read_text()):
        place = ROOT / name

        assert place.is_file(), f"{short(document)} names {name}"
        assert f"def {function}(" in place.read_text(), f"{name} has no {function}"


def test_the_help_is_a_quick_table_of_contents() -> None:
    shown = ""
    seconds = []
    for _ in range(3):  # the best of three, as other tests share the machine
        began = time.perf_counter()
        shown = run([MASH, "--help"], check=True, capture_output=True, text=True).stdout
        seconds.append(time.perf_counter() - began)

    assert min(seconds) < 1
    assert not [group for group in GROUPS if group not in shown]


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_every_field_of_a_message_is_specified(struct: type[msgspec.Struct]) -> None:
    text = (ROOT / "docs" / "protocol" / "messages.md").read_text()
    section = re.search(rf"^#+ {struct.__name__}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)

    assert section is not None, f"messages.md has no section {struct.__name__}"
    own = set(struct.__struct_fields__) - set(protocol.Claims.__struct_fields__)
    fields = struct.__struct_fields__ if struct is protocol.Claims else own
    assert not [field for field in fields if f"`{field}`" not in section[1]]


def test_the_worked_examples_of_the_messages_are_right() -> None:
    text = (ROOT / "docs" / "protocol" / "messages.md").read_text()
    request = "r_aaaaaaaaaaaaaaaaaaaaaaaaaa"
    agreement = protocol.AgreementRef(id="northshire", seq=1, sha256="0" * 64)

    signed = protocol.agreement_signing_input(agreement=agreement, party="police", act="signed")

    assert protocol.sha256_hex(f"{request}|police".encode()) in text
    assert f"order = {protocol.order_id(request, 'police')}\n" in text
    assert f"\n{signed.decode()}\n" in text


def test_every_route_of_the_broker_is_documented() -> None:
    text = MESSAGES.read_text()
    paths = {getattr(route, "path", "") for router in ROUTERS for route in router.routes}
    missing = {
        path
        for path in (re.sub(r"\{(\w+):path\}", r"{index}", path) for path in paths)
        if path not in text and "/" + path.rsplit("/", 1)[-1] not in text
    }

    assert len(paths) > 15
    assert not missing


def test_every_problem_is_documented() -> None:
    text = MESSAGES.read_text()

    assert not {kind.slug for _, kind in problems.PROBLEMS if f"| `{kind.slug}` |" not in text}
