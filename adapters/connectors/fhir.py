"""Reads HL7 FHIR R4 (UK Core): Patients for matching, other resources by category.

Patient is read by the standard; the mapping names only resource types and small paths. Whatever
the source returns is checked again to be about the patient: servers ignore search parameters
they do not know, and then return everyone's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from adapters.clock import Clock
from adapters.connectors.base import MARKER_FIELDS, MARKERS_CATEGORY, Health
from adapters.connectors.document import Section
from adapters.connectors.fhir_paths import Path as FhirPath
from adapters.connectors.fhir_paths import parse_path, values_at
from adapters.connectors.fhir_source import FhirSource, FolderSource, Resource, RestSource
from adapters.connectors.mapping import DEFAULT_LIMIT, MAX_LIMIT, Text, check_schemes, constant
from adapters.connectors.sql import DEFAULT_TIMEOUT_SECONDS
from adapters.connectors.values import Draft, draft_of, text_of
from adapters.errors import AnswerByHandError, ConnectorUnavailableError
from adapters.matching.identity import Person

NHS_NUMBER_SYSTEM: Final = "https://fhir.nhs.uk/Id/nhs-number"
UPRN_EXTENSION: Final = "AddressKey"
_SUBJECT: Final = MappingProxyType(
    {
        "Patient": "id",
        "Appointment": "participant.actor.reference",
        "Immunization": "patient.reference",
        "EpisodeOfCare": "patient.reference",
        "Condition": "subject.reference",
        "Encounter": "subject.reference",
        "Flag": "subject.reference",
        "MedicationStatement": "subject.reference",
        "Observation": "subject.reference",
    }
)
"""Where each resource type names its patient."""
_PEOPLE_ELEMENTS: Final = "identifier,name,birthDate,gender,address"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceMap:
    """Which resources make up a category (or a marker), and where its fields are."""

    resource: str
    where: tuple[tuple[FhirPath, frozenset[str]], ...]
    fields: Mapping[str, tuple[FhirPath, ...] | Text]
    order: str | None
    descending: bool
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirMap:
    """A whole FHIR system; identifier scheme by `identifier.system`."""

    system: str
    schemes: Mapping[str, str]
    markers: Mapping[str, ResourceMap]
    categories: Mapping[str, ResourceMap]


class FhirConnector:
    """A record system that speaks FHIR R4."""

    def __init__(self, mapping: FhirMap, source: FhirSource) -> None:
        """Keep the mapping and the source."""
        self._mapping = mapping
        self._source = source

    @classmethod
    def from_mapping(
        cls, top: Section, *, secrets: Mapping[str, str], clock: Clock
    ) -> "FhirConnector":
        """Return the connector that a mapping file describes; raises MappingError."""
        del clock  # a folder's age is shown, a server's data are live
        top.allow(
            "connector",
            "system",
            "source",
            "token",
            "timeout_seconds",
            "people",
            "markers",
            "categories",
        )
        system, source = top.text("system"), top.text("source")
        token = top.secret("token", secrets)
        seconds = top.number("timeout_seconds", DEFAULT_TIMEOUT_SECONDS, most=600)
        if source.startswith(("https://", "http://")):
            return cls(
                _read_map(top, system),
                RestSource(system, source, token=token, timeout_seconds=seconds),
            )
        return cls(_read_map(top, system), FolderSource(system, top.folder / Path(source)))

    def people(self) -> Iterator[Person]:
        """See Connector."""
        query = {"_elements": _PEOPLE_ELEMENTS}
        drafts: dict[str, Draft] = {}
        for patient in self._source.search("Patient", query):
            key = text_of(patient.get("id"))
            if key and key in drafts:
                drafts[key].merge(_draft(patient, self._mapping.schemes))
            elif key:
                drafts[key] = _draft(patient, self._mapping.schemes)
        return (Person(record_id=key, identity=d.identity()) for key, d in drafts.items())

    def read(
        self, record_id: str, *, category: str, fields: tuple[str, ...]
    ) -> list[dict[str, str]]:
        """See Connector."""
        if category == MARKERS_CATEGORY:
            self._check_still_there(record_id)
            return [{name: text_of(self._is_marked(name, record_id)) for name in fields}]
        entry = self._mapping.categories.get(category)
        if entry is None:
            raise AnswerByHandError(self._mapping.system, category)
        wanted = {name: entry.fields[name] for name in fields if name in entry.fields}
        if not wanted:
            return []
        found = list(self._find(entry, record_id, wanted))
        if not found:
            self._check_still_there(record_id)
        return _rows(found, entry, wanted)

    def health(self) -> Health:
        """See Connector."""
        try:
            as_of = self._source.check()
        except ConnectorUnavailableError as error:
            return Health(live=False, reason=error.reason)
        return Health(live=True, as_of=as_of)

    def _is_marked(self, name: str, record_id: str) -> bool:
        entry = self._mapping.markers.get(name)
        return entry is not None and any(True for _ in self._find(entry, record_id, {}))

    def _check_still_there(self, record_id: str) -> None:
        query = {"_id": record_id, "_elements": "id"}
        if not any(p.get("id") == record_id for p in self._source.search("Patient", query)):
            raise ConnectorUnavailableError(
                self._mapping.system, "the record is no longer there since it was matched"
            )

    def _find(
        self,
        entry: ResourceMap,
        record_id: str,
        wanted: Mapping[str, tuple[FhirPath, ...] | Text],
    ) -> Iterator[Resource]:
        """Yield the resources of an entry that are about a patient and fulfil its conditions."""
        by = "_id" if entry.resource == "Patient" else "patient"
        query = {by: record_id, "_elements": _elements(entry, wanted)}
        about = parse_path(_SUBJECT[entry.resource])
        names = {record_id} if by == "_id" else {f"Patient/{record_id}", f"urn:uuid:{record_id}"}
        for resource in self._source.search(entry.resource, query):
            references = {_relative(r) for r in values_at(resource, about)}
            if names & references and not _is_error(resource) and _fulfils(resource, entry):
                yield resource


def _relative(reference: str) -> str:
    """Return `Patient/1` for `https://host/base/Patient/1/_history/2`."""
    parts = reference.split("/_history/", maxsplit=1)[0].split("/")
    return "/".join(parts[-2:]) if len(parts) > 1 else reference


def _is_error(resource: Resource) -> bool:
    """Return whether the record was entered in error, and so says nothing about anyone."""
    paths = ("status", "verificationStatus.coding.code")
    return any("entered-in-error" in values_at(resource, parse_path(p)) for p in paths)


def _fulfils(resource: Resource, entry: ResourceMap) -> bool:
    return all(
        any(value in valid for value in values_at(resource, path)) for path, valid in entry.where
    )


def _elements(entry: ResourceMap, wanted: Mapping[str, tuple[FhirPath, ...] | Text]) -> str:
    """Return the top elements that a query needs: the server sends no others."""
    names = {_SUBJECT[entry.resource].partition(".")[0], "status", "verificationStatus"}
    names |= {path[0].name for path, _ in entry.where}
    names |= {p[0].name for s in wanted.values() if not isinstance(s, Text) for p in s}
    if entry.resource != "Condition":
        names.discard("verificationStatus")
    if entry.resource in {"Condition", "Patient"}:
        names.discard("status")
    return ",".join(sorted(names))


def _rows(
    found: list[Resource], entry: ResourceMap, wanted: Mapping[str, tuple[FhirPath, ...] | Text]
) -> list[dict[str, str]]:
    """Return the answer's rows: ordered, cut, and with the wanted fields only."""
    # By a field that may not be read the rows are not even ordered.
    if entry.order is not None and entry.order in wanted:
        order = wanted[entry.order]
        found = sorted(found, key=lambda r: _value(r, order), reverse=entry.descending)
    rows = [{name: _value(r, source) for name, source in wanted.items()} for r in found]
    return [{n: t for n, t in row.items() if t} for row in rows[: entry.limit]]


def _value(resource: Resource, source: tuple[FhirPath, ...] | Text) -> str:
    if isinstance(source, Text):
        return source.text
    return next((v for path in source for v in values_at(resource, path) if v), "")


def _draft(patient: Resource, schemes: Mapping[str, str]) -> Draft:
    """Return the matching fields of a Patient; the official or usual name is the present one."""
    names = [n for n in _list(patient, "name") if isinstance(n, dict)]
    names.sort(key=lambda n: _NAME_ORDER.get(str(n.get("use")), _OTHER_NAME))
    present = names[0] if names else {}
    by_system = {system: scheme for scheme, system in schemes.items()}
    draft = draft_of(
        given=[text_of(g) for g in _list(present, "given")],
        single={
            "surname": present.get("family"),
            "birth_date": patient.get("birthDate"),
            "sex": patient.get("gender"),
        },
        identifiers={
            by_system[i["system"]]: i.get("value")
            for i in _list(patient, "identifier")
            if isinstance(i, dict) and i.get("system") in by_system and i.get("use") != "old"
        },
    )
    for name in names[1:]:
        # A nickname comes without a family name.
        family = text_of(name.get("family")) or draft.surname
        draft.add_name(" ".join(text_of(g) for g in _list(name, "given")), family)
    for address in _list(patient, "address"):
        if isinstance(address, dict):
            draft.add_address(_address(address))
    return draft


_NAME_ORDER: Final = MappingProxyType({"official": 0, "usual": 1, "None": 2})
_OTHER_NAME: Final = 3


def _address(address: Resource) -> dict[str, str]:
    lines = [text_of(line) for line in _list(address, "line")]
    lines += [text_of(address.get(part)) for part in ("city", "district")]
    line = " ".join(filter(None, lines)) or text_of(address.get("text"))
    return {
        "line": line,
        "postcode": text_of(address.get("postalCode")),
        "uprn": next(_uprns(address), ""),
    }


def _uprns(address: Resource) -> Iterator[str]:
    """Yield UPRNs from the UK Core extension AddressKey of type UPRN."""
    for extension in _list(address, "extension"):
        parts = extension.get("extension") if isinstance(extension, dict) else None
        if not parts or not str(extension.get("url")).endswith(UPRN_EXTENSION):
            continue
        inner = {p.get("url"): p for p in parts if isinstance(p, dict)}
        kind = parse_path("valueCodeableConcept.coding.code")
        if "UPRN" in values_at(inner.get("type"), kind):
            yield text_of(inner.get("value", {}).get("valueString"))


def _list(members: Resource, name: str) -> list[Any]:
    value = members.get(name)
    return value if isinstance(value, list) else []


def _read_map(top: Section, system: str) -> FhirMap:
    people = top.section("people")
    people.allow("identifiers")
    identifiers = people.section("identifiers")
    check_schemes(identifiers)
    schemes = {scheme: identifiers.text(scheme) for scheme in identifiers}
    markers, categories = top.section("markers"), top.section("categories")
    markers.allow(*MARKER_FIELDS)
    return FhirMap(
        system=system,
        schemes=MappingProxyType(schemes or {"nhs": NHS_NUMBER_SYSTEM}),
        markers={name: _resource_map(markers.section(name)) for name in markers},
        categories={
            code: _resource_map(categories.section(code), needs_fields=True) for code in categories
        },
    )


def _resource_map(entry: Section, *, needs_fields: bool = False) -> ResourceMap:
    entry.allow("resource", "where", "fields", "order", "limit")
    resource = entry.text("resource")
    if resource not in _SUBJECT:
        entry.refuse("resource", f"'{resource}' is not supported", word=resource, valid=_SUBJECT)
    names, where, order = entry.section("fields"), entry.section("where"), entry.section("order")
    if needs_fields and not list(names):
        entry.refuse("fields", "is missing")
    order.allow("field", "descending")
    by = order.text("field") if "order" in entry else None
    if by is not None and by not in names:
        order.refuse("field", f"no field '{by}'", word=by, valid=list(names))
    return ResourceMap(
        resource=resource,
        where=tuple((_path(where, p, p), frozenset(map(text_of, where.values(p)))) for p in where),
        fields={
            n: constant(names, n)
            if names.is_section(n)
            else tuple(_path(names, n, p) for p in names.texts(n))
            for n in names
        },
        order=by,
        descending=order.flag("descending"),
        limit=int(entry.number("limit", DEFAULT_LIMIT, most=MAX_LIMIT)),
    )


def _path(section: Section, key: str, text: str) -> FhirPath:
    try:
        return parse_path(text)
    except ValueError as error:
        section.refuse(key, str(error))
