"""Two versions of an agreement compared, in sentences.

Who may see what is compared by outcome, not by wording: for every rating, role
and category, what the gates give. Every other term
is compared text by text.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from policies.agreement import Agreement
from policies.predicates import ConsentRule
from policies.terms import covers

# Told by outcome below, or not a term that decides anything.
_TOLD_OTHERWISE: Final = frozenset(
    {("isa", "version"), ("isa", "changelog"), ("gates", "sensitivity")}
)
_SENTENCES: Final = {
    (0, 2): "lets {role} see {category} in {rag}",
    (1, 2): "lets {role} see {category} in {rag} without a person at the supplier looking",
    (0, 1): "lets {role} ask for {category} in {rag}; a person at the supplier decides",
    (2, 1): "no longer lets {role} see {category} in {rag} unless a person at the supplier decides",
    (2, 0): "no longer lets {role} see {category} in {rag}",
    (1, 0): "no longer lets {role} ask for {category} in {rag}",
}


def diff(old: Agreement, new: Agreement) -> list[str]:
    """Return the differences as sentences, in a fixed order; empty when nothing changed."""
    if old.sha256 == new.sha256:
        return []
    found = [*_access(old, new), *_fields(old, new), *_leaves(old, new)]
    if not found:
        found.append("only wording, examples or the schedule changed")
    return [f"Version {new.version}: {sentence}." for sentence in found]


def _access(old: Agreement, new: Agreement) -> Iterator[str]:
    """Yield what roles gain and lose, by gate."""
    before, after = _matrix(old), _matrix(new)
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key, 0), after.get(key, 0)
        if was == now:
            continue
        rag, role, category = key
        yield _SENTENCES[was, now].format(
            role=_title(new, "roles", role) or _title(old, "roles", role),
            category=_title(new, "categories", category) or _title(old, "categories", category),
            rag=rag.upper(),
        )


def _matrix(agreement: Agreement) -> Mapping[tuple[str, str, str], int]:
    """Return 2 for automatic and 1 for review, by rating, role and category."""
    terms = agreement.terms
    barred = tuple(code for p in terms.prohibitions for code in p.categories)
    found = {}
    for rag in terms.rag.values():
        for role in terms.roles.values():
            gate = terms.gates.sensitivity.get((rag.id, role.group))
            if gate is None or rag.consent is ConsentRule.NOT_SHARED:
                continue
            for category in terms.categories.values():
                if covers(barred, category.id) or category.sensitivity > gate.review:
                    continue
                automatic = category.sensitivity <= gate.auto
                found[rag.id, role.id, category.id] = 2 if automatic else 1
    return found


def _title(agreement: Agreement, table: str, key: str) -> str:
    entry = agreement.terms.document[table].get(key)
    return "" if entry is None else f"{entry['title']} ({key})"


def _fields(old: Agreement, new: Agreement) -> Iterator[str]:
    for key in sorted(old.terms.categories.keys() & new.terms.categories.keys()):
        was, now = old.terms.categories[key], new.terms.categories[key]
        gained = sorted(set(now.allow or ()) - set(was.allow or ()))
        lost = sorted(set(was.allow or ()) - set(now.allow or ()))
        if was.allow is not None and now.allow is None:
            yield f"{key} may now hold any field"
        elif gained:
            yield f"{key} may now hold {', '.join(gained)}"
        if lost and now.allow is not None:
            yield f"{key} no longer holds {', '.join(lost)}"


def _leaves(old: Agreement, new: Agreement) -> Iterator[str]:
    """Yield every other changed text of the terms, by its place."""
    was, now = dict(_flat(old.terms.document)), dict(_flat(new.terms.document))
    for place in sorted(was.keys() | now.keys()):
        if was.get(place) == now.get(place) or _is_told(place):
            continue
        name = ".".join(place)
        if place not in was:
            yield f"{name} is new: {now[place]}"
        elif place not in now:
            yield f"{name} is gone (was {was[place]})"
        else:
            yield f"{name} was {was[place]}, is {now[place]}"


def _is_told(place: tuple[str, ...]) -> bool:
    """Whether a place is told by outcome, or decides nothing."""
    if place[0] in {"tests", "format"} or place[:2] in _TOLD_OTHERWISE:
        return True
    return place[0] == "categories" and place[-1] in {"sensitivity", "allow"}


def _flat(value: object, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _flat(entry, (*place, str(key)))
    elif isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        yield place, ", ".join(value) or "empty"
    elif isinstance(value, list):
        for number, entry in enumerate(value, start=1):
            named = isinstance(entry, Mapping) and "id" in entry
            yield from _flat(entry, (*place, entry["id"] if named else str(number)))
    else:
        yield place, str(value)
