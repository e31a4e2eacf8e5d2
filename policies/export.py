"""An agreement for others: the national SharingPolicy, data flows, the record of processing.

The SharingPolicy uses the names of the MAIS draft (February 2026) in JSON-LD, with the
permissions and prohibitions as ODRL; what the draft has no name for is left to the
agreement itself, which it points at by URI and SHA-256.
"""

import csv
import io
import re
from typing import Final

from policies.agreement import Agreement
from policies.page import Page, Section, Table, to_markdown
from policies.predicates import ConsentRule
from policies.terms import Category, Gate, Party, Purpose, Rag, Role, covers
from policies.vocabulary import vocabulary

CONTEXT: Final = {
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "dcterms": "http://purl.org/dc/terms/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "@vocab": "urn:mais:sharing-policy:",
    "StartDate": {"@type": "xsd:date"},
    "EndDate": {"@type": "xsd:date"},
}
FLOW_HEADS: Final = (
    *("Category", "Title", "Sensitivity", "From", "To post", "To agency", "Rating", "How"),
    *("Fields", "Masked", "Never", "Deadline", "Consent", "Purposes", "Retention", "Onward"),
)
RECORD_HEADS: Final = (
    *("Controller", "Kind", "Purposes", "Legal bases", "Data subjects", "Categories supplied"),
    *("Recipients", "Retention", "Security", "Transfers outside the UK"),
)
_SPREADSHEET: Final = re.compile(r"[=+\-@\t\r]")


def sharing_policy(agreement: Agreement) -> dict[str, object]:
    """Return the agreement as a MAIS SharingPolicy, JSON-LD."""
    terms, isa = agreement.terms, agreement.terms.document["isa"]
    owner = terms.contacts[terms.owner][0]
    return {
        "@context": CONTEXT,
        "@type": ["SharingPolicy", "odrl:Agreement"],
        "@id": isa.get("uri", agreement.id),
        "URI": isa.get("uri", agreement.id),
        "Identifier": f"{agreement.id}#{agreement.seq}",
        "Name": terms.title,
        "Contact": {"Name": f"{isa['owner']['post']}, {owner.post}", "Telephone": owner.telephone},
        "Party": [
            {"@id": f"{agreement.id}:{party.id}", "name": party.name, "CatalogueID": party.id}
            for party in terms.parties.values()
        ],
        "Data": [_data(agreement, category) for category in terms.categories.values()],
        "Purpose": [_purpose(purpose) for purpose in terms.purposes.values()],
        "StartDate": terms.effective_from.isoformat(),
        "EndDate": terms.expires.isoformat(),
        "PermittedUse": [_permission(agreement, *flow) for flow in _flows(agreement)],
        "Restrictions": _restrictions(agreement),
        "DataRecipientResponsibilities": {
            "Retention": dict(terms.retention),
            "OnwardSharing": dict(terms.onward),
        },
        "SecurityMeasure": _security(agreement),
        "LegalCompliance": {
            key: isa[key] for key in ("dpia_ref", "apd_ref", "privacy_notice") if key in isa
        },
        "dcterms:hasVersion": agreement.version,
        "sha256": agreement.sha256,
    }


def _data(agreement: Agreement, category: Category) -> dict[str, object]:
    return {
        "@id": f"{agreement.id}:{category.id}",
        "Identifier": category.id,
        "Name": category.title,
        "Supplier": agreement.supplier_of(category.id),
        "Sensitivity": category.sensitivity,
        "Fields": None if category.allow is None else list(category.allow),
    }


def _purpose(purpose: Purpose) -> dict[str, object]:
    return {
        "Identifier": purpose.id,
        "Name": purpose.title,
        "Gateway": vocabulary().statutes[purpose.gateway].title,
        "Article6": purpose.art6,
        "Article9": list(purpose.art9),
        "Article10": list(purpose.art10),
        "Confidentiality": purpose.confidentiality,
    }


def _flows(agreement: Agreement) -> list[tuple[Category, Role, Rag, Gate]]:
    """Return what may flow by the gates: not barred, at ratings under which one shares."""
    terms = agreement.terms
    barred = tuple(code for bar in terms.prohibitions for code in bar.categories)
    return [
        (category, role, rag, gate)
        for category in terms.categories.values()
        if not covers(barred, category.id)
        for role in terms.roles.values()
        for rag in terms.rag.values()
        if (gate := terms.gates.sensitivity.get((rag.id, role.group))) is not None
        and rag.consent is not ConsentRule.NOT_SHARED
        and category.sensitivity <= _highest(agreement, category, role, rag, gate)
    ]


def _highest(agreement: Agreement, category: Category, role: Role, rag: Rag, gate: Gate) -> int:
    caps = (
        cap.at_most.get(rag.id, -1)
        for cap in agreement.terms.gates.group_caps
        if cap.group == role.group and covers(cap.families, category.id)
    )
    return min([gate.review, *caps])


def _permission(
    agreement: Agreement, category: Category, role: Role, rag: Rag, gate: Gate
) -> dict[str, object]:
    decision = "PERMIT" if category.sensitivity <= gate.auto else "REVIEW"
    return {
        "@type": "odrl:Permission",
        "odrl:target": f"{agreement.id}:{category.id}",
        "odrl:assigner": agreement.supplier_of(category.id),
        "odrl:assignee": [f"{party}/{role.id}" for party in role.parties],
        "odrl:constraint": {"rag": rag.id, "consent": str(rag.consent)},
        "Decision": decision,
    }


def _restrictions(agreement: Agreement) -> list[dict[str, object]]:
    bars: list[dict[str, object]] = [
        {
            "@type": "odrl:Prohibition",
            "odrl:target": [f"{agreement.id}:{code}" for code in bar.categories],
            "Identifier": bar.id,
            "LegalBasis": bar.legal,
            "Reason": bar.why,
        }
        for bar in agreement.terms.prohibitions
    ]
    return bars + [
        {
            "Identifier": rule.id,
            "Condition": rule.when,
            "LegalBasis": rule.legal,
            "Reason": rule.why,
        }
        for rule in agreement.terms.rules
        if rule.effect in {"deny", "hold"}
    ]


def _security(agreement: Agreement) -> list[str]:
    quorum = agreement.schedule.witness.quorum
    return [
        "sealed end to end to posts of the receiving party; the broker holds no key",
        f"suites: {', '.join(agreement.schedule.suites)}",
        f"every step in a ledger with {quorum} cosignatures by other operators",
        "second factor for everybody who asks",
    ]


def data_flows(agreement: Agreement) -> list[tuple[str, ...]]:
    """Return the data-flow table of a DPIA: `FLOW_HEADS`, then one row a flow."""
    terms = agreement.terms
    purposes = ", ".join(p.id for p in terms.purposes.values() if p.route == "ordinary")
    rows = [FLOW_HEADS]
    for category, role, rag, gate in _flows(agreement):
        automatic = category.sensitivity <= gate.auto
        clock = "working" if rag.working else "elapsed"
        rows.append(
            (
                category.id,
                category.title,
                str(category.sensitivity),
                agreement.supplier_of(category.id),
                role.id,
                ", ".join(role.parties),
                rag.id,
                "automatic" if automatic else "after a person at the supplier looked",
                "all" if category.allow is None else ", ".join(category.allow),
                ", ".join(category.mask),
                ", ".join(category.never),
                f"{rag.deadline_hours} {clock} hours",
                str(rag.consent),
                purposes,
                terms.retention["product"],
                category.onward,
            )
        )
    return rows + [_notice_row(agreement, *pair) for pair in _notified(agreement)]


def _notified(agreement: Agreement) -> list[tuple[str, str, Category]]:
    terms = agreement.terms
    return [
        (notice.id, role, category)
        for notice in terms.notices
        for role in notice.to
        for category in terms.categories.values()
        if covers(notice.categories, category.id)
    ]


def _notice_row(agreement: Agreement, name: str, role: str, category: Category) -> tuple[str, ...]:
    terms = agreement.terms
    notice = next(n for n in terms.notices if n.id == name)
    where = (notice.supplier, role, ", ".join(terms.roles[role].parties), "any", "notice")
    what = (", ".join(notice.fields), ", ".join(category.mask), ", ".join(category.never))
    level = str(category.sensitivity)
    end = (notice.deadline, "none", notice.purpose, terms.retention["product"], category.onward)
    return (category.id, category.title, level, *where, *what, *end)


def processing_record(agreement: Agreement) -> list[tuple[str, ...]]:
    """Return the record of processing (UK GDPR art 30): `RECORD_HEADS`, one row a controller."""
    return [RECORD_HEADS, *(_controller(agreement, p) for p in agreement.terms.parties.values())]


def _controller(agreement: Agreement, party: Party) -> tuple[str, ...]:
    terms, statutes = agreement.terms, vocabulary().statutes
    supplied = [c.id for c in terms.categories.values() if covers(party.supplies, c.id)]
    bases = {
        statutes[code].title: None
        for purpose in terms.purposes.values()
        for code in (purpose.gateway, purpose.art6, *purpose.art9, *purpose.art10)
    }
    others = [name for name in terms.parties if name != party.id]
    return (
        party.name,
        party.kind,
        "; ".join(purpose.title for purpose in terms.purposes.values()),
        "; ".join(bases),
        ", ".join(role.replace("_", " ") for role in terms.gates.subject_caps),
        ", ".join(supplied) or "none",
        ", ".join(others),
        "; ".join(f"{name}: {code}" for name, code in terms.retention.items()),
        "; ".join(_security(agreement)),
        "none",
    )


def to_csv(rows: list[tuple[str, ...]]) -> str:
    """Return rows as CSV (RFC 4180); no cell starts a spreadsheet's formula."""
    out = io.StringIO()
    safe = [[f"'{cell}" if _SPREADSHEET.match(cell) else cell for cell in row] for row in rows]
    csv.writer(out).writerows(safe)
    return out.getvalue()


def to_table(agreement: Agreement, title: str, rows: list[tuple[str, ...]]) -> str:
    """Return rows as a Markdown page that says which agreement they are from."""
    table = Table(caption=title, heads=rows[0], rows=tuple(rows[1:]))
    source = f"{agreement.terms.title}, version {agreement.version}, SHA-256 {agreement.sha256}."
    section = Section(title=title, blocks=(table,))
    return to_markdown(Page(title=title, lead=(source,), sections=(section,)))
