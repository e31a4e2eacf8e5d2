"""Writes the GP practice system's export: FHIR R4 JSON, one NDJSON file per resource type.

NHS number identifier and ODS code systems are UK Core's. Only what the agreement's GP categories
need is written.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from broker.demo.people import Event, Holding, Person, Value

NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
ODS_CODE = "https://fhir.nhs.uk/Id/ods-organization-code"
_FLAGS = "https://northshire.example/flags"
_CLINICAL_STATUS = "http://terminology.hl7.org/CodeSystem/condition-clinical"

Resource = dict[str, Any]
Values = Mapping[str, Value]

PRACTICES: tuple[tuple[str, str, str, str], ...] = (
    ("org-1", "Z9901", "Beacon Hill Surgery", "01632 960202"),
    ("org-2", "Z9902", "Weir Road Medical Centre", "01632 960203"),
)
"""Resource id, ODS code, name and telephone of each invented practice."""


def write_practice(folder: Path, holdings: Sequence[Holding], ids: Mapping[str, str]) -> None:
    """Write the patients and their resources into the new `folder`.

    Args:
        folder: Made by this function.
        holdings: The practice's patients, in the order of their ids.
        ids: Truth id to Patient id.

    """
    resources: dict[str, list[Resource]] = defaultdict(list)
    for holding in holdings:
        patient_id = ids[holding.person.truth_id]
        practice = _practice_of(holding.person)
        resources["Patient"].append(_patient(holding.person, patient_id, practice))
        for event in holding.events:
            made = _BUILDERS[event.table](event.values, practice)
            number = len(resources[event.table]) + 1
            resources[event.table].append(
                {
                    "resourceType": event.table,
                    "id": f"{event.table.lower()}-{number}",
                    **_link(event, patient_id),
                    **made,
                }
            )
    folder.mkdir()
    (folder / "organisations.json").write_text(_json(_organisations()) + "\n", encoding="utf-8")
    for name, items in resources.items():
        text = "".join(_json(item) + "\n" for item in items)
        (folder / f"{name}.ndjson").write_bytes(text.encode())


def _practice_of(person: Person) -> tuple[str, str, str, str]:
    """Return the practice of a person's postcode, so that a household is at one."""
    sector = person.address.postcode.partition(" ")[2][:1] if person.address else ""
    return PRACTICES[int(sector or 0) % len(PRACTICES)]


def _json(value: Resource) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _organisations() -> Resource:
    entries = [
        {
            "resource": {
                "resourceType": "Organization",
                "id": practice_id,
                "identifier": [{"system": ODS_CODE, "value": ods}],
                "name": name,
                "telecom": [{"system": "phone", "value": telephone}],
            }
        }
        for practice_id, ods, name, telephone in PRACTICES
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def _patient(person: Person, patient_id: str, practice: tuple[str, str, str, str]) -> Resource:
    names: list[Resource] = [
        {"use": "official", "family": person.surname, "given": list(person.given)}
    ]
    if person.former_surname:
        old = {"use": "old", "family": person.former_surname, "given": [person.given[0]]}
        names.append(old)
    if person.known_as:
        names.append({"use": "usual", "family": person.surname, "given": [person.known_as]})
    patient: Resource = {
        "resourceType": "Patient",
        "id": patient_id,
        "active": True,
        "name": names,
        "gender": {"F": "female", "M": "male"}[person.sex],
        "managingOrganization": _practice(practice),
    }
    if "nhs" in person.identifiers:
        patient["identifier"] = [{"system": NHS_NUMBER, "value": person.identifiers["nhs"]}]
    if person.birth_date:
        patient["birthDate"] = person.birth_date.isoformat()
    if person.address:
        line, postcode = person.address.line, person.address.postcode
        patient["address"] = [{"use": "home", "line": [line], "postalCode": postcode}]
    return patient


def _practice(practice: tuple[str, str, str, str]) -> Resource:
    return {"reference": f"Organization/{practice[0]}", "display": practice[2]}


def _link(event: Event, patient_id: str) -> Resource:
    reference = {"reference": f"Patient/{patient_id}"}
    match event.table:
        case "Appointment":
            return {"participant": [{"actor": reference, "status": "accepted"}]}
        case "EpisodeOfCare":
            return {"patient": reference}
        case _:
            return {"subject": reference}


def _episode(values: Values, practice: tuple[str, str, str, str]) -> Resource:
    return {
        "status": "active",
        "managingOrganization": _practice(practice),
        "period": {"start": values["start"]},
    }


def _appointment(values: Values, _: tuple[str, str, str, str]) -> Resource:
    reason = {"reasonCode": [{"text": values["reason"]}]} if "reason" in values else {}
    return {"status": values["status"], "start": values["start"], **reason}


def _condition(values: Values, _: tuple[str, str, str, str]) -> Resource:
    return {
        "clinicalStatus": {"coding": [{"system": _CLINICAL_STATUS, "code": "active"}]},
        "code": {"text": values["problem"]},
        "onsetDateTime": values["onset"],
    }


def _medication(values: Values, _: tuple[str, str, str, str]) -> Resource:
    return {
        "status": "active",
        "medicationCodeableConcept": {"text": values["medication"]},
        "effectivePeriod": {"start": values["start"]},
    }


def _flag(values: Values, _: tuple[str, str, str, str]) -> Resource:
    return {"status": "active", "code": {"coding": [{"system": _FLAGS, "code": values["code"]}]}}


_BUILDERS: Mapping[str, Callable[[Values, tuple[str, str, str, str]], Resource]] = {
    "EpisodeOfCare": _episode,
    "Appointment": _appointment,
    "Condition": _condition,
    "MedicationStatement": _medication,
    "Flag": _flag,
}
