"""Errors of the policies package.

PoliciesError
├── AgreementError   a document is not an agreement we can stand on
│   └── SuccessionError  one agreement may not follow another
├── FactsError       facts of a case are missing, unknown or of the wrong type
├── CasesError       a file of examples cannot be read
├── CompileError     an agreement does not compile to a policy that fails closed
└── UndecidableError a query holds a code that nobody knows (decide turns it into D00)
"""


class PoliciesError(Exception):
    """Root of the package's errors."""


class AgreementError(PoliciesError):
    """A document was refused, with the place and the nearest valid word."""

    def __init__(
        self, message: str, *, path: str, line: int, suggestion: str | None = None
    ) -> None:
        """Keep the place, so that an editor or a page can point at it.

        Args:
            message: What is wrong, without the place.
            path: Name of the file or source.
            line: One-based line, 0 when the fault has no single place.
            suggestion: Nearest valid word, if one is near.

        """
        hint = f" (did you mean '{suggestion}'?)" if suggestion else ""
        super().__init__(f"{path}:{line}: {message}{hint}")
        self.message = message
        self.path = path
        self.line = line
        self.suggestion = suggestion


class SuccessionError(AgreementError):
    """An agreement was not taken over; what was in force stays."""


class FactsError(PoliciesError):
    """Facts could not be read; carries the key, never the value."""

    def __init__(self, message: str, *, key: str) -> None:
        """Keep the key; values may describe a family and stay out of errors."""
        super().__init__(f"{key}: {message}")
        self.key = key


class CasesError(PoliciesError):
    """A file of examples cannot be read; carries the place inside it."""

    def __init__(self, message: str, *, place: str) -> None:
        """Keep the place, for instance `S01 row 3`."""
        super().__init__(f"{place}: {message}")
        self.place = place


class CompileError(PoliciesError):
    """An agreement's rules would not fail closed; carries the rule's id."""

    def __init__(self, message: str, *, rule: str) -> None:
        """Keep the rule's id."""
        super().__init__(f"rule {rule}: {message}")
        self.rule = rule


class UndecidableError(PoliciesError):
    """A query holds a code that nobody knows; carries which one, never its value."""

    def __init__(self, fact: str) -> None:
        """Keep the name of the fact."""
        super().__init__(f"unknown {fact}")
        self.fact = fact
