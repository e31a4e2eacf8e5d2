"""An agreement in plain English, Markdown: for signature and for the public page."""

from collections.abc import Iterable, Iterator

from policies.agreement import Agreement
from policies.predicates import ConsentRule
from policies.terms import Rag, Rule

_CONSENT = {
    ConsentRule.NOT_REQUIRED: "consent is not required",
    ConsentRule.SEEK: "consent is sought, or a reason for sharing without it is recorded",
    ConsentRule.REQUIRED: "only with consent",
    ConsentRule.NOT_SHARED: "nothing is shared",
}


def render_markdown(agreement: Agreement) -> str:
    """Return the agreement as Markdown; the hash stands at the end, to be read aloud."""
    return "\n".join(_lines(agreement)) + "\n"


def _lines(agreement: Agreement) -> Iterator[str]:
    terms = agreement.terms
    yield f"# {terms.title}"
    yield ""
    yield (
        f"Version {agreement.version} ({agreement.id}), in force from {terms.effective_from}"
        f" to {terms.expires}, review due {terms.review_due}."
    )
    yield from _section("Who takes part", _parties(agreement))
    yield from _section("Why information is shared", _purposes(agreement))
    yield from _section("How soon, and with what consent", map(_rating, terms.rag.values()))
    yield from _section("What is shared", _categories(agreement))
    yield from _section("Who may see how much", _gates(agreement))
    yield from _section("What is never shared", _prohibitions(agreement))
    yield from _section("Rules, in the order in which they are reported", map(_rule, terms.rules))
    yield from _section("Keeping and passing on", _duties(agreement))
    yield from _section("Whom to ring", _contacts(agreement))
    yield ""
    yield f"SHA-256 of what is signed: `{agreement.sha256}`"


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield ""
    yield f"## {title}"
    yield ""
    yield from lines


def _table(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |"


def _parties(agreement: Agreement) -> Iterator[str]:
    yield _table("Agency", "Supplies", "Signed by the post of")
    yield _table("---", "---", "---")
    for party in agreement.terms.parties.values():
        yield _table(party.name, ", ".join(party.supplies), ", ".join(party.signs))


def _purposes(agreement: Agreement) -> Iterator[str]:
    yield _table("Purpose", "Power", "Article 6", "Articles 9 and 10", "Confidentiality")
    yield _table("---", "---", "---", "---", "---")
    for purpose in agreement.terms.purposes.values():
        conditions = ", ".join(purpose.art9 + purpose.art10) or "none"
        basis = (purpose.gateway, purpose.art6, conditions, purpose.confidentiality)
        yield _table(purpose.title, *basis)


def _rating(rag: Rag) -> str:
    clock = "working" if rag.working else "elapsed"
    within = "" if rag.deadline_hours is None else f"within {rag.deadline_hours} {clock} hours; "
    return f"- **{rag.id.upper()}** ({rag.title}): {within}{_CONSENT[rag.consent]}."


def _categories(agreement: Agreement) -> Iterator[str]:
    terms = agreement.terms
    yield _table("Information", "Code", "Sensitivity", "Supplied by", "Fields", "Never")
    yield _table("---", "---", "---", "---", "---", "---")
    for item in terms.categories.values():
        supplier = terms.parties[agreement.supplier_of(item.id)].name
        fields = "all" if item.allow is None else ", ".join(item.allow)
        never = ", ".join(item.never) or "none"
        yield _table(item.title, item.id, item.sensitivity, supplier, fields, never)


def _gates(agreement: Agreement) -> Iterator[str]:
    terms = agreement.terms
    yield _table("Post", "Rating", "Automatic up to", "After a person looked, up to")
    yield _table("---", "---", "---", "---")
    for role in terms.roles.values():
        for rag in terms.rag:
            gate = terms.gates.sensitivity.get((rag, role.group))
            if gate is not None:
                yield _table(role.title, rag.upper(), gate.auto, gate.review)


def _prohibitions(agreement: Agreement) -> Iterator[str]:
    for item in agreement.terms.prohibitions:
        codes = ", ".join(item.categories) or "no category"
        yield f"- {codes}: {item.why} ({item.legal})"


def _rule(rule: Rule) -> str:
    rating = "" if rule.rag is None else f" ({rule.rag.upper()})"
    remedy = f" What to do: {rule.remedy}" if rule.remedy else ""
    return f"- **{rule.id}** {rule.effect}{rating}: {rule.why} [{rule.legal}]{remedy}"


def _duties(agreement: Agreement) -> Iterator[str]:
    for title, codes in (
        ("Kept", agreement.terms.retention),
        ("Passed on", agreement.terms.onward),
    ):
        for name, code in codes.items():
            yield f"- {title}, {name}: {code}"


def _contacts(agreement: Agreement) -> Iterator[str]:
    yield _table("Agency", "In working hours", "At other times")
    yield _table("---", "---", "---")
    for party, pair in agreement.terms.contacts.items():
        lines = (f"{contact.post}, {contact.telephone}" for contact in pair)
        yield _table(agreement.terms.parties[party].name, *lines)
