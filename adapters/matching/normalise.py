"""Bring names, addresses and dates to the form in which they are compared.

Unicode NFKD without diacritics, casefolded, without punctuation; "O'" and "Mac/Mc" joined to
what follows; hyphenated and double names also as their parts. Other scripts keep their letters.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Final

from nicknames import NickNamer

from adapters.matching.identifiers import TEMPORARY
from adapters.matching.identity import BirthAccuracy, Identity, Person

_LETTERS: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "\u0131": "i"}
)
_APOSTROPHES: Final = re.compile(r"['\u2018\u2019\u02bc\u02bb\u0060\u00b4.]")
_PLACEHOLDERS: Final = frozenset(
    {"baby", "unborn", "infant", "unknown", "newborn", "fetus", "foetus", "boy", "girl"}
    | {"male", "female", "twin", "child", "nk", "tbc", "tba"}
)
_PARTICLES: Final = frozenset(
    {"o", "mc", "mac", "de", "la", "le", "du", "da", "dos", "van", "von", "der", "den"}
    | {"el", "al", "bin", "ibn", "ben", "st"}
)
_MAC: Final = re.compile(r"\bmac(?=[^aeiou\W]\w{3})")
MIN_NAME: Final = 2
"""Letters that a name needs before its agreement proves anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """An identity in the form in which it is compared.

    Attributes:
        given: First given name as one word, then its parts when it is a double name.
        middle: The other given names.
        surname: Present family name as one word, then its parts.
        previous: Former (given, surname) forms.
        birth: Date of birth.
        birth_trusted: Known to the day, and not a 1 January that stands for "unknown".
        place_ids: Every UPRN.
        postcodes: Every postcode, without spaces.
        lines: Address lines.
        identifiers: Valid strong identifiers.
        temporary_id: Holds a temporary identifier.
        placeholder: The given name is none ("Baby", "Unborn of ...").

    """

    record_id: str
    given: tuple[str, ...]
    middle: tuple[str, ...]
    surname: tuple[str, ...]
    previous: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    birth: date | None
    birth_trusted: bool
    sex: str
    place_ids: frozenset[str]
    postcodes: frozenset[str]
    lines: tuple[str, ...]
    identifiers: Mapping[str, str]
    temporary_id: bool
    placeholder: bool


def profile_of(person: Person) -> Profile:
    """Return the comparable form of a record, or of a subject wrapped as one."""
    identity = person.identity
    given = [words for text in identity.given if (words := fold_name(text))]
    first = given[0] if given else ()
    return Profile(
        record_id=person.record_id,
        given=_forms(first),
        middle=tuple("".join(words) for words in given[1:]),
        surname=_forms(fold_name(identity.surname)),
        previous=tuple(
            (_forms(fold_name(g)), _forms(fold_name(s))) for g, s in identity.previous_names
        ),
        birth=identity.birth_date,
        birth_trusted=_is_trusted(identity),
        sex=_fold_sex(identity.sex),
        place_ids=frozenset(a.uprn.strip().lstrip("0") for a in identity.addresses) - {""},
        postcodes=frozenset(fold_postcode(a.postcode) for a in identity.addresses) - {""},
        lines=tuple(dict.fromkeys(s for a in identity.addresses if (s := fold_line(a.line)))),
        identifiers=identity.strong_identifiers(),
        temporary_id=any(bad.reason == TEMPORARY for bad in identity.bad_identifiers()),
        placeholder=bool(_PLACEHOLDERS & set(first)),
    )


def fold_name(text: str) -> tuple[str, ...]:
    """Return the words of a name, folded; particles joined to the word that follows."""
    folded = _fold(_APOSTROPHES.sub("", text).replace("-", " "))
    words = re.findall(r"\w+", _MAC.sub("mc", folded).replace("_", " "))
    joined: list[str] = []
    carried = ""
    for word in words:
        carried += word
        if word not in _PARTICLES:
            joined.append(carried)
            carried = ""
    return (*joined, carried) if carried else tuple(joined)


def fold_postcode(text: str) -> str:
    """Return a postcode in capitals without spaces or punctuation."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text)).upper()


def fold_line(text: str) -> str:
    """Return an address line as folded words in their order."""
    return " ".join(re.findall(r"\w+", _fold(text)))


def outward(postcode: str) -> str:
    """Return the area part of a folded postcode: all but the last three characters."""
    return postcode[:-3]


@cache
def nicknames() -> Mapping[str, frozenset[str]]:
    """Return, for every known given name, its nicknames and the names it is one of."""
    namer = NickNamer()
    names = set(namer.nickname_lookup) | set(namer.canonical_lookup)
    return {n: frozenset(namer.nicknames_of(n) | namer.canonicals_of(n)) for n in names}


def _fold(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def _forms(words: Iterable[str]) -> tuple[str, ...]:
    parts = tuple(words)
    if len(parts) < 2:  # noqa: PLR2004 - a single name has no parts
        return parts
    return ("".join(parts), *(p for p in parts if len(p) > MIN_NAME))


def _fold_sex(text: str | None) -> str:
    letter = (text or "").strip().casefold()[:1]
    return letter if letter in {"m", "f"} else ""


def _is_trusted(identity: Identity) -> bool:
    born = identity.birth_date
    if born is None or identity.birth_accuracy is not BirthAccuracy.DAY:
        return False
    return (born.month, born.day) != (1, 1)
