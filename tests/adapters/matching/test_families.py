"""Families: the unknown child whose twin, sibling or parent the agency knows."""

from dataclasses import replace
from datetime import date
from itertools import product

from adapters.matching.guards import Outcome
from adapters.matching.identity import Address, Identity, Person
from adapters.matching.matcher import Matcher

GIVEN = (
    *("Amelia", "Oliver", "Aisha", "Mohammed", "Ivy", "Noah", "Zainab", "Leo", "Freya", "Arthur"),
    *("Oluwaseun", "Tomasz", "Maryam", "George", "Florence", "Harry", "Ananya", "Jude", "Niamh"),
    "Kofi",
)
SURNAMES = (
    *("Hargreave", "Okonkwo", "Khan", "Prentice", "Kowalski"),
    *("Begum", "Stott", "Leigh", "Osei", "Whitlow"),
)


def family(number: int) -> dict[str, Identity]:
    """Return a parent, a child, its twin and a younger sibling of one invented household."""
    surname = SURNAMES[number % len(SURNAMES)]
    home = Address(line=f"{number} Weir Road", postcode=f"ZZ{number // 40 + 1} {number % 9}AA")
    born = date(2008 + number % 15, 1 + number % 12, 2 + number % 26)
    names = [GIVEN[(number * 7 + i * 3) % len(GIVEN)] for i in range(3)]

    def member(given: str, birth: date) -> Identity:
        return Identity(given=(given,), surname=surname, birth_date=birth, addresses=(home,))

    return {
        "child": member(names[0], born),
        "twin": member(names[1], born),
        "sibling": member(names[2], born.replace(year=born.year + 2)),
        "parent": member(names[0], born.replace(year=born.year - 29, month=7)),
    }


def test_no_relative_is_returned_for_an_unknown_child() -> None:
    families = [family(number) for number in range(400)]
    known = [
        Person(record_id=f"{number}-{role}", identity=members[role])
        for number, members in enumerate(families)
        for role in ("twin", "sibling", "parent")
    ]
    matcher = Matcher(known)

    outcomes = [matcher.find(members["child"]).outcome for members in families]

    assert Outcome.MATCH not in outcomes


def test_the_known_child_is_found_among_its_family_with_usual_errors() -> None:
    families = [family(number) for number in range(400)]
    matcher = Matcher(
        Person(record_id=f"{number}-{role}", identity=identity)
        for number, members in enumerate(families)
        for role, identity in members.items()
    )
    wrong = right = 0

    for (number, members), change in product(enumerate(families), ("move", "slip", "none")):
        child = members["child"]
        subject = {
            "move": replace(child, addresses=(Address(line="1 New Row", postcode="ZY1 1AA"),)),
            "slip": replace(child, given=(child.given[0] + child.given[0][-1],)),
            "none": child,
        }[change]
        result = matcher.find(subject)
        offered = result.record_id or result.candidates
        right += f"{number}-child" in ([offered] if isinstance(offered, str) else offered)
        wrong += result.record_id not in {None, f"{number}-child"}

    assert wrong == 0
    assert right / (3 * len(families)) >= 0.99
