"""The messages of a request's life, as `broker.testing.Agency` would write them over HTTP."""

from typing import Any, Final

import msgspec
from starlette.testclient import TestClient

from adapters import protocol as wire
from adapters.deciding import DecisionSet
from broker.testing import COUNCIL, DECIDER, POLICE, Agency, Signed, World, blob_of, commitment
from keys.randomness import new_ref, new_salt
from keys.signing import read_payload_unsafe

CATEGORY: Final = "pol.crimes_convictions"
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Line:
    """One party's calls to the broker."""

    def __init__(self, client: TestClient, agency: Agency) -> None:
        """Fetch tokens as they are needed."""
        self.client = client
        self.agency = agency
        self._token: str | None = None

    def token(self) -> str:
        """Return an access token, fetched once."""
        if self._token is None:
            reply = self.fetch_token(self.agency.assertion())
            self._token = str(reply.json()["access_token"])
        return self._token

    def forget_token(self) -> None:
        """Fetch a new token for the next call: the clock was moved."""
        self._token = None

    def fetch_token(self, assertion: str, **fields: str) -> Any:  # noqa: ANN401 - the client's response
        """Return the token endpoint's response to an assertion."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.agency.party,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
        }
        return self.client.post("/v1/token", data=form | fields)

    def post(self, path: str, message: Signed[Any] | bytes) -> Any:  # noqa: ANN401 - the client's response
        """Return the response to a posted message."""
        body = message if isinstance(message, bytes) else message.body
        return self.client.post(
            f"/v1{path}",
            content=body,
            headers={"Authorization": f"Bearer {self.token()}"},
        )

    def get(self, path: str, **params: Any) -> Any:  # noqa: ANN401 - the client's response
        """Return the response to a read."""
        return self.client.get(
            f"/v1{path}", params=params, headers={"Authorization": f"Bearer {self.token()}"}
        )


class Story:
    """A council asking the police, step by step."""

    def __init__(self, world: World, client: TestClient) -> None:
        """Speak for every agency of `world`."""
        self.world = world
        self.client = client
        self.lines = {party: Line(client, agency) for party, agency in world.agencies.items()}

    @property
    def council(self) -> Line:
        """The asking party."""
        return self.lines[COUNCIL]

    @property
    def police(self) -> Line:
        """The supplying party."""
        return self.lines[POLICE]

    def write_request(
        self,
        *,
        suppliers: tuple[str, ...] = (POLICE,),
        change_ask: dict[str, Any] | None = None,
        **changes: object,
    ) -> Signed[wire.Request]:
        """Return a RED request about one child, asking each supplier for one category."""
        request, subject = new_ref("r"), wire.Subject(ref=new_ref("s"), role="subject_child")
        blobs: list[bytes] = []
        digests = []
        for supplier in suppliers:
            ask = self.write_ask(request, subject.ref, supplier, blobs)
            ask = msgspec.structs.replace(ask, **(change_ask or {}))
            blobs.append(wire.encode(ask))
            digests.append(wire.sha256_hex(blobs[-1]))
        fields: dict[str, Any] = {
            "case": new_ref("c"),
            "case_seq": 0,
            "prev": None,
            "request": request,
            "rag": "red",
            "purpose": "cp_s47",
            "concern": "physical_abuse_nai",
            "facts": wire.ClearFacts(second_factor=True),
            "subjects": [subject],
            "asks": digests,
            "blobs": blobs,
        }
        return self.council.agency.sign_as(DECIDER, wire.Request, **fields | changes)

    def write_ask(self, request: str, subject: str, supplier: str, blobs: list[bytes]) -> wire.Ask:
        """Return an ask for the decision maker's post; its envelopes are put into `blobs`."""
        seal = self.world.broker.services.hub.book.node_seal(supplier, at=self.world.clock())
        categories = {POLICE: CATEGORY}
        item = wire.AskItem(
            category=categories.get(supplier, next_category(self.world, supplier)),
            subject=subject,
            recipients=[wire.Post(party=COUNCIL, role=DECIDER)],
        )
        ask = wire.Ask(
            request=request,
            supplier=supplier,
            salt=new_salt().hex(),
            justified=True,
            items=[item],
        )
        if seal is None:
            return ask
        envelopes = [blob_of(), blob_of()]
        blobs += envelopes
        identity, reason = (
            wire.EnvelopeRef(sha256=wire.sha256_hex(blob), kid=seal.kid) for blob in envelopes
        )
        return msgspec.structs.replace(
            ask,
            identities=[wire.SealedIdentity(subject=subject, envelope=identity)],
            reason=reason,
        )

    def send_request(
        self, *, suppliers: tuple[str, ...] = (POLICE,), **changes: object
    ) -> tuple[Signed[wire.Request], DecisionSet]:
        """Send a request; return it with the broker's decisions."""
        request = self.write_request(suppliers=suppliers, change_ask=None, **changes)
        reply = self.council.post("/requests", request)
        if reply.status_code != 201:  # noqa: PLR2004 - created
            raise AssertionError(reply.text)
        accepted = wire.decode(reply.content, wire.Accepted)
        return request, wire.decode(read_payload_unsafe(accepted.decisions), DecisionSet)

    def claim(
        self, line: Line | None = None, *, most: int = 8, resume: bool = False
    ) -> wire.Orders:
        """Claim orders as the police, or as another party."""
        at = line or self.police
        reply = at.post("/work/claim", at.agency.sign(wire.Claim, max=most, resume=resume))
        if reply.status_code != 200:  # noqa: PLR2004 - ok
            raise AssertionError(reply.text)
        orders: wire.Orders = wire.decode(reply.content, wire.Orders)
        return orders

    def write_answer(
        self,
        order: wire.OrderOut,
        *,
        line: Line | None = None,
        version: int = 1,
        drop: int = 0,
        **changes: object,
    ) -> tuple[Signed[wire.Answer], list[bytes]]:
        """Return a complete answer and its wraps; `drop` leaves out that many sections."""
        at = line or self.police
        ask: wire.Ask = wire.decode(order.ask, wire.Ask)
        wanted = [(i.category, i.subject, p) for i in ask.items for p in i.recipients]
        wanted += [
            (wire.SHARING_RECORD, None, wire.Post(party=party, role=wire.GUARDIAN_ROLE))
            for party in sorted({at.agency.party, COUNCIL})
        ]
        blobs, wraps, sections = [], [], []
        for category, subject, post in wanted[drop:]:
            blobs.append(blob_of())
            wraps.append(blob_of(1184))
            sections.append(self._section(category, subject, post, blobs[-1], wraps[-1]))
        fields: dict[str, Any] = {
            "request": ask.request,
            "order": order.order,
            "epoch": order.epoch,
            "version": version,
            "sections": sections,
            "blobs": blobs,
        }
        return at.agency.sign(wire.Answer, **fields | changes), wraps

    def _section(
        self, category: str, subject: str | None, post: wire.Post, blob: bytes, wrap: bytes
    ) -> wire.Section:
        book = self.world.broker.services.hub.book
        credential = book.posts(post.party, post.role, at=self.world.clock())
        if credential is None:
            raise LookupError(post)
        return wire.Section(
            category=category,
            subject=subject,
            post=post,
            kid=credential.kid,
            blob=wire.sha256_hex(blob),
            size_class=len(blob),
            commitment=commitment(),
            wrap=wire.sha256_hex(wrap),
        )

    def send_answer(
        self, order: wire.OrderOut, *, line: Line | None = None, version: int = 1
    ) -> tuple[Signed[wire.Answer], list[bytes], int]:
        """Send an answer; return it, its wraps, and its ledger entry's index."""
        at = line or self.police
        answer, wraps = self.write_answer(order, line=at, version=version)
        reply = at.post(f"/work/{order.order}/answer", answer)
        if reply.status_code != 201:  # noqa: PLR2004 - created
            raise AssertionError(reply.text)
        return answer, wraps, int(reply.json()["receipts"][0]["index"])

    def write_release(
        self,
        answer: Signed[wire.Answer],
        wraps: list[bytes],
        entry: int,
        /,
        *,
        line: Line | None = None,
        **changes: object,
    ) -> Signed[wire.Release]:
        """Return the release of an accepted answer."""
        at = line or self.police
        message = answer.message
        fields: dict[str, Any] = {
            "request": message.request,
            "order": message.order,
            "version": message.version,
            "answer": answer.sha256,
            "entry": entry,
            "blobs": wraps,
        }
        return at.agency.sign(wire.Release, **fields | changes)

    def answer_and_release(
        self, order: wire.OrderOut, *, line: Line | None = None
    ) -> Signed[wire.Answer]:
        """Take an order all the way; return the answer."""
        at = line or self.police
        answer, wraps, entry = self.send_answer(order, line=at)
        reply = at.post(
            f"/work/{order.order}/release", self.write_release(answer, wraps, entry, line=at)
        )
        if reply.status_code != 201:  # noqa: PLR2004 - created
            raise AssertionError(reply.text)
        return answer

    def deliveries(self, line: Line, *, after: int = 0) -> list[wire.Delivery]:
        """Return what has been delivered to a party."""
        reply = line.get("/deliveries", after=after)
        deliveries: wire.Deliveries = wire.decode(reply.content, wire.Deliveries)
        return deliveries.deliveries

    def write_outcome(
        self,
        request: Signed[wire.Request],
        *,
        parties: tuple[str, ...] = (POLICE,),
        **changes: object,
    ) -> Signed[wire.Outcome]:
        """Return an outcome with feedback to `parties`, closing the request's case."""
        opening = request.message
        blobs, feedback = [], []
        for party in parties:
            seal = self.world.broker.services.hub.book.node_seal(party, at=self.world.clock())
            blobs.append(blob_of())
            envelope = wire.EnvelopeRef(
                sha256=wire.sha256_hex(blobs[-1]), kid="0" * 32 if seal is None else seal.kid
            )
            feedback.append(wire.Feedback(party=party, envelope=envelope))
        fields: dict[str, Any] = {
            "case": opening.case,
            "case_seq": opening.case_seq + 1,
            "prev": request.sha256,
            "request": opening.request,
            "outcome_c": commitment(),
            "referrer_told": True,
            "feedback": feedback,
            "blobs": blobs,
        }
        return self.council.agency.sign_as(DECIDER, wire.Outcome, **fields | changes)


def next_category(world: World, supplier: str) -> str:
    """Return some category that `supplier` supplies."""
    agreement = world.agreement
    return next(c for c in agreement.terms.categories if agreement.supplier_of(c) == supplier)
