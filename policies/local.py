"""A supplier's local policy: it sends more to a person, and can do nothing else."""

from dataclasses import dataclass
from typing import Any, Final

from policies.agreement import Agreement
from policies.document import read_document
from policies.errors import AgreementError
from policies.shapes import Code, Listing, Record, Text, nearest
from policies.terms import covers

FORMAT: Final = "mash-local-policy-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalReview:
    """Groups of posts for which some categories are read by a person first."""

    groups: tuple[str, ...]
    categories: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPolicy:
    """One supplier's policy."""

    party: str
    reviews: tuple[LocalReview, ...]

    def review_for(self, agreement: Agreement, recipient_role: str) -> frozenset[str]:
        """Return the categories that need a person, for `SupplierFacts.local_review`.

        A role that the agreement does not know gets every category named here.
        """
        role = agreement.terms.roles.get(recipient_role)
        return frozenset(
            category
            for review in self.reviews
            if role is None or role.group in review.groups
            for category in review.categories
        )


def load_local_policy(data: bytes, *, agreement: Agreement, source: str) -> LocalPolicy:
    """Read a supplier's local policy.

    Raises:
        AgreementError: Not of the shape, or about what the party does not supply.

    """
    groups = {role.group for role in agreement.terms.roles.values()}
    review = Record(
        needs={
            "groups": Listing(of=Code(valid=groups), least=1),
            "categories": Listing(of=Text(), least=1),
            "why": Text(),
        }
    )
    shape = Record(
        needs={
            "format": Code(valid=(FORMAT,)),
            "party": Code(valid=agreement.terms.parties),
            "review": Listing(of=review, least=1),
        }
    )
    root = read_document(data, source=source)
    shape.check(root, source=source, where="local policy")
    document: Any = root.plain()
    supplies = agreement.terms.parties[document["party"]].supplies
    known = {c for c in agreement.terms.categories if covers(supplies, c)}
    for entry in document["review"]:
        for code in entry["categories"]:
            if not any(covers((code,), category) for category in known):
                message = f"{document['party']} does not supply '{code[:60]}'"
                raise AgreementError(message, path=source, line=0, suggestion=nearest(code, known))
    return LocalPolicy(
        party=document["party"],
        reviews=tuple(
            LocalReview(
                groups=tuple(entry["groups"]),
                categories=tuple(entry["categories"]),
                why=entry["why"],
            )
            for entry in document["review"]
        ),
    )
