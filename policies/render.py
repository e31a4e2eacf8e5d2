"""An agreement in plain English: for signature, for the board, for the public page."""

from collections.abc import Iterator, Sequence

from policies.agreement import Agreement
from policies.page import Block, Bullets, Page, Section, Table
from policies.predicates import ConsentRule
from policies.terms import Category, Hours, Prohibition, Rag, Team
from policies.vocabulary import vocabulary

_CONSENT = {
    ConsentRule.NOT_REQUIRED: "consent is not required",
    ConsentRule.SEEK: "consent is sought, or a reason for sharing without it is recorded",
    ConsentRule.REQUIRED: "only with consent",
    ConsentRule.NOT_SHARED: "nothing is shared",
}
_FAN_OUT = {
    "all_signed_parties": "every agency that has signed may be asked",
    "relevant_to_concern": "the agencies that the concern names are asked",
    "consented_parties_only": "only the agencies that the family agreed to are asked",
    "none": "nobody is asked",
}
_SENSITIVITY = ("0 known or not", "1 registration", "2 events", "3 sensitive", "4 restricted")
_EFFECT = {
    "deny": "Not by this route",
    "hold": "A person looks first",
    "permit": "Shared",
    "review": "A person decides",
}
_PEOPLE = {
    "alleged_perpetrator": "person alleged to have caused harm",
    "sibling_subject": "sibling whom the case is about",
    "sibling_not_subject": "sibling whom the case is not about",
    "subject_child": "child whom the case is about",
    "subject_adult": "adult whom the case is about",
    "parent_carer": "parent or carer",
}
_AT = {"always": "at all times", "in_hours": "in hours", "out_of_hours": "out of hours"}
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def render(agreement: Agreement, *, words: Sequence[str] = ()) -> Page:
    """Return the agreement as a page.

    Args:
        agreement: It.
        words: Twelve words of its hash, to be read aloud before signing.

    """
    sections = (
        ("Who takes part", _parties(agreement)),
        ("Why information is shared", _purposes(agreement)),
        ("What a concern leads to", _concerns(agreement)),
        ("How soon, and with what consent", _ratings(agreement)),
        ("Sharing without consent", _reasons(agreement)),
        ("When", _when(agreement)),
        ("What is shared", _categories(agreement)),
        ("Who may see how much", _gates(agreement)),
        ("What is never shared", _prohibitions(agreement)),
        ("Notices that the law requires", _notices(agreement)),
        ("Rules, in the order in which they are reported", _rules(agreement)),
        ("Keeping, passing on, counting", _duties(agreement)),
        ("Whom to ring", _contacts(agreement)),
        ("Signatures", _signatures(agreement, words)),
    )
    return Page(
        title=agreement.terms.title,
        lead=tuple(_lead(agreement)),
        sections=tuple(Section(title=t, blocks=tuple(blocks)) for t, blocks in sections),
    )


def _lead(agreement: Agreement) -> Iterator[Block]:
    terms, isa = agreement.terms, agreement.terms.document["isa"]
    yield (
        f"Version {agreement.version}, in force from {terms.effective_from} to {terms.expires};"
        f" review due {terms.review_due}."
    )
    owner = f"{isa['owner']['post']}, {terms.parties[terms.owner].name}"
    approved = "No board has approved it yet."
    if terms.board is not None:
        approved = f"Approved by {terms.board.name} on {terms.board.approved}."
    yield f"Owner: {owner}. {approved}"
    named = (
        ("Assessment of risks (DPIA)", "dpia_ref"),
        ("Policy document", "apd_ref"),
        ("Privacy notice", "privacy_notice"),
        ("Above this agreement", "parent"),
    )
    yield Bullets(entries=tuple((f"{name}:", isa[key]) for name, key in named if key in isa))
    if isa.get("changelog"):
        yield "What changed: " + "; ".join(isa["changelog"]) + "."


def _parties(agreement: Agreement) -> Iterator[Block]:
    rows = (
        (
            party.name,
            party.kind.replace("_", " "),
            _families(agreement, party.supplies),
            agreement.schedule.parties[party.id].operator,
        )
        for party in agreement.terms.parties.values()
    )
    heads = ("Agency", "Kind", "Supplies", "Its node is run by")
    yield Table(caption="Agencies", heads=heads, rows=tuple(rows))
    broker = agreement.schedule.broker
    yield f"The broker in the middle is run by {broker.operator}; it cannot read what passes."


def _families(agreement: Agreement, families: tuple[str, ...]) -> str:
    count = {
        f: sum(c == f or c.startswith(f"{f}.") for c in agreement.terms.categories)
        for f in families
    }
    return ", ".join(f"{family} ({number})" for family, number in count.items()) or "nothing"


def _purposes(agreement: Agreement) -> Iterator[Block]:
    statutes = vocabulary().statutes
    rows = tuple(
        (
            purpose.title,
            statutes[purpose.gateway].title,
            statutes[purpose.art6].title,
            "; ".join(statutes[code].title for code in purpose.art9 + purpose.art10) or "none",
            purpose.confidentiality.replace("_", " "),
        )
        for purpose in agreement.terms.purposes.values()
    )
    heads = ("Purpose", "Power", "Article 6", "Articles 9 and 10", "Confidentiality")
    yield Table(caption="Purposes and their legal basis", heads=heads, rows=rows)
    yield "The fifth part of the basis is human: who decided, and why, stands on each case."


def _concerns(agreement: Agreement) -> Iterator[Block]:
    terms = agreement.terms
    rows = tuple(
        (
            concern.title,
            concern.rag.upper(),
            terms.purposes[concern.purpose].title,
            ", ".join(terms.categories[code].title for code in concern.asks),
        )
        for concern in terms.concerns.values()
    )
    heads = ("Concern", "Usual rating", "Purpose", "What is usually asked")
    yield Table(caption="Concerns", heads=heads, rows=rows)
    if terms.teams:
        yield Bullets(entries=tuple(_team(agreement, team) for team in terms.teams))


def _team(agreement: Agreement, team: Team) -> tuple[str, str]:
    terms = agreement.terms
    taken = ", ".join(terms.concerns[code].title for code in team.concerns) or "no concern"
    return f"{team.title}", f"({terms.parties[team.party].name}) takes {_AT[team.at]}: {taken}."


def _ratings(agreement: Agreement) -> Iterator[Block]:
    yield Bullets(entries=tuple(_rating(rag) for rag in agreement.terms.rag.values()))


def _rating(rag: Rag) -> tuple[str, str]:
    clock = "working" if rag.working else "elapsed"
    within = "" if rag.deadline_hours is None else f"within {rag.deadline_hours} {clock} hours; "
    return (
        rag.id.upper(),
        f"({rag.title}): {within}{_CONSENT[rag.consent]}; {_FAN_OUT[rag.fan_out]}.",
    )


def _reasons(agreement: Agreement) -> Iterator[Block]:
    statutes = vocabulary().statutes
    codes = agreement.terms.reasons_without_consent
    yield Bullets(entries=tuple((c.replace("_", " "), f"({statutes[c].title})") for c in codes))
    gates = agreement.terms.gates
    for grade, rule in gates.dash_grades.items():
        consent = "needs no consent" if rule == "share" else "needs consent"
        yield f"Domestic abuse graded {grade} (DASH): sharing {consent}."


def _when(agreement: Agreement) -> Iterator[Block]:
    terms = agreement.terms
    yield _hours(terms.hours)
    roles = ", ".join(terms.roles[r].title for r in terms.hours.out_of_hours_roles) or "nobody"
    rated = ", ".join(r.upper() for r in terms.hours.out_of_hours_rag) or "no rating"
    yield f"Out of hours asks: {roles}, in {rated}."
    on = ", ".join(r.upper() for r in terms.hours.opened_in_hours_rag) or "none"
    yield f"Cases opened in hours that may go on after closing: {on}."
    lifts = ", ".join(terms.emergency_lifts).replace("_", " ") or "nothing"
    within = terms.document["emergency"]["review_within"]
    yield f"Emergency access lifts: {lifts}; a guardian reviews each use within {within}."


def _hours(hours: Hours) -> str:
    days = ", ".join(_DAYS[day] for day in hours.days)
    closed = ", not on England's bank holidays" if hours.bank_holidays else ""
    return f"Working hours: {hours.opens:%H:%M} to {hours.closes:%H:%M}, {days}{closed}."


def _categories(agreement: Agreement) -> Iterator[Block]:
    rows = tuple(_category(agreement, item) for item in agreement.terms.categories.values())
    heads = ("Information", "Sensitivity", "Supplied by", "Fields", "Never")
    yield Table(caption="Information that may be asked for", heads=heads, rows=rows)


def _category(agreement: Agreement, item: Category) -> tuple[str, ...]:
    supplier = agreement.terms.parties[agreement.supplier_of(item.id)].name
    fields = "all" if item.allow is None else ", ".join(item.allow) or "none"
    masked = f" (masked: {', '.join(item.mask)})" if item.mask else ""
    never = ", ".join(item.never) or "nothing named"
    name = f"{item.title} ({item.id})"
    return name, _SENSITIVITY[item.sensitivity], supplier, fields + masked, never


def _gates(agreement: Agreement) -> Iterator[Block]:
    terms = agreement.terms
    rows = tuple(
        (role.title, rag.upper(), _SENSITIVITY[gate.auto], _SENSITIVITY[gate.review])
        for role in terms.roles.values()
        for rag in terms.rag
        if (gate := terms.gates.sensitivity.get((rag, role.group))) is not None
    )
    heads = ("Post", "Rating", "Automatically up to", "After a person looked, up to")
    yield Table(caption="Posts and how much they may see", heads=heads, rows=rows)
    caps = tuple(
        (_PEOPLE.get(role, role.replace("_", " ")), _SENSITIVITY[cap])
        for role, cap in terms.gates.subject_caps.items()
    )
    parts = ("Person's part in the case", "At most")
    yield Table(caption="People who may be asked about", heads=parts, rows=caps)


def _prohibitions(agreement: Agreement) -> Iterator[Block]:
    yield Bullets(
        entries=tuple(
            (f"{_barred(agreement, item)}:", f"{item.why} ({item.legal})")
            for item in agreement.terms.prohibitions
        )
    )


def _barred(agreement: Agreement, bar: Prohibition) -> str:
    known = agreement.terms.categories
    names = [f"{known[code].title} ({code})" if code in known else code for code in bar.categories]
    return ", ".join(names) or "Not held by anybody here"


def _notices(agreement: Agreement) -> Iterator[Block]:
    terms = agreement.terms
    rows = tuple(
        (
            terms.purposes[notice.purpose].title,
            terms.parties[notice.supplier].name,
            ", ".join(terms.roles[role].title for role in notice.to),
            ", ".join(notice.fields),
            notice.deadline.replace("_", " "),
            notice.legal,
        )
        for notice in terms.notices
    )
    heads = ("Notice", "From", "To", "Fields", "When", "Law")
    yield Table(caption="Notices", heads=heads, rows=rows) if rows else "None."


def _rules(agreement: Agreement) -> Iterator[Block]:
    rows = tuple(
        (
            rule.id if rule.rag is None else f"{rule.id} ({rule.rag.upper()})",
            _EFFECT[rule.effect],
            rule.why,
            rule.legal,
            rule.remedy or "nothing",
        )
        for rule in agreement.terms.rules
    )
    heads = ("Rule", "What it does", "Why", "Law or principle", "What to do")
    yield Table(caption="Rules", heads=heads, rows=rows)


def _duties(agreement: Agreement) -> Iterator[Block]:
    terms = agreement.terms
    pairs = (
        *((f"Kept, {name.replace('_', ' ')}:", code) for name, code in terms.retention.items()),
        *((f"Passed on, {name.replace('_', ' ')}:", code) for name, code in terms.onward.items()),
        ("Smallest number published:", terms.document["statistics"]["min_cell"]),
    )
    yield Bullets(entries=tuple((name, code.replace("_", " ")) for name, code in pairs))


def _contacts(agreement: Agreement) -> Iterator[Block]:
    terms = agreement.terms
    rows = tuple(
        (terms.parties[party].name, *(f"{one.post}, {one.telephone}" for one in pair))
        for party, pair in terms.contacts.items()
    )
    heads = ("Agency", "In working hours", "At other times")
    yield Table(caption="Telephone numbers", heads=heads, rows=rows)


def _signatures(agreement: Agreement, words: Sequence[str]) -> Iterator[Block]:
    if words:
        yield f"Read these words to each other before signing: {' '.join(words)}."
    yield f"SHA-256 of what is signed: {agreement.sha256}"
    rows = tuple(
        (party.name, post, "", "")
        for party in agreement.terms.parties.values()
        for post in party.signs
    )
    yield Table(caption="Signed for", heads=("Agency", "Post", "Name", "Date"), rows=rows)
