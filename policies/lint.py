"""Static checks of an agreement beyond what loading refuses.

A finding is an error when the agreement would do something its parties cannot
mean, a warning when a person should look.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from policies.agreement import Agreement
from policies.predicates import MAX_SENSITIVITY, ConsentRule
from policies.succession import GUARDIAN
from policies.terms import Contact, Purpose, covers
from policies.vocabulary import Statute, vocabulary

LONGEST_REVIEW: Final = timedelta(days=731)
EARLY_HELP_FAMILY: Final = ("eh",)
_PART_2_CONDITIONS: Final = "9_2_g_sch1_"
_NOT_PUBLIC: Final = ("vcs_idva", "vcs_other", "school", "housing_ra")
_DRAMA: Final = "01632960"  # Ofcom's range; nobody answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to mend; `level` is error or warning."""

    level: str
    check: str
    message: str


def lint(agreement: Agreement) -> list[Finding]:
    """Return all findings, errors first, in a fixed order."""
    found = [finding for check in _CHECKS for finding in check(agreement)]
    return sorted(found, key=lambda finding: finding.level)


def _error(check: str, message: str) -> Finding:
    return Finding(level="error", check=check, message=message)


def _warning(check: str, message: str) -> Finding:
    return Finding(level="warning", check=check, message=message)


def _restricted_automatic(agreement: Agreement) -> Iterator[Finding]:
    for (rag, group), gate in agreement.terms.gates.sensitivity.items():
        if gate.auto >= MAX_SENSITIVITY:
            yield _error("restricted_automatic", f"{rag}/{group}: sensitivity 4 is automatic")


def _unreachable(agreement: Agreement) -> Iterator[Finding]:
    terms = agreement.terms
    highest = max((gate.review for gate in terms.gates.sensitivity.values()), default=-1)
    barred = tuple(code for p in terms.prohibitions for code in p.categories)
    for category in terms.categories.values():
        if category.sensitivity > highest and not covers(barred, category.id):
            yield _warning("unreachable", f"{category.id}: above every role's review gate")
    groups = {role.group for role in terms.roles.values()}
    for rag, group in terms.gates.sensitivity:
        if group not in groups:
            yield _warning("unreachable", f"gate {rag}/{group}: no role is of this group")
    for rule in terms.rules:
        if rule.rag is not None and rule.rag not in terms.rag:
            yield _warning("unreachable", f"rule {rule.id}: no rating '{rule.rag}'")


def _fields(agreement: Agreement) -> Iterator[Finding]:
    for category in agreement.terms.categories.values():
        allowed = set(category.allow or ())
        for name in sorted(allowed & set(category.never)):
            yield _error("fields", f"{category.id}.{name} is allowed and never")
        for name in sorted(set(category.mask) - allowed):
            yield _error("fields", f"{category.id}.{name} is masked but not allowed")
        if category.allow is None:
            yield _warning("fields", f"{category.id}: no list of fields, so all may be read")


def _legal_basis(agreement: Agreement) -> Iterator[Finding]:
    terms = agreement.terms
    relied = {
        purpose.id: (purpose.gateway, purpose.art6, *purpose.art9, *purpose.art10)
        for purpose in terms.purposes.values()
    } | {"consent": terms.reasons_without_consent}
    by_day: dict[date, dict[str, None]] = {}
    for place, codes in relied.items():
        for code in codes:
            statute = vocabulary().statutes[code]
            yield from _in_force(agreement, place, statute)
            if statute.verify_by < terms.expires:
                by_day.setdefault(statute.verify_by, {})[statute.title] = None
    for day, titles in sorted(by_day.items()):
        yield _warning("legal_basis", f"have a lawyer verify by {day}: {'; '.join(titles)}")
    for purpose in terms.purposes.values():
        yield from _policy_document(agreement, purpose)


def _in_force(agreement: Agreement, place: str, statute: Statute) -> Iterator[Finding]:
    if statute.in_force_from is None:
        yield _error("legal_basis", f"{place}: {statute.title} is not known to be in force")
    elif statute.in_force_from > agreement.terms.effective_from:
        yield _error("legal_basis", f"{place}: {statute.title} commences later")


def _policy_document(agreement: Agreement, purpose: Purpose) -> Iterator[Finding]:
    kinds = {party.kind for party in agreement.terms.parties.values()}
    if purpose.art6 == "recognised_li_6_1_ea" and kinds - set(_NOT_PUBLIC):
        yield _error("legal_basis", f"{purpose.id}: art 6(1)(ea) is not for public authorities")
    needs = any(code.startswith(_PART_2_CONDITIONS) for code in purpose.art9)
    if needs and "apd_ref" not in agreement.terms.document["isa"]:
        message = f"{purpose.id}: Schedule 1 part 2 needs an appropriate policy document"
        yield _error("policy_document", message)


def _ratings(agreement: Agreement) -> Iterator[Finding]:
    for rag in agreement.terms.rag.values():
        if rag.fan_out == "consented_parties_only" and rag.consent is not ConsentRule.REQUIRED:
            yield _error("ratings", f"{rag.id}: asks consented parties but requires no consent")
        if rag.deadline_hours is None:
            continue
        on_duty = rag.id in agreement.terms.hours.out_of_hours_rag
        if not rag.working and not on_duty:
            message = f"{rag.id}: an elapsed clock may end out of hours, when nobody may ask"
            yield _warning("ratings", message)


def _approval(agreement: Agreement) -> Iterator[Finding]:
    terms = agreement.terms
    if terms.board is None:
        yield _error("approval", "isa.board: no board has approved this agreement")
    elif terms.board.approved > terms.effective_from:
        yield _error("approval", "isa.board: approved only after it comes into force")
    queued = {concern for team in terms.teams for concern in team.concerns}
    for concern in sorted(terms.concerns.keys() - queued) if terms.teams else ():
        yield _warning("teams", f"{concern}: comes into no team's queue")
    drama = [p for p, pair in terms.contacts.items() if any(map(_is_invented, pair))]
    if drama:
        message = f"telephone numbers set aside for drama, which nobody answers: {', '.join(drama)}"
        yield _warning("contacts", message)


def _is_invented(contact: Contact) -> bool:
    return contact.telephone.replace(" ", "").startswith(_DRAMA)


def _review(agreement: Agreement) -> Iterator[Finding]:
    terms = agreement.terms
    if terms.review_due - terms.effective_from > LONGEST_REVIEW:
        yield _error("review", "the review is due more than 24 months after the start")


def _signatures(agreement: Agreement) -> Iterator[Finding]:
    terms = agreement.terms
    for party in terms.parties.values():
        if party.is_health and GUARDIAN not in party.signs:
            yield _error("signatures", f"{party.id}: a Caldicott Guardian must sign")
        if party.id not in terms.tests_signed:
            yield _warning("signatures", f"{party.id}: not signed in the agreement's own examples")


def _concerns(agreement: Agreement) -> Iterator[Finding]:
    for concern in agreement.terms.concerns.values():
        if not any(covers(EARLY_HELP_FAMILY, category) for category in concern.asks):
            yield _error("concerns", f"{concern.id}: early help history is not among its asks")


def _operators(agreement: Agreement) -> Iterator[Finding]:
    broker = agreement.schedule.broker.operator
    for party, keys in agreement.schedule.parties.items():
        if keys.operator == broker and party != broker:
            message = f"{party}: its node is run by the broker's operator, who could then read"
            yield _error("operators", message)


_CHECKS: Final[tuple[Callable[[Agreement], Iterator[Finding]], ...]] = (
    _restricted_automatic,
    _unreachable,
    _fields,
    _legal_basis,
    _ratings,
    _approval,
    _review,
    _signatures,
    _concerns,
    _operators,
)
