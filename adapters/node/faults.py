"""Which errors spoil one message and which stop the node.

A message that does not hold is passed over with an alarm. Two histories of the ledger, or a
ledger that went backwards, stop the node: in a proof, any doubt is a stop.
"""

from typing import Final

from adapters.errors import AdaptersError
from adapters.protocol import ProtocolError
from audit.errors import AuditError, WitnessError
from keys.errors import KeysError

_UNFORESEEN: Final = (ValueError, TypeError, ArithmeticError, RecursionError)  # others wrote it
ONE_MESSAGE: Final = (
    AdaptersError,
    AuditError,
    KeysError,
    ProtocolError,
    LookupError,
    *_UNFORESEEN,
)
STOP: Final = (WitnessError,)
