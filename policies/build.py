"""From a checked document to the values of its terms.

Built only from a document whose shape and references were checked.
"""

from collections.abc import Mapping
from datetime import date, time
from typing import Any

from policies.predicates import ConsentRule, DashRule, Route
from policies.terms import (
    Board,
    Category,
    Concern,
    Contact,
    Gate,
    Gates,
    GroupCap,
    Hours,
    Notice,
    Party,
    Prohibition,
    Purpose,
    Rag,
    Role,
    Rule,
    Team,
    Terms,
)

_WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def build_terms(doc: Mapping[str, Any]) -> Terms:
    """Return the terms of a checked document's `terms` table."""
    isa = doc["isa"]
    return Terms(
        title=isa["title"],
        effective_from=date.fromisoformat(isa["effective_from"]),
        review_due=date.fromisoformat(isa["review_due"]),
        expires=date.fromisoformat(isa["expires"]),
        owner=isa["owner"]["party"],
        board=_board(isa.get("board")),
        parties={k: _party(k, v) for k, v in doc["parties"].items()},
        roles={k: _role(k, v) for k, v in doc["roles"].items()},
        purposes={k: _purpose(k, v) for k, v in doc["purposes"].items()},
        concerns={
            k: Concern(id=k, **{**v, "asks": tuple(v["asks"])}) for k, v in doc["concerns"].items()
        },
        rag={k: _rag(k, v) for k, v in doc["rag"].items()},
        rag_aliases={a: k for k, v in doc["rag"].items() for a in v.get("also_called", ())},
        categories={
            k: _category(k, v, doc["onward"]["default"]) for k, v in doc["categories"].items()
        },
        gates=_gates(doc["gates"]),
        rules=tuple(_rule(entry) for entry in doc["rules"]),
        prohibitions=tuple(
            Prohibition(id=k, **{**v, "categories": tuple(v["categories"])})
            for k, v in doc["prohibitions"].items()
        ),
        reasons_without_consent=tuple(doc["consent"]["reasons_without_consent"]),
        hours=_hours(doc["hours"]),
        teams=tuple(_team(k, v) for k, v in doc.get("teams", {}).items()),
        emergency_lifts=tuple(doc["emergency"]["lifts"]),
        retention=dict(doc["retention"]),
        onward=dict(doc["onward"]),
        notices=tuple(_notice(k, v) for k, v in doc["notices"].items()),
        contacts={k: _contacts(k, v) for k, v in doc["contacts"].items()},
        tests_signed=tuple(doc["tests"]["signed"]),
        document=doc,
    )


def _party(key: str, entry: Mapping[str, Any]) -> Party:
    return Party(
        id=key,
        name=entry["name"],
        kind=entry["kind"],
        supplies=tuple(entry["supplies"]),
        signs=tuple(entry["signs"]),
    )


def _role(key: str, entry: Mapping[str, Any]) -> Role:
    return Role(
        id=key,
        title=entry["title"],
        group=entry["group"],
        parties=(entry["party"], *entry.get("also_parties", ())),
        own=tuple(entry["own"]),
    )


def _purpose(key: str, entry: Mapping[str, Any]) -> Purpose:
    report = entry.get("own_report", {"families": (), "at_most": "0"})
    return Purpose(
        id=key,
        title=entry["title"],
        gateway=entry["gateway"],
        art6=entry["art6"],
        art9=tuple(entry.get("art9", ())),
        art10=tuple(entry.get("art10", ())),
        confidentiality=entry["confidentiality"],
        route=Route(entry.get("route", "ordinary")),
        report_families=tuple(report["families"]),
        report_at_most=int(report["at_most"]),
    )


def _rag(key: str, entry: Mapping[str, Any]) -> Rag:
    deadline = entry.get("deadline")
    return Rag(
        id=key,
        title=entry["title"],
        deadline_hours=None if deadline is None else int(deadline[2:-1]),
        working=entry.get("clock") == "working",
        consent=ConsentRule(entry["consent"]),
        fan_out=entry["fan_out"],
    )


def _category(key: str, entry: Mapping[str, Any], onward: str) -> Category:
    return Category(
        id=key,
        title=entry["title"],
        sensitivity=int(entry["sensitivity"]),
        safe_address=entry.get("safe_address") == "yes",
        allow=tuple(entry["allow"]) if "allow" in entry else None,
        mask=tuple(entry.get("mask", ())),
        never=tuple(entry.get("never", ())),
        onward=entry.get("onward", onward),
    )


def _gates(entry: Mapping[str, Any]) -> Gates:
    dash = entry.get("dash", {"purposes": (), "grades": {}})
    return Gates(
        justification_characters=int(entry["justification_characters"]),
        sensitivity={
            (rag, group): Gate(auto=int(pair["auto"]), review=int(pair["review"]))
            for rag, groups in entry["sensitivity"].items()
            for group, pair in groups.items()
        },
        subject_caps={k: int(v) for k, v in entry["subject_caps"].items()},
        group_caps=tuple(
            GroupCap(
                group=cap["group"],
                families=tuple(cap["families"]),
                at_most={k: int(v) for k, v in cap["at_most"].items()},
            )
            for cap in entry.get("group_caps", ())
        ),
        own_at_most=int(entry["own_records_at_most"]),
        own_groups={k: int(v) for k, v in entry.get("own_records_groups", {}).items()},
        dash_purposes=tuple(dash["purposes"]),
        dash_grades={k: DashRule(v) for k, v in dash["grades"].items()},
        safe_address_rag=tuple(entry["safe_address"]["rag"]),
        safe_address_groups=tuple(entry["safe_address"]["groups"]),
    )


def _rule(entry: Mapping[str, Any]) -> Rule:
    return Rule(
        id=entry["id"],
        effect=entry["effect"],
        when=entry["when"],
        rag=entry.get("rag"),
        reason=entry["reason"],
        legal=entry["legal"],
        why=entry["why"],
        remedy=entry.get("remedy", ""),
        retriable=entry.get("retriable") == "yes",
    )


def _hours(entry: Mapping[str, Any]) -> Hours:
    return Hours(
        opens=time.fromisoformat(entry["open"]),
        closes=time.fromisoformat(entry["close"]),
        days=tuple(_WEEK.index(day) for day in entry["days"]),
        bank_holidays=entry["bank_holidays"] == "england",
        out_of_hours_roles=tuple(entry["out_of_hours_roles"]),
        out_of_hours_rag=tuple(entry["out_of_hours_rag"]),
        opened_in_hours_rag=tuple(entry["opened_in_hours_rag"]),
    )


def _board(entry: Mapping[str, str] | None) -> Board | None:
    if entry is None:
        return None
    return Board(name=entry["name"], approved=date.fromisoformat(entry["approved"]))


def _team(key: str, entry: Mapping[str, Any]) -> Team:
    queue = entry.get("queue", {"concerns": (), "at": "always"})
    return Team(
        id=key,
        title=entry["title"],
        party=entry["party"],
        roles=tuple(entry["roles"]),
        concerns=tuple(queue["concerns"]),
        at=queue["at"],
    )


def _notice(key: str, entry: Mapping[str, Any]) -> Notice:
    return Notice(
        id=key,
        purpose=entry["purpose"],
        supplier=entry["supplier"],
        to=tuple(entry["to"]),
        categories=tuple(entry["categories"]),
        fields=tuple(entry["fields"]),
        deadline=entry["deadline"],
        legal=entry["legal"],
    )


def _contacts(party: str, entry: Mapping[str, Any]) -> tuple[Contact, Contact]:
    return (
        Contact(party=party, **entry["in_hours"]),
        Contact(party=party, **entry["out_of_hours"]),
    )
