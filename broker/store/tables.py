"""The tables: one per record of `broker.domain`, and the ledger's own.

Column names are field names, so a record maps to its row by name alone.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)

from broker import domain

metadata: Final = MetaData()


def _table(name: str, *columns: Column[object] | Index) -> Table:
    return Table(name, metadata, *columns)


def _key(name: str, *, number: bool = False) -> Column[object]:
    return Column(name, BigInteger if number else String, primary_key=True, autoincrement=False)


def _text(name: str, *, null: bool = False) -> Column[object]:
    return Column(name, Text, nullable=null)


def _number(name: str, *, null: bool = False) -> Column[object]:
    return Column(name, BigInteger, nullable=null)


def _bytes(name: str) -> Column[object]:
    return Column(name, LargeBinary, nullable=False)


def _flag(name: str) -> Column[object]:
    return Column(name, Boolean, nullable=False)


messages: Final = _table(
    "messages",
    _key("sha256"),
    _text("sender"),
    _text("jti"),
    _text("kind"),
    _text("jws"),
    _number("at"),
    _bytes("reply"),
    Index("messages_jti", "sender", "jti", unique=True),
)
credentials: Final = _table(
    "credentials",
    _key("number", number=True),
    _text("kid"),
    _text("party"),
    _text("sha256"),
    _text("text"),
    _number("entry"),
    _number("at"),
    Index("credentials_kid", "kid", unique=True),
    Index("credentials_sha256", "sha256", unique=True),
)
agreement_acts: Final = _table(
    "agreement_acts",
    _key("agreement"),
    _key("party"),
    _key("act"),
    _text("ed25519"),
    _text("mldsa65"),
    _number("entry"),
    _number("at"),
)
cases: Final = _table(
    "cases", _key("ref"), _text("party"), _text("head"), _number("seq"), _flag("closed")
)
requests: Final = _table(
    "requests",
    _key("id"),
    _text("case"),
    _text("party"),
    _text("message"),
    _text("rag", null=True),
    _text("purpose"),
    _number("due", null=True),
    _number("at"),
    _number("entry"),
    _text("decisions"),
    Index("requests_case", "case"),
)
asks: Final = _table(
    "asks",
    _key("digest"),
    _text("request"),
    _text("supplier"),
    _text("route"),
    _text("order_id", null=True),
    _bytes("body"),
    _bytes("permitted"),
    _number("entry"),
    Index("asks_request", "request"),
)
orders: Final = _table(
    "orders",
    _key("id"),
    _text("request"),
    _text("case"),
    _text("ask"),
    _text("requester"),
    _text("supplier"),
    _text("route"),
    _text("state"),
    Column("priority", SmallInteger, nullable=False),
    _number("due", null=True),
    _number("epoch"),
    _number("claimed_at"),
    _number("lease_until"),
    _number("last_version"),
    _number("late_at", null=True),
    _number("told_at", null=True),
    Index("orders_request", "request"),
    Index("orders_case", "case"),
    Index("orders_waiting", "supplier", "state", "priority", "due"),
    Index("orders_late", "late_at", "state", "due"),
)
answers: Final = _table(
    "answers",
    _key("order_id"),
    _key("version", number=True),
    _text("message"),
    _number("entry"),
    _text("release", null=True),
    _number("release_entry", null=True),
)
blobs: Final = _table(
    "blobs", _key("owner"), _key("sha256"), _bytes("body"), _number("erase_after", null=True)
)
deliveries: Final = _table(
    "deliveries",
    _key("party"),
    _key("number", number=True),
    _text("kind"),
    _text("request"),
    _text("owner"),
    _text("message"),
    _number("entry"),
    _text("release", null=True),
    _number("release_entry", null=True),
    _bytes("blobs"),
)
commitment_keys: Final = _table(
    "commitment_keys", _key("entry", number=True), _key("name"), _bytes("key")
)
refusals: Final = _table("refusals", _key("party"), _key("code"), _number("hour"), _number("count"))
assertions: Final = _table(
    "assertions", _key("party"), _key("jti"), _number("expires"), Index("by_expiry", "expires")
)
cosignatures: Final = _table(
    "cosignatures", _key("size", number=True), _key("party"), _text("line")
)

ledger_head: Final = _table(
    "ledger_head", Column("id", Integer, primary_key=True), _number("size"), _bytes("state")
)
ledger_entries: Final = _table("ledger_entries", _key("i", number=True), _bytes("entry"))
ledger_streams: Final = _table(
    "ledger_streams", _key("party"), _key("n", number=True), _number("i")
)
ledger_tiles: Final = _table(
    "ledger_tiles", _key("level", number=True), _key("number", number=True), _bytes("hashes")
)
checkpoints: Final = _table("checkpoints", _key("size", number=True), _text("root"), _text("note"))

TABLES: Final[dict[type[object], Table]] = {
    domain.StoredMessage: messages,
    domain.LoggedCredential: credentials,
    domain.AgreementAct: agreement_acts,
    domain.Case: cases,
    domain.StoredRequest: requests,
    domain.StoredAsk: asks,
    domain.Order: orders,
    domain.StoredAnswer: answers,
    domain.Blob: blobs,
    domain.DeliveryRecord: deliveries,
    domain.CommitmentKey: commitment_keys,
    domain.RefusalCount: refusals,
    domain.UsedAssertion: assertions,
    domain.Cosignature: cosignatures,
}
