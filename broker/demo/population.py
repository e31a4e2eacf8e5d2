"""The other people of Northshire: ordinary families, and the light noise in their records.

Names come from Faker's en_GB lists and a short list of other origins, never equal to a surname of
the families written by hand. Rates of noise are stated beside `NOISE`; every choice is drawn from
one `random.Random`, so a seed gives the same people on every platform.
"""

import dataclasses
import random  # noqa: TID251 - seeded, for invented data only
import string
from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from faker import Faker

from broker.demo.households import SCHEMES, Household
from broker.demo.identifiers import Identifiers
from broker.demo.people import AS_OF, Address, Event, Holding, Person, System, Value

NOISE: Mapping[str, float] = {
    "surname_typo": 0.03,
    "given_typo": 0.03,
    "second_name_missing": 0.30,
    "former_address": 0.10,
    "birth_date_missing": 0.02,
    "birth_date_day_month_swapped": 0.01,
    "identifier_missing": 0.05,
}
"""Chance of each error in one record of one person."""

_OTHER_ORIGINS = {
    "F": ("Aaliyah", "Fatima", "Ifeoma", "Jadwiga", "Mei", "Nkechi", "Oksana", "Priya", "Rania"),
    "M": ("Abdul", "Chidi", "Dmytro", "Gurdeep", "Hassan", "Kwame", "Li", "Mateusz", "Tariq"),
    "surname": ("Adeyemi", "Begum", "Chaudhry", "Kowalczyk", "Mwangi", "Nguyen", "Sandhu", "Zhou"),
}
_STREETS = ("Road", "Street", "Lane", "Close", "Avenue", "Drive", "Way", "Grove", "Terrace")
_SCHOOLS = {"primary": ("999101", "999102", "999103"), "secondary": ("999201", "999202")}
_PROBLEMS = ("Asthma", "Eczema", "Type 2 diabetes", "Migraine", "Low back pain", "Hypertension")
_COMPLAINTS = ("Limb injury", "Fever", "Abdominal pain", "Head injury", "Breathing difficulty")
_CHILD, _SCHOOL_AGE, _SECONDARY, _ADULT = 5, 4, 11, 18


class Families:
    """Ordinary families, one after another, without end."""

    def __init__(
        self,
        *,
        rng: random.Random,
        identifiers: Identifiers,
        reserved_surnames: frozenset[str],
    ) -> None:
        """Draw from `rng` only; Faker gets its seed from it too."""
        self._rng = rng
        self._identifiers = identifiers
        self._reserved = reserved_surnames
        self._faker = Faker("en_GB", use_weighting=False)
        self._faker.seed_instance(rng.getrandbits(32))
        self._made = 0
        self._incidents = 0

    def people(self, count: int) -> tuple[Household, ...]:
        """Return families of `count` people together; the last one may be cut short."""
        households: list[Household] = []
        missing = count
        while missing > 0:
            people = self._family()[:missing]
            missing -= len(people)
            holdings = tuple(h for person in people for h in self._holdings(person))
            households.append(Household(people=people, holdings=holdings))
        return tuple(households)

    def _family(self) -> tuple[Person, ...]:
        rng = self._rng
        home, old = self._address(), self._address()
        surname = self._surname()
        adults = [self._person(surname, rng.randrange(22, 75), home, old)]
        if rng.random() < 0.6:  # noqa: PLR2004 - share of couples
            other = surname if rng.random() < 0.6 else self._surname()  # noqa: PLR2004 - same name
            adults.append(self._person(other, rng.randrange(22, 75), home, old))
        children = [
            self._person(surname, rng.randrange(_ADULT), home, old)
            for _ in range(rng.choice((0, 0, 1, 1, 2, 2, 3, 4)))
        ]
        return (*adults, *children)

    def _surname(self) -> str:
        while True:
            name = (
                self._rng.choice(_OTHER_ORIGINS["surname"])
                if self._rng.random() < 0.15  # noqa: PLR2004 - share of other origins
                else str(self._faker.last_name())
            )
            if name not in self._reserved:
                return name

    def _given(self, sex: str) -> str:
        if self._rng.random() < 0.15:  # noqa: PLR2004 - share of other origins
            return self._rng.choice(_OTHER_ORIGINS[sex])
        faker = self._faker
        return str(faker.first_name_female() if sex == "F" else faker.first_name_male())

    def _address(self) -> Address:
        street = f"{self._faker.last_name()} {self._rng.choice(_STREETS)}"
        return Address(
            line=f"{self._rng.randrange(1, 200)} {street}",
            postcode=self._identifiers.postcode(),
            uprn=self._identifiers.uprn(),
        )

    def _person(self, surname: str, age: int, home: Address, old: Address) -> Person:
        rng, identifiers = self._rng, self._identifiers
        self._made += 1
        born = AS_OF - timedelta(days=age * 365 + rng.randrange(365))
        sex = rng.choice("FM")
        numbers = {"nhs": identifiers.nhs_number()}
        if age < _ADULT:
            numbers["upn"] = identifiers.upn(born.year)
        elif rng.random() < 0.1:  # noqa: PLR2004 - share with a PNC record
            numbers["pnc"] = identifiers.pnc(born.year)
        return Person(
            truth_id=f"P{self._made:06d}",
            given=(self._given(sex), self._given(sex)),
            surname=surname,
            birth_date=born,
            sex=sex,
            address=home,
            former_address=old,
            identifiers=numbers,
        )

    def _holdings(self, person: Person) -> Iterator[Holding]:
        age = age_of(person)
        for system, chance in _chances(age).items():
            if self._rng.random() < chance:
                events = tuple(self._events(system, person, age))
                written = written_down(person, system, rng=self._rng)
                yield Holding(system=system, person=written, events=events)

    def _events(self, system: System, person: Person, age: int) -> Iterator[Event]:
        match system:
            case System.GP:
                yield from self._gp()
            case System.EDUCATION:
                yield from self._education(age)
            case System.TRUST:
                yield from self._trust(age)
            case System.POLICE:
                yield from self._police(person)
            case System.COUNCIL:
                yield from self._council(age)
            case System.MENTAL_HEALTH:
                yield self._mental_health(age)

    def _day(self, years: int = 5) -> str:
        return (AS_OF - timedelta(days=self._rng.randrange(1, years * 365))).isoformat()

    def _gp(self) -> Iterator[Event]:
        yield _event("EpisodeOfCare", start=self._day(20))
        if self._rng.random() < 0.4:  # noqa: PLR2004 - share with an appointment
            status = self._rng.choice(("fulfilled", "fulfilled", "noshow"))
            yield _event("Appointment", start=f"{self._day(1)}T10:00:00Z", status=status)
        if self._rng.random() < 0.4:  # noqa: PLR2004 - share with a problem
            yield _event("Condition", problem=self._rng.choice(_PROBLEMS), onset=self._day())

    def _education(self, age: int) -> Iterator[Event]:
        school = self._rng.choice(_SCHOOLS["secondary" if age >= _SECONDARY else "primary"])
        entry = f"{AS_OF.year - self._rng.randrange(1, 5)}-09-03"
        yield _event("enrolment", school_urn=school, entry=entry, status="ON_ROLL")
        for week in ("2026-09-28", "2026-09-21", "2026-09-14"):
            absent = self._rng.choice((0, 0, 0, 0, 1, 2))
            yield _event(
                "attendance_week",
                week=week,
                percent=100 - 10 * absent,
                unauthorised_sessions=absent // 2,
                suspended_days=0,
            )

    def _trust(self, age: int) -> Iterator[Event]:
        complaint = self._rng.choice(_COMPLAINTS)
        yield _event(
            "pas_attendance",
            arrived_at=f"{self._day(3)}T{self._rng.randrange(24):02d}:15:00",
            site="Northshire General",
            department="ED",
            complaint_group=complaint,
            injury_flag=int("injury" in complaint),
            disposal="Discharged",
        )
        if age < _CHILD:
            yield _event(
                "hv_caseload", contact_at=self._day(1), contact_type="Home visit", outcome="SEEN"
            )

    def _police(self, person: Person) -> Iterator[Event]:
        self._incidents += 1
        number = f"NS-25-{500000 + self._incidents}"
        domestic = self._rng.random() < 0.3  # noqa: PLR2004 - share of domestic incidents
        yield _event(
            "incident",
            inc_no=number,
            opened_at=f"{self._day(3)}T{self._rng.randrange(24):02d}:40:00",
            type="Domestic" if domestic else "Anti-social behaviour",
            da_flag=int(domestic),
            dash_level=self._rng.choice(("standard", "medium")) if domestic else None,
            children_present=0,
            outcome="No further action",
        )
        role = self._rng.choice(("victim", "witness", "suspect"))
        yield _event("involvement", inc_no=number, role=role)
        if "pnc" in person.identifiers:
            crime = f"NS/20/{60000 + self._incidents}"
            yield _event("crime", crime_no=crime, offence="Theft from shop", outcome="Caution")

    def _council(self, age: int) -> Iterator[Event]:
        service = self._rng.choice(("csc", "eh") if age < _ADULT else ("asc", "hou"))
        yield _event(
            "involvement", service=service, since=self._day(), status="CLOSED", worker="Duty team"
        )
        if service == "csc":
            yield _event(
                "contact",
                contacted_on=self._day(3),
                source="School",
                reason="Worry about care",
                rag="green",
                outcome="NFA with advice",
            )

    def _mental_health(self, age: int) -> Event:
        if age < _ADULT:
            return _event(
                "camhs_waiting",
                referred=self._day(1),
                team="CAMHS Northshire West",
                status="WAITING",
                self_harm_flag=0,
            )
        return _event(
            "mh_referral", referred=self._day(), team="Talking therapies", status="OPEN", cpa=0
        )


def age_of(person: Person) -> int:
    """Return the age in whole years on AS_OF; 0 when the date of birth is not known."""
    born = person.birth_date
    if born is None:
        return 0
    return AS_OF.year - born.year - ((AS_OF.month, AS_OF.day) < (born.month, born.day))


def written_down(
    person: Person,
    system: System,
    *,
    rng: random.Random,
) -> Person:
    """Return the person as one system has written them, with errors at the rates of NOISE."""
    given = person.given[:1] if rng.random() < NOISE["second_name_missing"] else person.given
    if rng.random() < NOISE["given_typo"]:
        given = (_typo(given[0], rng), *given[1:])
    typo = rng.random() < NOISE["surname_typo"]
    stale = rng.random() < NOISE["former_address"]
    numbers = {s: person.identifiers[s] for s in SCHEMES[system] if s in person.identifiers}
    if rng.random() < NOISE["identifier_missing"]:
        numbers = {}
    return dataclasses.replace(
        person,
        given=given,
        surname=_typo(person.surname, rng) if typo else person.surname,
        birth_date=_birth_date(person.birth_date, rng),
        address=person.former_address if stale else person.address,
        identifiers=numbers,
    )


def _birth_date(
    born: date | None,
    rng: random.Random,
) -> date | None:
    draw = rng.random()
    if draw < NOISE["birth_date_missing"] or born is None:
        return None
    swapped = draw < NOISE["birth_date_missing"] + NOISE["birth_date_day_month_swapped"]
    if swapped and born.day <= 12:  # noqa: PLR2004 - months of the year
        return born.replace(month=born.day, day=born.month)
    return born


def _typo(
    text: str,
    rng: random.Random,
) -> str:
    """Return `text` with one letter after the first replaced, doubled, lost or two swapped."""
    at = rng.randrange(1, max(2, len(text)))
    kind = rng.randrange(4)
    if kind == 0:
        return text[:at] + rng.choice(string.ascii_lowercase) + text[at + 1 :]
    if kind == 1:
        return text[:at] + text[at - 1 : at].lower() + text[at:]
    if kind == 2:  # noqa: PLR2004 - third of four kinds
        return text[:at] + text[at + 1 :]
    return text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :]


def _chances(age: int) -> Mapping[System, float]:
    """Return how likely each system knows a person of this age."""
    adult = age >= _ADULT
    at_school = _SCHOOL_AGE <= age < _ADULT - 1
    return {
        System.GP: 0.97,
        System.EDUCATION: 0.97 if at_school else 0.0,
        System.TRUST: 0.9 if age < _CHILD else 0.35,
        System.POLICE: 0.18 if adult else 0.0,
        System.COUNCIL: 0.2,
        System.MENTAL_HEALTH: 0.07,
    }


def _event(table: str, **values: Value) -> Event:
    return Event(table=table, values=values)
