"""Errors of the keys package.

```
KeysError
├── MessageError                   a signed message was not accepted
│   ├── MalformedMessageError      not the shape that may be checked
│   ├── UnexpectedHeaderError      another algorithm, signer or type
│   └── InvalidSignatureError      the signature does not hold
├── SealError                      sealing or opening failed
│   ├── PlaintextTooLargeError     no size class holds it
│   ├── InvalidSealKeyError        the recipient's public key is unusable
│   ├── RecipientsError            none, too many, or one key named twice
│   ├── UnknownSuiteError          another or no suite id
│   ├── CommitmentMismatchError    the key is not the one committed to
│   └── CannotOpenError            everything else, on purpose undistinguished
├── CredentialError                a credential was not accepted
│   ├── MalformedCredentialError   not the one exact form
│   ├── UnknownIssuerError         issuer absent: an unlogged or foreign kid
│   ├── IssuerNotAllowedError      this issuer may not issue this
│   ├── ValidityError              dates: too long, inverted or outside the issuer's
│   ├── NotYetValidError
│   └── ExpiredError
└── KeyStoreError                  the key store refuses
    ├── WrongSecretError
    ├── UnsafeModeError            others may read the file, or it is not ours
    ├── EntryMissingError
    ├── EntryExistsError
    └── DamagedStoreError          a file was changed, cut or swapped
```

No error carries key bytes, plaintext or a message's content.
"""

from datetime import datetime


class KeysError(Exception):
    """Base of everything this package raises on purpose."""


class MessageError(KeysError):
    """A signed message was not accepted."""


class MalformedMessageError(MessageError):
    """The text is not a compact JWS of the one accepted shape."""

    def __init__(self, problem: str) -> None:
        """Keep `problem`, a fixed phrase that quotes nothing of the input."""
        super().__init__(f"malformed message: {problem}")
        self.problem = problem


class UnexpectedHeaderError(MessageError):
    """The protected header names another algorithm, signer or type than expected."""

    def __init__(self, field: str) -> None:
        """Keep the header's `field` (`alg`, `kid` or `typ`) that differs."""
        super().__init__(f"the message's {field} is not the expected one")
        self.field = field


class InvalidSignatureError(MessageError):
    """A signature does not hold for this key and data."""

    def __init__(self, alg: str) -> None:
        """Keep the signature's algorithm name."""
        super().__init__(f"the {alg} signature does not hold")
        self.alg = alg


class SealError(KeysError):
    """Sealing or opening failed; the class name is all that is told."""


class PlaintextTooLargeError(SealError):
    """No size class holds the plaintext."""

    def __init__(self, *, size_bytes: int, capacity_bytes: int) -> None:
        """Keep the plaintext's size and the largest class's capacity."""
        super().__init__(f"{size_bytes} bytes exceed the largest capacity, {capacity_bytes}")
        self.size_bytes = size_bytes
        self.capacity_bytes = capacity_bytes


class InvalidSealKeyError(SealError):
    """A recipient's public key is malformed or of low order."""

    def __init__(self) -> None:
        """Say no more than that the key is unusable."""
        super().__init__("the recipient's public key cannot be used")


class RecipientsError(SealError):
    """A list of recipients is empty, too long or names one key twice."""

    def __init__(self, *, count: int, limit: int) -> None:
        """Keep the number of recipients and the most that are allowed."""
        super().__init__(f"{count} recipients: need 1 to {limit}, each with its own key")
        self.count = count
        self.limit = limit


class UnknownSuiteError(SealError):
    """The blob does not start with the suite id of this version."""

    def __init__(self) -> None:
        """Say no more: the id found is attacker-controlled text."""
        super().__init__("the sealed blob names no suite that is accepted here")


class CommitmentMismatchError(SealError):
    """The content key is not the one the signed commitment names."""

    def __init__(self) -> None:
        """Say no more than that."""
        super().__init__("the content key does not match its commitment")


class CannotOpenError(SealError):
    """Wrong key, wrong context, or changed bytes: not told apart."""

    def __init__(self) -> None:
        """Say no more than that."""
        super().__init__("the sealed blob or wrap cannot be opened")


class CredentialError(KeysError):
    """A credential was not accepted."""


class MalformedCredentialError(CredentialError):
    """The text is not the one exact serialized form of a credential."""

    def __init__(self, problem: str) -> None:
        """Keep `problem`, a fixed phrase that quotes nothing of the input."""
        super().__init__(f"malformed credential: {problem}")
        self.problem = problem


class UnknownIssuerError(CredentialError):
    """The issuer is not among the roots or the verified credentials."""

    def __init__(self, *, kid: str, issuer_kid: str) -> None:
        """Keep the credential's and the issuer's kid, as claimed."""
        super().__init__(f"credential {kid}: issuer {issuer_kid} is not known")
        self.kid = kid
        self.issuer_kid = issuer_kid


class IssuerNotAllowedError(CredentialError):
    """The issuer may not issue this credential; `rule` says why."""

    def __init__(self, *, kid: str, issuer_kid: str, rule: str) -> None:
        """Keep both kids and `rule`: `kind`, `party` or `mash`."""
        super().__init__(f"credential {kid}: issuer {issuer_kid} may not issue it ({rule})")
        self.kid = kid
        self.issuer_kid = issuer_kid
        self.rule = rule


class ValidityError(CredentialError):
    """The credential's dates break a rule: `order`, `lifetime` or `issuer`."""

    def __init__(self, *, kid: str, rule: str) -> None:
        """Keep the kid and the broken rule."""
        super().__init__(f"credential {kid}: its dates break the rule {rule!r}")
        self.kid = kid
        self.rule = rule


class NotYetValidError(CredentialError):
    """The credential is not valid yet."""

    def __init__(self, *, kid: str, not_before: datetime) -> None:
        """Keep the kid and the start of validity."""
        super().__init__(f"credential {kid} is valid only from {not_before.isoformat()}")
        self.kid = kid
        self.not_before = not_before


class ExpiredError(CredentialError):
    """The credential is no longer valid."""

    def __init__(self, *, kid: str, expires: datetime) -> None:
        """Keep the kid and the end of validity."""
        super().__init__(f"credential {kid} expired at {expires.isoformat()}")
        self.kid = kid
        self.expires = expires


class KeyStoreError(KeysError):
    """The key store refuses."""


class WrongSecretError(KeyStoreError):
    """The secret does not open this key store."""

    def __init__(self) -> None:
        """Say no more than that."""
        super().__init__("the secret does not open this key store")


class UnsafeModeError(KeyStoreError):
    """A file or folder of the store is open to others, not ours, or a link."""

    def __init__(self, *, name: str, problem: str) -> None:
        """Keep the file's name (no path) and the problem."""
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


class EntryMissingError(KeyStoreError):
    """The store has no entry of this name."""

    def __init__(self, name: str) -> None:
        """Keep the name."""
        super().__init__(f"the key store has no entry {name!r}")
        self.name = name


class EntryExistsError(KeyStoreError):
    """The store already has an entry of this name, which must not be replaced."""

    def __init__(self, name: str) -> None:
        """Keep the name."""
        super().__init__(f"the key store already has an entry {name!r}")
        self.name = name


class DamagedStoreError(KeyStoreError):
    """A file of the store was changed, cut short or swapped."""

    def __init__(self, name: str) -> None:
        """Keep the damaged file's or entry's name."""
        super().__init__(f"the key store's {name!r} is damaged")
        self.name = name
