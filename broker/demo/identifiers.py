"""Identifiers that are well formed, carry right check characters, and belong to nobody.

NHS numbers come from the test range 999, UPNs carry the fictional LA code 999, postcodes lie in
the unused area ZZ, UPRNs above every allocated one.
Rules and test vectors: python-stdnum for NHS and UPN, the PNC rule from hmpps-person-record.
"""

import random  # noqa: TID251 - seeded, for invented data only
import string
from dataclasses import dataclass, field

from stdnum.gb import nhs, upn

FICTIONAL_LA = "999"
_PNC_LETTERS = "ZABCDEFGHJKLMNPQRTUVWXY"
_INWARD_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"  # Royal Mail leaves out C I K M O V


def pnc_check_letter(year: int, serial: int) -> str:
    """Return the letter that ends the PNC id of `year` and `serial` (up to 7 digits)."""
    return _PNC_LETTERS[int(f"{year % 100:02d}{serial:07d}") % len(_PNC_LETTERS)]


@dataclass(slots=True, kw_only=True)
class Identifiers:
    """Allocates identifiers, each once, in an order that depends on `rng` alone."""

    rng: random.Random
    _given_out: set[str] = field(default_factory=set)

    def nhs_number(self) -> str:
        """Return an unused NHS number, 10 digits, from the test range."""
        while True:
            stem = f"999{self.rng.randrange(10**6):06d}"
            # One stem in eleven has no check digit at all.
            number = next((stem + d for d in string.digits if nhs.is_valid(stem + d)), None)
            if number and self._is_new(number):
                return number

    def upn(self, birth_year: int) -> str:
        """Return an unused UPN, 13 characters, issued at about the age of four."""
        while True:
            establishment = self.rng.randrange(2000, 3000)
            serial = self.rng.randrange(1, 1000)
            stem = f"{FICTIONAL_LA}{establishment}{(birth_year + 4) % 100:02d}{serial:03d}"
            number = str(upn.calc_check_digit(stem)) + stem
            if self._is_new(number):
                return number

    def pnc(self, birth_year: int) -> str:
        """Return an unused PNC id, `YYYY/NNNNNNNL`, of the year the person turned 18."""
        while True:
            year, serial = birth_year + 18, self.rng.randrange(9_000_000, 10_000_000)
            number = f"{year}/{serial:07d}{pnc_check_letter(year, serial)}"
            if self._is_new(number):
                return number

    def crn(self) -> str:
        """Return an unused probation case reference number, one letter and six digits."""
        return self._unused("Z", 6)

    def uprn(self) -> str:
        """Return an unused UPRN, 12 digits, above every allocated one."""
        return self._unused("9999", 8)

    def postcode(self) -> str:
        """Return an unused postcode of the area ZZ, which no town has."""
        while True:
            district = self.rng.randrange(1, 20)
            letters = "".join(self.rng.choice(_INWARD_LETTERS) for _ in range(2))
            code = f"ZZ{district} {self.rng.choice(string.digits)}{letters}"
            if self._is_new(code):
                return code

    def reserve(self, value: str) -> str:
        """Return `value`, which will not be given out any more."""
        self._given_out.add(value)
        return value

    def _unused(self, prefix: str, digits: int) -> str:
        while True:
            number = f"{prefix}{self.rng.randrange(10**digits):0{digits}d}"
            if self._is_new(number):
                return number

    def _is_new(self, number: str) -> bool:
        before = len(self._given_out)
        self._given_out.add(number)
        return len(self._given_out) > before
