"""The MASH summary: one page for the decision, with what is missing and whom to ring.

Item 0 is the referrer's own words. Every item names controller, system, time and answerer. A
finding is drawn from a nil return only under full coverage: a system that was away gives "we do
not know", never "not registered" (issue 8 part 5).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from adapters.deciding import PERMITTED
from adapters.node.answering import Status
from adapters.node.context import Node
from adapters.node.records import Delivered, OpenedSection, Raised, Telephoned
from adapters.protocol import SHARING_RECORD

KNOWN: Final = frozenset(
    {Status.KNOWN_DATA, Status.KNOWN_NO_RELEVANT, Status.KNOWN_WITHHELD, Status.PARTIAL}
)
_DATES: Final = ("date", "at", "start", "from", "opened_at", "since", "week")
_HOME_EDUCATED: Final = "home_educated"


def build_summary(
    node: Node, raised: Raised, opened: list[OpenedSection], *, role: str
) -> dict[str, Any]:
    """Return the summary of a request for one post of this party.

    Args:
        node: This node.
        raised: The request.
        role: The post's role.
        opened: The sections this post has opened, all versions; the newest of each counts.

    """
    with node.store.begin() as tx:
        telephoned = tx.find(Telephoned, reference=raised.id)
        delivered = tx.find(Delivered, reference=raised.id)
    newest = _newest(opened)
    items = [_item(section) for section in newest if section.content["status"] in _WITH_CONTENT]
    items += [_telephone_item(r) for r in telephoned if _may_hear(node, raised, r, role)]
    return {
        "request": raised.id,
        "case": raised.case,
        "rag": raised.case_input["rag"],
        "purpose": raised.case_input["purpose"],
        "raised": _iso(raised.created),
        "due": _due(raised),
        "agreement": node.believed.reference.sha256,
        "ledger": {"size": node.view.seen.size, "root": node.view.seen.root},
        "items": [{"number": 0, "kind": "referral", **raised.case_input["referral"]}]
        + [{"number": number, **item} for number, item in enumerate(items, start=1)],
        "nil_returns": [_nil(s) for s in newest if s.content["status"] == Status.NOT_KNOWN],
        "withheld": [_withheld(s) for s in newest if s.content["status"] in _HELD_BACK],
        "missing": _missing(node, raised, newest, telephoned, delivered, role=role),
        "not_by_this_route": not_by_this_route(raised),
        "findings": findings(newest),
        "chronology": chronology(newest),
    }


_WITH_CONTENT: Final = frozenset({Status.KNOWN_DATA, Status.KNOWN_NO_RELEVANT, Status.PARTIAL})
_HELD_BACK: Final = frozenset({Status.KNOWN_WITHHELD, Status.PARTIAL})
_UNANSWERED: Final = frozenset({Status.PENDING_HUMAN, Status.UNAVAILABLE})


def _newest(opened: Iterable[OpenedSection]) -> list[OpenedSection]:
    newest: dict[tuple[str, str, str], OpenedSection] = {}
    for section in opened:
        if section.category == SHARING_RECORD:
            continue
        key = (section.supplier, section.subject, section.category)
        if key not in newest or newest[key].version < section.version:
            newest[key] = section
    return list(newest.values())


def _item(section: OpenedSection) -> dict[str, Any]:
    content = section.content
    return {
        "kind": "answer",
        "status": content["status"],
        "controller": section.supplier,
        "system": content.get("system", ""),
        "category": section.category,
        "subject": content["subject"],
        "answered_at": content["answered_at"],
        "answered_by": content.get("answered_by"),
        "confirmed_by": content.get("confirmed_by"),
        "version": section.version,
        "rows": content.get("rows", []),
        "note": content.get("note", ""),
    }


def _may_hear(node: Node, raised: Raised, report: Telephoned, role: str) -> bool:
    """A telephone answer is for the posts that the supplier might have answered in writing."""
    return any(
        line["supplier"] == report.supplier
        and (line["party"], line["role"]) == (node.party, role)
        and line["outcome"] in PERMITTED
        for line in raised.preview
    )


def _telephone_item(report: Telephoned) -> dict[str, Any]:
    said = {key: value for key, value in report.report.items() if key != "commitment_key"}
    return {
        "kind": "telephone",
        "status": "REPORTED_BY_TELEPHONE",
        "confirmed": False,
        "controller": report.supplier,
        **said,
        "recorded_at": _iso(report.recorded),
    }


def _nil(section: OpenedSection) -> dict[str, Any]:
    return {
        "controller": section.supplier,
        "system": section.content.get("system", ""),
        "category": section.category,
        "subject": section.content["subject"],
        "answered_at": section.content["answered_at"],
    }


def _withheld(section: OpenedSection) -> dict[str, Any]:
    contact = section.content["contact"]
    return {
        "controller": section.supplier,
        "category": section.category,
        "subject": section.content["subject"],
        "text": f"information held: ring {contact['post']}, {contact['telephone']}",
        "lines": section.content.get("withheld"),
    }


def _missing(
    node: Node,
    raised: Raised,
    newest: list[OpenedSection],
    telephoned: list[Telephoned],
    delivered: list[Delivered],
    *,
    role: str,
) -> list[dict[str, Any]]:
    """Who has not answered, what, why, and whom to ring."""
    now = node.now()
    gaps: dict[tuple[str, str], dict[str, Any]] = {}

    def add(supplier: str, category: str, why: str) -> None:
        contact = node.believed.agreement.contact(supplier, now)
        gap = gaps.setdefault(
            (supplier, why),
            {
                "supplier": supplier,
                "why": why,
                "categories": [],
                "ring": {"post": contact.post, "telephone": contact.telephone},
            },
        )
        if category not in gap["categories"]:
            gap["categories"].append(category)

    opened = {(s.supplier, s.category, s.subject) for s in newest}
    refused = {d.supplier: d.content["rule"] for d in delivered if d.kind == "refusal"}
    rung = {(r.supplier, category) for r in telephoned for category in r.report["categories"]}
    for section in newest:
        if section.content["status"] in _UNANSWERED:
            add(section.supplier, section.category, _why(section))
    for line in raised.preview:
        post = (line["party"], line["role"])
        asked = line["outcome"] in PERMITTED and post == (node.party, role)
        supplier, category = line["supplier"], line["category"]
        answered = (supplier, category, line["subject_ref"] or "") in opened
        if not asked or answered or (supplier, category) in rung:
            continue
        by_telephone = route_of(raised, supplier) == "telephone"
        if supplier in refused:
            add(supplier, category, f"refused by the agency's own rule {refused[supplier]}")
        else:
            add(supplier, category, "no node: by telephone" if by_telephone else "not answered")
    return list(gaps.values())


def _why(section: OpenedSection) -> str:
    if section.content["status"] == Status.PENDING_HUMAN:
        return "the agency is still answering"
    return f"we do not know: the system did not answer ({section.content.get('reason', '')})"


def route_of(raised: Raised, supplier: str) -> str:
    """Return how a supplier is reached: node, telephone or none."""
    asks = (raised.decisions or {}).get("asks", [])
    return next((ask["route"] for ask in asks if ask["supplier"] == supplier), "none")


def not_by_this_route(raised: Raised) -> list[dict[str, Any]]:
    """Return the denials, each with rule, reason, remedy and the human route (promise T8)."""
    return [
        {
            "supplier": line["supplier"],
            "category": line["category"],
            "subject": line["subject"],
            "post": f"{line['party']}/{line['role']}",
            "rule": line["rule"],
            "reason": line["reason"],
            "remedy": line["remedy"],
            "text": f"not by this route: ring {line['contact']['post']}, "
            f"{line['contact']['telephone']}",
        }
        for line in raised.preview
        if line["outcome"] not in PERMITTED
    ]


def findings(newest: list[OpenedSection]) -> list[dict[str, Any]]:
    """Return what follows from nil returns, only where every system asked has answered."""
    found = []
    for category, finding in (
        ("hlt.gp.registration", "NO_GP_REGISTRATION"),
        ("edu.enrolment", "NO_EDUCATION_RECORD"),
    ):
        by_subject: dict[str, list[OpenedSection]] = {}
        for section in newest:
            if section.category == category:
                by_subject.setdefault(section.subject, []).append(section)
        for sections in by_subject.values():
            code = _finding(sections, finding)
            if code is not None:
                subject = sections[0].content["subject"]
                found.append({"finding": code, "subject": subject, "category": category})
    return found


def _finding(sections: list[OpenedSection], finding: str) -> str | None:
    """One finding per subject: home education on the register beats "no record"."""
    rows = [row for section in sections for row in section.content.get("rows", [])]
    if any(row.get(_HOME_EDUCATED) or row.get("status") == "EHE" for row in rows):
        return "HOME_EDUCATED"
    nil = all(section.content["status"] == Status.NOT_KNOWN for section in sections)
    return finding if nil else None


def chronology(newest: Iterable[OpenedSection]) -> list[dict[str, Any]]:
    """Return the dated rows of all agencies in the order of what happened."""
    dated = [
        {
            "date": date,
            "controller": section.supplier,
            "category": section.category,
            "subject": section.content["subject"]["name"],
            "row": row,
        }
        for section in newest
        for row in section.content.get("rows", [])
        if (date := _date_of(row))
    ]
    return sorted(dated, key=lambda event: str(event["date"]))


def _date_of(row: Mapping[str, str]) -> str | None:
    return next((row[name] for name in _DATES if row.get(name)), None)


def _due(raised: Raised) -> str | None:
    due = (raised.decisions or {}).get("due")
    return None if due is None else _iso(due)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
