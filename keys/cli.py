"""Commands `mash key …`: make, show and compare keys. Nothing here talks to a network."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from keys.keystore import FileKeyStore

app = typer.Typer(no_args_is_help=True, help="Make, show and compare keys.")

_NEXT_STEPS = {
    "root": "Next: read the words to the partner who pins this root, then take the folder offline.",
    "operational": "Next: certify this key with the root; it then certifies the node and posts.",
}
_NEXT_OTHERWISE = "Next: certify this key with the operational key."

Store = Annotated[Path, typer.Argument(help="Folder of the key store.")]
SecretFile = Annotated[
    Path | None,
    typer.Option(help="File (mode 0600) holding the secret; without it you are asked."),
]


@app.command()
def init(
    store: Store,
    name: Annotated[
        str, typer.Option(help="root, operational, node, node_seal or post.ROLE.QUARTER.")
    ] = "root",
    secret_file: SecretFile = None,
) -> None:
    """Make the key NAME in STORE, and STORE too if there is none. Replaces no key."""
    from keys.entries import generate  # noqa: PLC0415 - the root command stays light
    from keys.errors import KeyStoreError  # noqa: PLC0415 - the same

    try:
        secret = generate(name)
        _open(store, secret_file, confirm=True).put(name, secret, replace=False)
    except (KeyStoreError, OSError, ValueError) as error:
        _refuse(error)
    _print_key(name, secret)
    typer.echo(_NEXT_STEPS.get(name, _NEXT_OTHERWISE))


@app.command()
def show(store: Store, secret_file: SecretFile = None) -> None:
    """List the keys in STORE with their ids and words, never their secrets."""
    from keys.errors import KeyStoreError  # noqa: PLC0415 - the root command stays light

    if not store.is_dir():
        _refuse(FileNotFoundError("there is no such folder"))
    try:
        keystore = _open(store, secret_file, confirm=False)
        keys = {name: keystore.get(name) for name in keystore.names()}
    except (KeyStoreError, OSError, ValueError) as error:
        _refuse(error)
    for name, secret in keys.items():
        _print_key(name, secret)


@app.command()
def fingerprint(
    file: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="Such as an agreement's exact bytes."),
    ],
) -> None:
    """Print the SHA-256 of FILE and its twelve words, to compare over the telephone."""
    from keys.words import twelve_words  # noqa: PLC0415 - the root command stays light

    with file.open("rb") as data:
        digest = hashlib.file_digest(data, "sha256")
    typer.echo(digest.hexdigest())
    typer.echo(" ".join(twelve_words(digest.digest())))


def _open(store: Path, secret_file: Path | None, *, confirm: bool) -> "FileKeyStore":
    from keys.keystore import FileKeyStore, read_private  # noqa: PLC0415 - see above

    if secret_file is None:
        text: str = typer.prompt("Secret", hide_input=True, confirmation_prompt=confirm)
        return FileKeyStore(store, secret=text.encode())
    return FileKeyStore(store, secret=read_private(secret_file).rstrip(b"\r\n"))


def _print_key(name: str, secret: bytes) -> None:
    from keys.entries import describe  # noqa: PLC0415 - see above

    alg, kid, words = describe(name, secret)
    typer.echo(f"{name}  {alg}  {kid}\n  {words}" if alg else name)


def _refuse(error: Exception) -> NoReturn:
    typer.echo(f"mash key: {error}", err=True)
    raise typer.Exit(1)
