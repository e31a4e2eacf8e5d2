"""Errors of the node's side, one tree.

AdaptersError
├── MappingError              a connector's mapping file names something that does not exist
├── IdentityFormatError       bytes or JSON that are not an identity
├── ConnectorError            a record system could not give an answer by machine
│   ├── ConnectorUnavailableError   missing, slow, stale or broken: answer UNAVAILABLE
│   └── AnswerByHandError           nothing machine readable: answer PENDING_HUMAN
├── TrustError                a message does not hold
│   ├── UnknownCredentialError      its key stands in no ledger entry
│   ├── MessageExpiredError         too early, too late, or valid for too long
│   ├── MessageNotForUsError        another audience or MASH
│   ├── ForeignAgreementError       written under another agreement
│   ├── SenderMayNotError           the credential does not fit the message
│   ├── AgreementNotOursError       not the agreement that was pinned
│   ├── AgreementActError           a signature under an agreement does not hold
│   ├── SuiteNotAgreedError         the agreement does not name our sealing suite
│   ├── WrongReceiptError           a receipt for something else
│   └── NotOurOrderError            an order that is not for this node
├── OverAskError              the broker permits what this node's own decision denies (T3)
├── BrokerUnavailableError    no answer from the broker: try again with the same bytes
├── BrokerRefusedError        the broker answered with a problem
├── SettingsError             the node's configuration file is wrong
├── CaseInputError            a case stated to the local API is wrong
├── TaskError                 a representative's decision does not fit its task
├── NotAllowedError           the token, or the role, is not that person's
└── LocalApiError             a node's local API cannot be reached, or refused

None carries a name, a date of birth, an identifier's value or a record's content.
"""

from datetime import datetime
from typing import Any


class AdaptersError(Exception):
    """Root of every error raised by `adapters`."""


class MappingError(AdaptersError):
    """A mapping is wrong; the message says where, what, and the nearest valid word."""

    def __init__(self, *, file: str, key: str, problem: str, nearest: str | None = None) -> None:
        """Keep the place, so that a tool can point at it.

        Args:
            file: Name of the mapping file, without its folder.
            key: Dotted path of the offending entry.
            problem: What is wrong, as a sentence fragment.
            nearest: The valid word closest to the one that was written.

        """
        hint = f"; did you mean '{nearest}'?" if nearest else ""
        super().__init__(f"{file}: {key}: {problem}{hint}")
        self.file = file
        self.key = key
        self.problem = problem
        self.nearest = nearest


class IdentityFormatError(AdaptersError):
    """A sealed identity does not have the agreed form."""

    def __init__(self, *, field: str, problem: str) -> None:
        """Name the field and the problem, never the value."""
        super().__init__(f"identity field {field}: {problem}")
        self.field = field
        self.problem = problem


class ConnectorError(AdaptersError):
    """A record system gave no answer by machine."""


class ConnectorUnavailableError(ConnectorError):
    """The source is missing, slow, stale or broken. Never to be read as "not known"."""

    def __init__(self, system: str, reason: str) -> None:
        """Keep the system's name and a reason fit for a screen, without content."""
        super().__init__(f"{system} is unavailable: {reason}")
        self.system = system
        self.reason = reason


class AnswerByHandError(ConnectorError):
    """A person has to answer: the system, or this category of it, is not connected."""

    def __init__(self, system: str, category: str | None = None) -> None:
        """Keep the system and, when only one category is meant, the category."""
        what = f"{system}, category {category}," if category else system
        super().__init__(f"{what} is answered by hand")
        self.system = system
        self.category = category


class TrustError(AdaptersError):
    """A message, order or receipt does not hold."""


class UnknownCredentialError(TrustError):
    """The signing key stands in no ledger entry, so nothing it signs counts."""

    def __init__(self, kid: str) -> None:
        """Keep the key's identifier."""
        super().__init__(f"credential {kid} is not in the ledger: log it first")
        self.kid = kid


class MessageExpiredError(TrustError):
    """The message is not yet valid, has expired, or is valid for longer than its kind may be."""

    def __init__(self, issued: datetime) -> None:
        """Keep when it was written."""
        super().__init__(
            f"the message written at {issued.isoformat()} is too early, too late or valid for too "
            "long: check the clock and write it again"
        )
        self.issued = issued


class MessageNotForUsError(TrustError):
    """The message names another audience or MASH."""

    def __init__(self, audience: str) -> None:
        """Keep the audience named."""
        super().__init__("the message is addressed to another broker or MASH")
        self.audience = audience


class ForeignAgreementError(TrustError):
    """The message was written under an agreement that is not in force here."""

    def __init__(self, id_: str, seq: int) -> None:
        """Keep which."""
        super().__init__(f"agreement {id_} number {seq} with that hash is not in force here")
        self.id = id_
        self.seq = seq


class SenderMayNotError(TrustError):
    """The credential does not allow this message."""

    def __init__(self, why: str) -> None:
        """Keep the rule as a sentence fragment."""
        super().__init__(why)
        self.why = why


class AgreementNotOursError(TrustError):
    """The agreement's bytes are not those that were pinned."""

    def __init__(self, found: str, pinned: str) -> None:
        """Keep both hashes."""
        super().__init__(f"the agreement's hash is {found}, pinned is {pinned}")
        self.found = found
        self.pinned = pinned


class SuiteNotAgreedError(TrustError):
    """The agreement does not name the suite that this program seals with."""

    def __init__(self, suite: str) -> None:
        """Keep the suite."""
        super().__init__(f"the agreement's schedule does not name the suite {suite}")
        self.suite = suite


class WrongReceiptError(TrustError):
    """A receipt proves something else than what it was given for."""

    def __init__(self, event: str) -> None:
        """Keep the event it should have proved."""
        super().__init__(f"no receipt of the {event} it should prove")
        self.event = event


class NotOurOrderError(TrustError):
    """An order that is not for this node, or not of one piece."""

    def __init__(self, why: str) -> None:
        """Keep why, as a sentence fragment."""
        super().__init__(f"not an order for this node: {why}")
        self.why = why


class OverAskError(AdaptersError):
    """The broker permits what this node's own copy of the agreement denies (promise T3)."""

    def __init__(self, rule: str) -> None:
        """Keep the rule of our own denial."""
        super().__init__(f"the broker asks for more than rule {rule} allows")
        self.rule = rule


class AgreementActError(TrustError):
    """A signature or withdrawal under an agreement was not accepted, or may not be given."""

    def __init__(self, problem: str, *, party: str) -> None:
        """Keep the party's code, empty when it is not known, and the problem."""
        super().__init__(f"{party}: {problem}" if party else problem)
        self.party = party
        self.problem = problem


class BrokerUnavailableError(AdaptersError):
    """No usable answer from the broker; the same bytes are sent again later."""

    def __init__(self, why: str) -> None:
        """Keep the kind of failure, never the address."""
        super().__init__(f"the broker cannot be reached ({why})")
        self.why = why


class BrokerRefusedError(AdaptersError):
    """The broker answered with a problem document (RFC 9457)."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        """Keep the HTTP status and the document."""
        super().__init__(f"the broker refused ({status}): {problem.get('detail', 'no detail')}")
        self.status = status
        self.problem = problem


class SettingsError(AdaptersError):
    """The configuration file is missing or wrong."""

    def __init__(self, file: str, key: str, problem: str) -> None:
        """Keep the place and the problem."""
        super().__init__(f"{file}: {key}: {problem}")
        self.file = file
        self.key = key
        self.problem = problem


class CaseInputError(AdaptersError):
    """A case, report or outcome given to the local API is wrong."""

    def __init__(self, place: str, problem: str) -> None:
        """Keep the place and the problem; never the value."""
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem


class TaskError(AdaptersError):
    """A representative's decision does not fit the task."""


class NotAllowedError(AdaptersError):
    """The token is nobody's, or the role is not that person's."""


class LocalApiError(AdaptersError):
    """A node's local API gave no answer, or a problem."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        """Keep the HTTP status, 0 for no answer, and the problem document."""
        super().__init__(str(problem.get("detail", problem.get("title", f"HTTP {status}"))))
        self.status = status
        self.problem = problem
