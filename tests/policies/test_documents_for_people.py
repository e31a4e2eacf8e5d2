"""What is written for people and for other systems: page, export, draft."""

import csv
import io
import json
import re
from dataclasses import replace
from datetime import date, time
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import pytest
from typer.testing import CliRunner

from policies.agreement import Agreement, load_agreement
from policies.cases import own_examples, run_examples
from policies.cli import app
from policies.draft import Answers, Pattern, draft
from policies.errors import AgreementError
from policies.export import (
    FLOW_HEADS,
    RECORD_HEADS,
    data_flows,
    processing_record,
    sharing_policy,
    to_csv,
    to_table,
)
from policies.lint import lint
from policies.page import Page, to_html, to_markdown
from policies.render import render

WORDS = ("abandon", "ability", "able")
VOID = {"meta", "br", "link", "img", "input"}


class Outline(HTMLParser):
    """Reads a page as a screen reader would: tags in order, headings, tables, ids, links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(northshire: Agreement) -> Page:
    return render(northshire, words=WORDS)


@pytest.fixture(scope="module")
def outline(page: Page) -> Outline:
    return Outline(to_html(page))


def _shipped(name: str) -> Agreement:
    data = resources.files("policies.agreements").joinpath(f"{name}.yaml").read_bytes()
    return load_agreement(data, source=f"{name}.yaml", allow_unpinned=True)


def test_the_page_names_every_party_rule_number_and_word(northshire: Agreement, page: Page) -> None:
    texts = Outline(to_html(page)).text, to_markdown(page)

    for text in texts:
        for party in northshire.terms.parties.values():
            assert party.name in text
        for rule in northshire.terms.rules:
            assert rule.id in text
            assert rule.why.split("[")[0] in text
        for pair in northshire.terms.contacts.values():
            assert all(contact.telephone in text for contact in pair)
        assert northshire.sha256 in text
        assert "abandon ability able" in text
        assert "person alleged to have caused harm" in text


def test_html_is_well_formed_and_in_british_english(outline: Outline) -> None:
    assert outline.open == []
    assert outline.all("html") == [{"lang": "en-GB"}]
    assert outline.all("title") != []


def test_headings_stand_in_order_and_links_lead_somewhere(outline: Outline) -> None:
    headings = [name for name, _ in outline.tags if re.fullmatch("h[1-6]", name)]
    ids = [attrs["id"] for _, attrs in outline.tags if "id" in attrs]

    assert headings[0] == "h1"
    assert set(headings[1:]) == {"h2"}
    assert len(ids) == len(set(ids))
    for link in outline.all("a"):
        assert str(link["href"]).removeprefix("#") in ids
    for section in outline.all("section"):
        assert section["aria-labelledby"] in ids


def test_tables_have_captions_and_scopes_and_can_be_scrolled_by_keyboard(outline: Outline) -> None:
    tables = len(outline.all("table"))

    assert tables == len(outline.all("caption")) > 8
    assert {cell.get("scope") for cell in outline.all("th")} == {"row", "col"}
    regions = [a for a in outline.all("div") if a.get("class") == "table"]
    assert len(regions) == tables
    assert all(a["tabindex"] == "0" and a["aria-label"] for a in regions)


def test_the_page_fetches_nothing_and_has_a_style_for_print(page: Page) -> None:
    text = to_html(page)

    assert not re.search(r"<(script|link|img|iframe|object|form)\b|url\(|@import|\bsrc=", text)
    assert "@media print" in text


def test_what_an_agreement_says_cannot_break_the_page(northshire_yaml: bytes) -> None:
    text = northshire_yaml.decode().replace(
        "name: Northshire Police,", "name: '<script>alert(1)</script> | **B** [x](y) & \"Co\"',"
    )
    hostile = render(load_agreement(text.encode(), source="hostile", allow_unpinned=True))

    html, markdown = to_html(hostile), to_markdown(hostile)

    assert "<script" not in html
    assert '<script>alert(1)</script> | **B** [x](y) & "Co"' in Outline(html).text
    assert r"\<script\>alert(1)\</script\> \| \*\*B\*\* \[x\](y)" in markdown


@pytest.mark.parametrize("name", ["westmoor", "eastvale"])
def test_the_other_hubs_render_too(name: str) -> None:
    text = Outline(to_html(render(_shipped(name)))).text

    assert "nothing is shared" in text
    assert ("within 4 working hours" in text) is (name == "westmoor")


def test_a_draft_without_board_notice_team_or_mask_renders(northshire_yaml: bytes) -> None:
    text = northshire_yaml.decode()
    for key in ("board", "changelog", "dpia_ref"):
        text = re.sub(rf"^    {key}:.*\n(      - .*\n)?", "", text, flags=re.MULTILINE)
    text = re.sub(r"^  teams:\n(    .*\n)+", "", text, flags=re.MULTILINE)
    text = re.sub(r"^  notices:\n    encompass.*\n", "  notices: {}\n", text, flags=re.MULTILINE)
    text = text.replace("allow: [practice, registered_since]", "mask: []\n      allow: [practice]")
    text = text.replace("      allow: [problem, since]\n", "      mask: [gp]\n")
    bare = load_agreement(text.encode(), source="bare", allow_unpinned=True)

    shown = Outline(to_html(render(bare))).text

    assert "No board has approved it yet" in shown
    assert "all (masked: gp)" in shown
    assert "aloud" not in shown


def test_the_national_format_has_every_name_of_the_draft(northshire: Agreement) -> None:
    policy = json.loads(json.dumps(sharing_policy(northshire)))

    assert policy.keys() >= {
        *("@context", "@type", "@id", "URI", "Identifier", "Name", "Contact", "Party", "Data"),
        *("Purpose", "StartDate", "EndDate", "PermittedUse", "Restrictions"),
        *("DataRecipientResponsibilities", "SecurityMeasure", "LegalCompliance"),
    }
    assert policy["sha256"] == northshire.sha256
    assert (policy["StartDate"], policy["EndDate"]) == ("2026-09-01", "2027-11-30")
    assert {party["CatalogueID"] for party in policy["Party"]} == set(northshire.terms.parties)
    assert {use["Decision"] for use in policy["PermittedUse"]} == {"PERMIT", "REVIEW"}
    barred = "urn:isa:northshire-mash:mash-core:hlt.gp.sexual_health"
    assert barred not in {use["odrl:target"] for use in policy["PermittedUse"]}
    assert [barred] in [bar.get("odrl:target") for bar in policy["Restrictions"]]


def test_data_flows_are_what_the_gates_let_through(northshire: Agreement) -> None:
    rows = [dict(zip(FLOW_HEADS, row, strict=True)) for row in data_flows(northshire)[1:]]
    by = {(row["Category"], row["To post"], row["Rating"]): row for row in rows}

    assert by["hlt.gp.attendance", "mash_social_worker", "amber"]["How"] == "automatic"
    reviewed = by["hlt.gp.problems_medication", "mash_social_worker", "amber"]
    assert reviewed["How"].startswith("after a person")
    assert reviewed["Never"] == "consultation_text, third_party_entry"
    assert ("hlt.gp.problems_medication", "mash_police_researcher", "amber") not in by
    assert not [row for row in rows if row["Category"] == "hlt.gp.sexual_health"]
    notice = by["pol.da_incidents", "school_dsl", "any"]
    assert (notice["How"], notice["Deadline"]) == ("notice", "before_next_school_day")
    assert len(by) == len(rows)


def test_the_record_of_processing_has_a_row_for_every_controller(northshire: Agreement) -> None:
    rows = processing_record(northshire)
    fire = dict(zip(RECORD_HEADS, rows[-1], strict=True))

    assert len(rows) == 1 + len(northshire.terms.parties)
    assert fire["Controller"] == "Northshire Fire and Rescue"
    assert fire["Categories supplied"] == "fire.home_visits"
    assert "Children Act 1989 s.47" in fire["Legal bases"]


def test_a_party_that_supplies_nothing_supplies_none(northshire: Agreement) -> None:
    fire = replace(northshire.terms.parties["northshire-fire"], supplies=())
    parties = {**northshire.terms.parties, "northshire-fire": fire}
    changed = replace(northshire, terms=replace(northshire.terms, parties=parties))

    assert processing_record(changed)[-1][5] == "none"


def test_csv_starts_no_formula() -> None:
    text = to_csv([("a", '=cmd|"x"'), ("+1", "b,c")])

    assert list(csv.reader(io.StringIO(text))) == [["a", '\'=cmd|"x"'], ["'+1", "b,c"]]


def test_a_table_says_which_agreement_it_is_from(northshire: Agreement) -> None:
    text = to_table(northshire, "Data flows", data_flows(northshire))

    assert text.startswith("# Data flows\n")
    assert northshire.sha256 in text


@pytest.fixture
def file(tmp_path: Path, northshire_yaml: bytes) -> Path:
    path = tmp_path / "northshire.yaml"
    path.write_bytes(northshire_yaml)
    return path


def _run(*arguments: object, answers: str | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments], input=answers)
    return result.exit_code, result.output


def test_exports_on_the_command_line(file: Path) -> None:
    code, policy = _run("export", file, "--as", "policy")
    _, flows = _run("export", file, "--as", "flows")
    _, table = _run("export", file, "--as", "flows", "--format", "md")
    _, record = _run("export", file, "--as", "record", "--json")

    assert code == 0
    assert json.loads(policy)["Name"].startswith("Northshire")
    assert next(csv.reader(io.StringIO(flows))) == list(FLOW_HEADS)
    assert table.startswith("# Data flows")
    assert len(json.loads(record)) == 8
    assert _run("export", file, "--as", "record", "--format", "md")[1].startswith("# Record")


def test_widened_on_the_command_line(file: Path, tmp_path: Path) -> None:
    wide = tmp_path / "wide.yaml"
    text = file.read_text().replace("allow: [practice, reg", "allow: [list_size, practice, reg")
    wide.write_text(text)

    code, shown = _run("widened", file, wide)

    assert code == 0
    assert "hlt.gp.registration (Caldicott Guardian of northshire-icb-gp must sign):" in shown
    assert "  holds list_size" in shown
    assert shown.endswith("1 health categories widened\n")
    assert json.loads(_run("widened", file, wide, "--json")[1])[0]["party"] == "northshire-icb-gp"
    assert _run("widened", wide, file)[1] == "0 health categories widened\n"


ANSWERS = Answers(
    hub="Southmere",
    code="southmere",
    pattern=Pattern.TWO_HOURS,
    starts=date(2027, 4, 1),
    opens=time(9, 0),
    closes=time(17, 15),
)


@pytest.mark.parametrize("pattern", list(Pattern))
@pytest.mark.parametrize("starts", [date(2027, 4, 1), date(2027, 12, 21), date(2028, 2, 29)])
def test_a_draft_loads_keeps_its_examples_and_owns_up_to_what_is_missing(
    pattern: Pattern, starts: date
) -> None:
    data = draft(replace(ANSWERS, pattern=pattern, starts=starts))

    agreement = load_agreement(data, source="draft", allow_unpinned=True)
    errors = {finding.check for finding in lint(agreement) if finding.level == "error"}

    assert not any(result.differs for result in run_examples(agreement, own_examples(agreement)))
    assert errors == {"policy_document", "approval"}
    assert (agreement.mash, agreement.version, agreement.terms.board) == (
        "southmere",
        "0.1.0",
        None,
    )
    assert agreement.terms.effective_from == starts
    assert agreement.terms.hours.closes == time(17, 15)
    for name in (b"northshire", b"Northshire", b"westmoor", b"eastvale"):
        assert name not in data.split(b"\n", 1)[1]
    assert data.count(b"CHANGE") > 12


@pytest.mark.parametrize(
    "odd",
    [
        {"hub": "South: mere"},
        {"hub": "x" * 99},
        {"code": "South Mere"},
        {"code": "southmere\n"},
        {"closes": time(9, 0)},
    ],
)
def test_answers_that_make_no_agreement_are_refused(odd: dict[str, object]) -> None:
    with pytest.raises(AgreementError):
        draft(replace(ANSWERS, **odd))  # type: ignore[arg-type]  # odd on purpose


def test_new_asks_and_writes_and_never_overwrites(tmp_path: Path) -> None:
    out = tmp_path / "draft.yaml"
    answers = "Southmere\nsouthmere\ntwo-hours\n2027-04-01\n09:00\n17:00\n"

    code, shown = _run("new", out, answers=answers)
    again, complaint = _run("new", out, answers=answers)

    assert code == 0, shown
    assert f"mash agreement lint {out}" in shown
    assert out.read_bytes() == draft(replace(ANSWERS, closes=time(17, 0)))
    assert again == 2
    assert "exists" in complaint


def test_new_takes_its_answers_as_options_too(tmp_path: Path) -> None:
    out = tmp_path / "draft.yaml"
    options = ["--hub", "Southmere", "--code", "southmere", "--pattern", "back-office"]
    times = ["--starts", "2027-04-01", "--opens", "09:00", "--closes", "08:00"]

    code, complaint = _run("new", out, *options, *times)

    assert code == 2
    assert "close before they open" in complaint
    assert not out.exists()
