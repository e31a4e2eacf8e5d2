"""Commands `mash agreement ...`: those of the policies, and those that need keys or a ledger."""

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from adapters.agreement.acts import Act, check_acts, read_act, reference_of, root_of, to_file
from adapters.agreement.ledger import PastDecisions
from adapters.errors import AdaptersError, AgreementActError
from audit.errors import AuditError
from keys.errors import KeysError
from keys.words import twelve_words
from policies.agreement import Agreement, load_agreement
from policies.cli import AgreementFile, AsJson
from policies.cli import app as policies_app
from policies.errors import PoliciesError
from policies.page import to_html, to_markdown
from policies.render import render
from policies.replay import Replay, read_facts, replay
from policies.succession import GUARDIAN, check_succession, widenings

app = typer.Typer(
    no_args_is_help=True, help="Write, test, compare and sign information sharing agreements."
)
app.add_typer(policies_app)


class Form(StrEnum):
    """What a rendered agreement is written as."""

    MARKDOWN = "md"
    HTML = "html"


def _stop(error: Exception, *, code: int = 2) -> NoReturn:
    typer.echo(str(error), err=True)
    raise typer.Exit(code) from error


def _load(path: Path, *, pinned: bool = False) -> Agreement:
    try:
        return load_agreement(path.read_bytes(), source=str(path), allow_unpinned=not pinned)
    except (PoliciesError, OSError) as error:
        _stop(error)


def _words(agreement: Agreement) -> tuple[str, ...]:
    return twelve_words(bytes.fromhex(agreement.sha256))


@app.command(name="render")
def run_render(
    agreement: AgreementFile,
    form: Annotated[Form, typer.Option("--as", help="Markdown or accessible HTML.")] = (
        Form.MARKDOWN
    ),
    *,
    as_json: AsJson = False,
) -> None:
    """Print the agreement in plain English, with its twelve words."""
    loaded = _load(agreement)
    page = render(loaded, words=_words(loaded))
    text = to_html(page) if form is Form.HTML else to_markdown(page)
    if as_json:
        text = json.dumps({"sha256": loaded.sha256, "words": _words(loaded), str(form): text})
    typer.echo(text, nl=as_json)


@app.command(name="sign")
def run_sign(  # noqa: PLR0917 - typer passes them by name
    agreement: AgreementFile,
    party: Annotated[str, typer.Option(help="The party that signs, as in the agreement.")],
    directory: Annotated[
        Path, typer.Option("--dir", help="The party's folder with its root key.", exists=True)
    ],
    out: Annotated[Path, typer.Option(help="The signature's file; must not exist.")],
    post: Annotated[
        list[str] | None, typer.Option(help="A post that has agreed; once for each that signs.")
    ] = None,
    old: Annotated[
        Path | None, typer.Option(help="The version in force, if there is one.", exists=True)
    ] = None,
    *,
    withdraw: Annotated[bool, typer.Option(help="Leave the agreement instead.")] = False,
    yes: Annotated[bool, typer.Option(help="The words were compared; do not ask.")] = False,
) -> None:
    """Sign AGREEMENT with the party's root, after comparing twelve words.

    The key store's secret: MASH_KEYSTORE_SECRET.
    """
    loaded = _load(agreement, pinned=True)
    posts = post or []
    try:
        before = None if old is None else _load(old)
        _check_may_sign(loaded, before, party=party, posts=posts, withdraw=withdraw)
        typer.echo(f"{loaded.terms.title}, version {loaded.version}, number {loaded.seq}")
        typer.echo(f"sha256 {loaded.sha256}\nwords  {' '.join(_words(loaded))}")
        if not yes:
            typer.confirm("Did every other party read the same twelve words?", abort=True)
        data = _sign(loaded, party, directory, posts, act="withdrawn" if withdraw else "signed")
        with out.open("xb") as file:
            file.write(data)
    except (AdaptersError, KeysError, PoliciesError, OSError) as error:
        _stop(error, code=1)
    typer.echo(f"{out}: {party} {'has left' if withdraw else 'signs'}")


def _check_may_sign(
    agreement: Agreement, old: Agreement | None, *, party: str, posts: list[str], withdraw: bool
) -> None:
    """Check the posts of `party`: all that must sign; its guardian if health is widened.

    Raises:
        AgreementActError: No such party, or a post is missing.
        SuccessionError: `agreement` may not follow `old`.

    """
    known = agreement.terms.parties.get(party)
    if known is None:
        raise AgreementActError("is no party of this agreement", party=party)
    if withdraw:
        return
    needed = list(known.signs)
    if old is None and agreement.schedule.supersedes is not None:
        raise AgreementActError("this text supersedes another: name it with --old", party=party)
    if old is not None:
        check_succession(old, agreement)
        widened = [w for w in widenings(old, agreement) if w.party == party]
        for widening in widened:
            typer.echo(f"opens {widening.category} further: {'; '.join(widening.sentences)}")
        needed += [GUARDIAN] if widened and GUARDIAN not in needed else []
    missing = [one for one in needed if one not in posts]
    if missing:
        raise AgreementActError(f"has not agreed: --post '{missing[0]}'", party=party)


def _sign(
    agreement: Agreement, party: str, directory: Path, posts: list[str], *, act: str
) -> bytes:
    from adapters.ceremony import load_root, sign_agreement  # noqa: PLC0415 - heavy, only here

    secret = os.environ.get("MASH_KEYSTORE_SECRET", "")  # noqa: TID251 - the secret's one place
    if not secret:
        raise AgreementActError("set MASH_KEYSTORE_SECRET first", party=party)
    root = load_root(directory, secret=secret.encode())
    if root.public != root_of(agreement, party):
        raise AgreementActError("this root is not the one in the schedule", party=party)
    reference = reference_of(agreement)
    fields = sign_agreement(root, party=party, agreement=reference, act=act)
    return to_file(fields, agreement=reference, posts=posts)


@app.command(name="verify")
def run_verify(
    agreement: AgreementFile,
    signatures: Annotated[
        list[Path] | None, typer.Argument(help="Files of signatures and withdrawals.")
    ] = None,
    *,
    sha256: Annotated[str | None, typer.Option(help="The hash that was pinned, hex.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check signatures under AGREEMENT; exit 1 if one is wrong, a party is missing or has left."""
    loaded = _load(agreement, pinned=True)
    try:
        if sha256 is not None and sha256 != loaded.sha256:
            raise AgreementActError(f"{agreement} is not the text of that hash", party="")
        acts = [read_act(path.read_bytes()) for path in signatures or []]
        checked = check_acts(loaded, acts)
    except (AdaptersError, OSError) as error:
        _stop(error, code=1)
    left = sorted(checked.standing.withdrawn)
    found = {
        "sha256": loaded.sha256,
        "words": list(_words(loaded)),
        "signed": sorted(checked.standing.signed),
        "withdrawn": left,
        "missing": list(checked.missing),
    }
    typer.echo(json.dumps(found) if as_json else _verified_text(found, acts))
    if left or checked.missing:
        raise typer.Exit(1)


def _verified_text(found: dict[str, Any], acts: list[Act]) -> str:
    lines = [f"sha256 {found['sha256']}", f"words  {' '.join(found['words'])}"]
    for act in acts:
        posts = f" ({', '.join(act.posts)})" if act.posts else ""
        lines.append(f"{act.act}: {act.party}{posts}")
    lines += [f"missing: {party}" for party in found["missing"]]
    return "\n".join(lines)


@app.command(name="replay")
def run_replay(
    old: AgreementFile,
    new: AgreementFile,
    ledger: Annotated[Path, typer.Option(help="Folder of a ledger export.", exists=True)],
    facts: Annotated[Path, typer.Option(help="Kept facts, JSON lines.", exists=True)],
    *,
    as_json: AsJson = False,
) -> None:
    """Print which past decisions under OLD the draft NEW would change."""
    past = PastDecisions(ledger)
    try:
        with facts.open(encoding="utf-8") as lines:
            kept = read_facts(lines)
        result = replay(_load(old), _load(new), past, kept)
    except (AuditError, PoliciesError, OSError, UnicodeDecodeError) as error:
        _stop(error)
    if as_json:
        typer.echo(json.dumps(_replay_json(result, past.withheld)))
        return
    for change in result.changed:
        line = change.past
        typer.echo(
            f"entry {line.entry}: {line.category} from {line.supplier} for {line.role}:"
            f" was {line.words}, would be {change.would_be}"
        )
    typer.echo(f"{result.made} decisions made again, {len(result.changed)} would change")
    for reason, count in sorted(result.not_made.items()):
        typer.echo(f"{count} not made again: {reason}")
    if result.unlike:
        typer.echo(f"{len(result.unlike)} not as recorded, so nothing is said about them")
    if past.withheld:
        typer.echo(f"{past.withheld} entries are withheld in this export")


def _replay_json(result: Replay, withheld: int) -> dict[str, Any]:
    return {
        "made": result.made,
        "changed": [
            {
                "entry": change.past.entry,
                "request": change.past.request,
                "supplier": change.past.supplier,
                "category": change.past.category,
                "role": change.past.role,
                "was": change.past.words,
                "would_be": change.would_be,
            }
            for change in result.changed
        ],
        "unlike": [change.past.entry for change in result.unlike],
        "not_made": dict(result.not_made),
        "withheld": withheld,
    }
