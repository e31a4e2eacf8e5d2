"""The invented people who work at Northshire's agencies, and the roles they hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

REPRESENTATIVE: Final = "agency_representative"  # answers by hand; not a post of the agreement
GUARDIAN: Final = "caldicott_guardian"


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """One person of an agency."""

    name: str
    title: str
    roles: tuple[str, ...]


STAFF: Final[Mapping[str, tuple[Staff, ...]]] = {
    "northshire-cc": (
        Staff(name="Moira Dunleavy", title="MASH decision maker", roles=("mash_decision_maker",)),
        Staff(name="Tom Quennell", title="MASH social worker", roles=("mash_social_worker",)),
        Staff(
            name="Priya Raman", title="MASH education officer", roles=("mash_education_officer",)
        ),
        Staff(name="Gwen Pask", title="Early help officer", roles=("mash_early_help_officer",)),
        Staff(name="Colin Marsh", title="Business support", roles=("mash_business_support",)),
        Staff(name="Ruth Ableson", title="Records manager", roles=(REPRESENTATIVE,)),
        Staff(name="Dr Helen Orme", title="Caldicott Guardian", roles=(GUARDIAN,)),
    ),
    "northshire-police": (
        Staff(name="Sgt Ian Mollart", title="Police researcher", roles=("mash_police_researcher",)),
        Staff(name="Dawn Tranter", title="Disclosure officer", roles=(REPRESENTATIVE,)),
        Staff(name="Supt Neil Gough", title="Information guardian", roles=(GUARDIAN,)),
    ),
    "northshire-icb-gp": (
        Staff(name="Dr Sunil Mehra", title="Named GP for safeguarding", roles=(REPRESENTATIVE,)),
        Staff(name="Dr Fiona Leck", title="Caldicott Guardian", roles=(GUARDIAN,)),
    ),
    "northshire-nhs-ft": (
        Staff(name="Anita Crewe", title="Health navigator", roles=("mash_health_navigator",)),
        Staff(name="Joan Pettifer", title="Safeguarding nurse", roles=(REPRESENTATIVE,)),
        Staff(name="Dr Owen Reith", title="Caldicott Guardian", roles=(GUARDIAN,)),
    ),
    "northshire-mh": (
        Staff(
            name="Dr Karen Illingworth", title="Consultant psychiatrist", roles=(REPRESENTATIVE,)
        ),
        Staff(name="Dr Amir Sadiq", title="Caldicott Guardian", roles=(GUARDIAN,)),
    ),
    "northshire-yjs": (
        Staff(name="Lorna Vickers", title="Youth justice duty officer", roles=(REPRESENTATIVE,)),
        Staff(name="Paul Denholm", title="Information guardian", roles=(GUARDIAN,)),
    ),
}
