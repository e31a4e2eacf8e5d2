"""The shape of an agreement: which keys there are and which words they take."""

import functools
from typing import Final

from policies.document import Node
from policies.predicates import CONDITIONS, MAX_SENSITIVITY, ConsentRule, DashRule, Route
from policies.shapes import Code, Day, Listing, Number, Record, Shape, Table, Text
from policies.vocabulary import vocabulary

FORMAT: Final = "mash-agreement-1"
UNPINNED: Final = "to-be-pinned"
EFFECTS: Final = ("deny", "hold", "permit", "review")
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_TEXT: Final = Text()
_ID: Final = Text(pattern=r"[a-z0-9][a-z0-9_.-]{0,63}", hint="a short code in small letters")
_RULE: Final = Text(pattern=r"[DPV][0-9]{2}", hint="a rule id such as D18")
_PREFIX: Final = Text(pattern=r"[a-z0-9_]+(\.[a-z0-9_]+)*", hint="a category or its family")
_CLOCK: Final = Text(pattern=r"([01][0-9]|2[0-3]):[0-5][0-9]", hint="a time such as 08:30")
_HOURS: Final = Text(pattern=r"PT[1-9][0-9]{0,2}H", hint="hours such as PT24H")
_SUITE: Final = Text(pattern=r"[A-Z0-9-]{4,64}", hint="a suite such as MASH-XC20P-HC-XWING-1")
_PHONE: Final = Text(pattern=r"[0-9 +]{6,20}", hint="a telephone number")
_YES: Final = Code(valid=("yes", "no"))
_LEVEL: Final = Number(low=0, high=MAX_SENSITIVITY)
_KEY: Final = Text(pattern=r"[A-Za-z0-9_-]{20,4000}|to-be-pinned", hint="a key in base64url")


@functools.cache
def document_shape() -> Record:
    """Return the shape of a whole agreement."""
    return Record(needs={"terms": _terms(), "schedule": _schedule()})


def check_shape(root: Node, *, source: str) -> None:
    """Check every key and word of a document.

    Raises:
        AgreementError: With file, line and the nearest valid word.

    """
    document_shape().check(root, source=source, where="agreement")


def json_schema() -> dict[str, object]:
    """Return the JSON Schema of an agreement, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "MASH information sharing agreement",
        **document_shape().schema(),
    }


def _terms() -> Record:
    words = vocabulary()
    return Record(
        needs={
            "format": Code(valid=(FORMAT,)),
            "isa": _isa(),
            "parties": Table(key=_ID, value=_party(), least=2),
            "roles": Table(key=_ID, value=_role(), least=1),
            "purposes": Table(key=Code(valid=words["purposes"]), value=_purpose(), least=1),
            "concerns": Table(key=_ID, value=_concern(), least=1),
            "rag": Table(key=Code(valid=words["rag"]), value=_rag(), least=1),
            "categories": Table(key=_PREFIX, value=_category(), least=1),
            "gates": _gates(),
            "rules": Listing(of=_rule(), least=1),
            "prohibitions": Table(key=_ID, value=_prohibition()),
            "consent": Record(
                needs={
                    "reasons_without_consent": Listing(
                        of=Code(valid=words["reasons_without_consent"])
                    )
                },
                may={"note": _TEXT},
            ),
            "hours": _hours(),
            "emergency": Record(
                needs={"lifts": Listing(of=Code(valid=("outside_hours",))), "review_within": _TEXT}
            ),
            "retention": Record(
                needs=dict.fromkeys(("product", "looked_after", "audit", "unmatched_query"), _TEXT)
            ),
            "onward": Record(
                needs=dict.fromkeys(("default", "to_duty_team", "to_referrer"), _TEXT)
            ),
            "notices": Table(key=_ID, value=_notice()),
            "statistics": Record(
                needs={"min_cell": Number(low=1, high=100), "round": Number(low=1, high=100)}
            ),
            "contacts": Table(key=_ID, value=_contact(), least=1),
            "tests": _tests(),
        },
        may={"teams": Table(key=_ID, value=_team())},
    )


def _isa() -> Record:
    return Record(
        needs={
            "id": Text(pattern=r"urn:[a-z0-9:._-]+", hint="a name such as urn:isa:county:mash"),
            "mash": _ID,
            "version": Text(pattern=r"[0-9]+\.[0-9]+\.[0-9]+", hint="a version such as 3.1.0"),
            "title": _TEXT,
            "effective_from": Day(),
            "review_due": Day(),
            "expires": Day(),
            "owner": Record(needs={"party": _ID, "post": _TEXT}),
        },
        may=dict.fromkeys(
            ("parent", "uri", "supersedes", "dpia_ref", "apd_ref", "privacy_notice"), _TEXT
        )
        | {
            "board": Record(needs={"name": _TEXT, "approved": Day()}),
            "changelog": Listing(of=_TEXT),
        },
    )


def _party() -> Record:
    kinds = vocabulary()["agency_kinds"]
    return Record(
        needs={
            "name": _TEXT,
            "kind": Code(valid=kinds),
            "supplies": Listing(of=_PREFIX),
            "signs": Listing(of=_TEXT),
        },
        may={"part3_dpa": _YES, "controller": _TEXT},
    )


def _role() -> Record:
    return Record(
        needs={"title": _TEXT, "group": _ID, "party": _ID, "own": Listing(of=_PREFIX)},
        may={"also_parties": Listing(of=_ID)},
    )


def _purpose() -> Record:
    words = vocabulary()
    return Record(
        needs={
            "title": _TEXT,
            "gateway": Code(valid=words["gateways"]),
            "art6": Code(valid=words["art6"]),
            "confidentiality": Code(valid=words["confidentiality"]),
        },
        may={
            "art9": Listing(of=Code(valid=words["art9"])),
            "art10": Listing(of=Code(valid=words["art10"])),
            "note": _TEXT,
            "route": Code(valid=[str(route) for route in Route if route is not Route.NONE]),
            "own_report": Record(needs={"families": Listing(of=_PREFIX), "at_most": _LEVEL}),
        },
    )


def _concern() -> Record:
    words = vocabulary()
    return Record(
        needs={
            "title": _TEXT,
            "rag": Code(valid=words["rag"]),
            "purpose": Code(valid=words["purposes"]),
            "asks": Listing(of=_PREFIX, least=1),
        }
    )


def _rag() -> Record:
    return Record(
        needs={
            "title": _TEXT,
            "consent": Code(valid=[str(rule) for rule in ConsentRule]),
            "fan_out": Code(
                valid=(
                    "all_signed_parties",
                    "relevant_to_concern",
                    "consented_parties_only",
                    "none",
                )
            ),
        },
        may={
            "deadline": _HOURS,
            "clock": Code(valid=("elapsed", "working")),
            "also_called": Listing(of=_ID),
        },
    )


def _category() -> Record:
    return Record(
        needs={"title": _TEXT, "sensitivity": _LEVEL},
        may={
            "safe_address": _YES,
            "allow": Listing(of=_ID),
            "mask": Listing(of=_ID),
            "never": Listing(of=_ID),
            "onward": _TEXT,
        },
    )


def _gates() -> Record:
    words = vocabulary()
    rag = Code(valid=words["rag"])
    pair = Record(needs={"auto": _LEVEL, "review": _LEVEL})
    return Record(
        needs={
            "justification_characters": Number(low=1, high=1000),
            "own_records_at_most": _LEVEL,
            "sensitivity": Table(key=rag, value=Table(key=_ID, value=pair, least=1), least=1),
            "subject_caps": Table(key=Code(valid=words["subject_roles"]), value=_LEVEL, least=1),
            "safe_address": Record(needs={"rag": Listing(of=rag), "groups": Listing(of=_ID)}),
        },
        may={
            "own_records_groups": Table(key=_ID, value=_LEVEL),
            "group_caps": Listing(
                of=Record(
                    needs={
                        "group": _ID,
                        "families": Listing(of=_PREFIX, least=1),
                        "at_most": Table(key=rag, value=_LEVEL, least=1),
                    }
                )
            ),
            "dash": Record(
                needs={
                    "purposes": Listing(of=Code(valid=words["purposes"])),
                    "grades": Table(
                        key=Code(valid=words["dash"]),
                        value=Code(valid=[str(rule) for rule in DashRule]),
                    ),
                }
            ),
        },
    )


def _rule() -> Record:
    words = vocabulary()
    return Record(
        needs={
            "id": _RULE,
            "effect": Code(valid=EFFECTS),
            "when": Code(valid=CONDITIONS),
            "reason": Code(valid=words["refusal_reasons"] | words["other_reasons"]),
            "legal": _TEXT,
            "why": _TEXT,
        },
        may={"remedy": _TEXT, "retriable": _YES, "rag": Code(valid=words["rag"])},
    )


def _prohibition() -> Record:
    return Record(needs={"categories": Listing(of=_PREFIX), "legal": _TEXT, "why": _TEXT})


def _hours() -> Record:
    rag = Listing(of=Code(valid=vocabulary()["rag"]))
    return Record(
        needs={
            "open": _CLOCK,
            "close": _CLOCK,
            "days": Listing(of=Code(valid=DAYS), least=1),
            "bank_holidays": Code(valid=("england", "none")),
            "out_of_hours_roles": Listing(of=_ID),
            "out_of_hours_rag": rag,
            "opened_in_hours_rag": rag,
        }
    )


def _notice() -> Record:
    words = vocabulary()
    return Record(
        needs={
            "purpose": Code(valid=words["purposes"]),
            "supplier": _ID,
            "to": Listing(of=_ID, least=1),
            "categories": Listing(of=_PREFIX, least=1),
            "requires": Code(valid=("children_in_household",)),
            "fields": Listing(of=_ID, least=1),
            "deadline": _TEXT,
            "legal": _TEXT,
        }
    )


def _contact() -> Record:
    line = Record(needs={"post": _TEXT, "telephone": _PHONE})
    return Record(needs={"in_hours": line, "out_of_hours": line})


def _team() -> Record:
    queue = Record(
        needs={
            "concerns": Listing(of=_ID, least=1),
            "at": Code(valid=("always", "in_hours", "out_of_hours")),
        }
    )
    return Record(
        needs={"title": _TEXT, "party": _ID, "roles": Listing(of=_ID)}, may={"queue": queue}
    )


def _tests() -> Record:
    text_or_case: Shape = _TEXT
    return Record(
        needs={"signed": Listing(of=_ID)},
        may={"cases": Listing(of=Table(key=_ID, value=text_or_case))},
    )


def _schedule() -> Record:
    party = Record(needs={"ed25519": _KEY, "mldsa65": _KEY, "operator": _TEXT})
    return Record(
        needs={
            "seq": Number(low=1, high=999_999),
            "parties": Table(key=_ID, value=party),
            "broker": Record(needs={"operator": _TEXT, "origin": _TEXT, "log_key": _KEY}),
            "witness": Record(needs={"quorum": Number(low=0, high=100)}),
            "suites": Listing(of=_SUITE, least=1),
            "size_classes": Listing(of=Number(low=1, high=900_000_000), least=1),
            "slots": Record(needs=dict.fromkeys(("red", "other"), Number(low=1, high=600))),
        },
        may={"supersedes": Text(pattern=r"[0-9a-f]{64}", hint="a SHA-256 in hex")},
    )
