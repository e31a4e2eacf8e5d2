"""Cross-references of an agreement: every name resolves, every obligatory rule stands.

Runs on the checked document rather than on values, so that errors keep their
lines.
"""

import itertools
from collections.abc import Collection, Iterator
from typing import Final

from policies.document import Node
from policies.errors import AgreementError
from policies.predicates import OBLIGATORY
from policies.shapes import nearest

_GRANTS: Final = {
    "statutory_notice": "permit",
    "own_court_report": "permit",
    "own_records": "permit",
    "within_automatic_gate": "permit",
    "within_review_gate": "review",
}
_LETTERS: Final = {"deny": "D", "permit": "P", "hold": "V", "review": "V"}


def check_references(root: Node, *, source: str) -> None:
    """Check all cross-references of a document whose shape was checked.

    Raises:
        AgreementError: The first fault, with its line and the nearest valid word.

    """
    check = _References(root, source)
    check.dates()
    check.parties()
    check.suppliers()
    check.roles()
    check.ratings()
    check.rules()
    check.concerns()
    check.notices()


def _members(node: Node, *path: str) -> dict[str, Node]:
    for key in path:
        node = _members(node).get(key, Node(value={}, line=node.line))
    return node.value if isinstance(node.value, dict) else {}


def _words(node: Node | None) -> Iterator[tuple[str, Node]]:
    """Yield the text or the texts of `node`."""
    if node is None:
        return
    for entry in node.value if isinstance(node.value, tuple) else (node,):
        yield str(entry.value), entry


class _References:
    """One document under check."""

    def __init__(self, root: Node, source: str) -> None:
        self._source = source
        self._root = root
        self._terms = _members(root, "terms")

    def _error(self, message: str, node: Node, suggestion: str | None = None) -> AgreementError:
        return AgreementError(message, path=self._source, line=node.line, suggestion=suggestion)

    def _known(self, node: Node | None, valid: Collection[str], what: str) -> None:
        for word, entry in _words(node):
            if word not in valid:
                message = f"'{word[:60]}' is no {what} of this agreement"
                raise self._error(message, entry, nearest(word, valid))

    def _table(self, name: str) -> dict[str, Node]:
        return _members(self._terms[name])

    def dates(self) -> None:
        """Dates run effective_from <= review_due <= expires; hours open before they close."""
        isa = self._table("isa")
        names = ("effective_from", "review_due", "expires")
        for first, second in itertools.pairwise(names):
            if str(isa[first].value) > str(isa[second].value):
                raise self._error(f"{second} lies before {first}", isa[second])
        hours = self._table("hours")
        if str(hours["open"].value) >= str(hours["close"].value):
            raise self._error("hours close before they open", hours["close"])

    def parties(self) -> None:
        """Owner, contacts, tests and schedule name exactly the agreement's parties."""
        parties = self._table("parties")
        self._known(_members(self._terms["isa"], "owner")["party"], parties, "party")
        for name, table in (
            ("contacts", self._terms["contacts"]),
            ("schedule", _members(self._root, "schedule")["parties"]),
        ):
            for party in parties:
                if party not in _members(table):
                    raise self._error(f"{name} lack party '{party}'", table)
            for word, entry in _members(table).items():
                if word not in parties:
                    message = f"{name}: '{word}' is no party of this agreement"
                    raise self._error(message, entry, nearest(word, parties))
        self._known(_members(self._terms["tests"])["signed"], parties, "party")

    def suppliers(self) -> None:
        """Each category has one supplier; no family has two."""
        families = [
            (word, party, entry)
            for party, node in self._table("parties").items()
            for word, entry in _words(_members(node)["supplies"])
        ]
        for index, (word, party, _) in enumerate(families):
            for other, twin, entry in families[index + 1 :]:
                if f"{word}.".startswith(f"{other}.") or f"{other}.".startswith(f"{word}."):
                    raise self._error(f"'{other}' is supplied by {party} and by {twin}", entry)
        for category, node in self._table("categories").items():
            if not any(f"{category}.".startswith(f"{word}.") for word, _, _ in families):
                at_key = Node(value=category, line=node.key_line)
                near = nearest(category.partition(".")[0], [word for word, _, _ in families])
                raise self._error(f"nobody supplies '{category}'", at_key, near)

    def roles(self) -> None:
        """Roles name known parties; every use of a role or a group is a known one."""
        parties, roles = self._table("parties"), self._table("roles")
        groups = {str(_members(node)["group"].value) for node in roles.values()}
        for node in roles.values():
            entry = _members(node)
            self._known(entry["party"], parties, "party")
            self._known(entry.get("also_parties"), parties, "party")
        self._known(self._table("hours")["out_of_hours_roles"], roles, "role")
        gates = self._table("gates")
        self._known(_members(gates["safe_address"])["groups"], groups, "group of roles")
        for team in _members(self._root, "terms", "teams").values():
            self._known(_members(team)["party"], parties, "party")
            self._known(_members(team)["roles"], roles, "role")
            queue = _members(_members(team).get("queue", team))
            self._known(queue.get("concerns"), self._table("concerns"), "concern")

    def ratings(self) -> None:
        """A rating has a deadline with its clock unless nothing is shared; gates ascend."""
        for name, node in self._table("rag").items():
            entry = _members(node)
            shared = entry["consent"].value != "not_shared"
            if ("deadline" in entry) != shared or ("clock" in entry) != shared:
                message = f"rag.{name} needs deadline and clock exactly if it is shared"
                raise self._error(message, node)
        for name, node in _members(self._table("gates")["sensitivity"]).items():
            if name not in self._table("rag"):
                raise self._error(f"'{name}' is no rating of this agreement", node)
            for group, pair in _members(node).items():
                gate = _members(pair)
                if str(gate["auto"].value) > str(gate["review"].value):
                    raise self._error(f"{name}.{group}: auto above review", pair)

    def rules(self) -> None:
        """Rule ids and conditions are unique, effects fit, no obligatory rule is missing."""
        ids: set[str] = set()
        seen: set[tuple[str, str]] = set()
        for entry, node in self._rule_entries():
            effect, when = entry["effect"], entry["when"]
            wanted = OBLIGATORY.get(when) or _GRANTS[when]
            if effect != wanted:
                raise self._error(f"rule {entry['id']}: {when} must have effect {wanted}", node)
            if when in OBLIGATORY and "rag" in entry:
                raise self._error(f"rule {entry['id']} must hold for every rating", node)
            if entry["id"] in ids or (when, entry.get("rag", "")) in seen:
                raise self._error(f"rule {entry['id']} stands here twice", node)
            if not entry["id"].startswith(_LETTERS[effect]):
                raise self._error(f"rule {entry['id']}: a {effect} is {_LETTERS[effect]}..", node)
            if effect == "deny" and "remedy" not in entry:
                raise self._error(f"rule {entry['id']} lacks 'remedy'", node)
            ids.add(entry["id"])
            seen.add((when, entry.get("rag", "")))
        for when in OBLIGATORY:
            if (when, "") not in seen:
                raise self._error(f"no rule for '{when}'", self._terms["rules"])

    def _rule_entries(self) -> Iterator[tuple[dict[str, str], Node]]:
        nodes = self._terms["rules"].value
        for node in nodes if isinstance(nodes, tuple) else ():
            yield {key: str(entry.value) for key, entry in _members(node).items()}, node

    def concerns(self) -> None:
        """Concerns propose known ratings, purposes and categories."""
        for node in self._table("concerns").values():
            entry = _members(node)
            self._known(entry["rag"], self._table("rag"), "rating")
            self._known(entry["purpose"], self._table("purposes"), "purpose")
            self._known(entry["asks"], self._table("categories"), "category")

    def notices(self) -> None:
        """Notices name known purposes (on the notice route), suppliers, roles, categories."""
        purposes = self._table("purposes")
        for node in self._table("notices").values():
            entry = _members(node)
            self._known(entry["purpose"], purposes, "purpose")
            route = _members(purposes[str(entry["purpose"].value)]).get("route")
            if route is None or route.value != "notice":
                raise self._error("the purpose of a notice needs 'route: notice'", entry["purpose"])
            self._known(entry["supplier"], self._table("parties"), "party")
            self._known(entry["to"], self._table("roles"), "role")
            self._known(entry["categories"], self._table("categories"), "category")
