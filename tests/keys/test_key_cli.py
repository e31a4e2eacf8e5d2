"""`mash key …`: arguments in; exit code, stdout and stderr out."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from keys.cli import app
from keys.entries import describe, generate
from keys.keystore import FileKeyStore
from keys.signing import RootKey
from keys.words import twelve_words


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text("correct horse\n")
    file.chmod(0o600)
    return file


def run(*arguments: str | Path, stdin: str | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
    return result.exit_code, result.stdout, result.stderr


def test_init_makes_a_root_and_says_what_comes_next(tmp_path: Path, secret_file: Path) -> None:
    code, out, _ = run("init", tmp_path / "root", "--secret-file", secret_file)

    secret = FileKeyStore(tmp_path / "root", secret=b"correct horse").get("root")
    public = RootKey.from_bytes(secret).public
    digest = hashlib.sha256(public.ed25519 + public.mldsa65).digest()
    assert code == 0
    assert public.kid in out
    assert " ".join(twelve_words(digest)) in out
    assert "offline" in out


@pytest.mark.parametrize(
    ("name", "hint"),
    [("operational", "with the root"), ("node", "operational"), ("post.edt_worker.2026Q4", "")],
)
def test_init_makes_every_kind_of_key(
    tmp_path: Path, secret_file: Path, name: str, hint: str
) -> None:
    code, out, _ = run("init", tmp_path / "s", "--name", name, "--secret-file", secret_file)

    assert code == 0
    assert out.startswith(name)
    assert hint in out


def test_init_never_replaces_a_key(tmp_path: Path, secret_file: Path) -> None:
    arguments = ("init", tmp_path / "root", "--secret-file", secret_file)
    run(*arguments)
    before = (tmp_path / "root" / "root.box").read_bytes()

    code, out, err = run(*arguments)

    assert (code, out) == (1, "")
    assert "already has" in err
    assert (tmp_path / "root" / "root.box").read_bytes() == before


def test_init_refuses_an_unknown_name(tmp_path: Path, secret_file: Path) -> None:
    code, _, err = run("init", tmp_path / "s", "--name", "guardian", "--secret-file", secret_file)

    assert code == 1
    assert "post.ROLE.QUARTER" in err
    assert not (tmp_path / "s").exists()


def test_init_asks_twice_for_a_secret_that_is_not_in_a_file(tmp_path: Path) -> None:
    code, out, _ = run("init", tmp_path / "s", "--name", "node", stdin="abc def\nabc def\n")

    assert code == 0
    assert "abc def" not in out
    assert FileKeyStore(tmp_path / "s", secret=b"abc def").names() == ("node",)


def test_show_lists_keys_and_never_their_secrets(tmp_path: Path, secret_file: Path) -> None:
    store = FileKeyStore(tmp_path / "s", secret=b"correct horse")
    seed = generate("node")
    store.put("node", seed)
    store.put("node_seal", generate("node_seal"))
    store.put("tags", bytes(32))

    code, out, _ = run("show", tmp_path / "s", "--secret-file", secret_file)

    lines = out.splitlines()
    assert code == 0
    assert lines[0].split()[:2] == ["node", "Ed25519"]
    assert lines[2].split()[:2] == ["node_seal", "X-Wing"]
    assert lines[4] == "tags"
    assert seed.hex() not in out


def test_show_asks_once_for_the_secret(tmp_path: Path) -> None:
    FileKeyStore(tmp_path / "s", secret=b"abc def")

    assert run("show", tmp_path / "s", stdin="abc def\n")[0] == 0


def test_show_makes_no_store(tmp_path: Path, secret_file: Path) -> None:
    code, _, err = run("show", tmp_path / "none", "--secret-file", secret_file)

    assert code == 1
    assert "no such folder" in err
    assert not (tmp_path / "none").exists()


def test_a_wrong_secret_is_one_plain_line(tmp_path: Path, secret_file: Path) -> None:
    FileKeyStore(tmp_path / "s", secret=b"another")

    code, out, err = run("show", tmp_path / "s", "--secret-file", secret_file)

    assert (code, out) == (1, "")
    assert err == "mash key: the secret does not open this key store\n"


def test_a_secret_file_open_to_others_is_refused(tmp_path: Path, secret_file: Path) -> None:
    secret_file.chmod(0o644)

    code, _, err = run("init", tmp_path / "s", "--secret-file", secret_file)

    assert code == 1
    assert "chmod" in err
    assert not (tmp_path / "s").exists()


def test_fingerprint_prints_hash_and_words(tmp_path: Path) -> None:
    file = tmp_path / "agreement"
    file.write_bytes(b"{}")
    digest = hashlib.sha256(b"{}")

    code, out, _ = run("fingerprint", file)

    assert code == 0
    assert out.splitlines() == [digest.hexdigest(), " ".join(twelve_words(digest.digest()))]


def test_fingerprint_of_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    assert run("fingerprint", tmp_path / "none")[0] == 2


def test_an_entry_that_holds_no_key_is_named_only() -> None:
    assert describe("tags", bytes(32)) == ("", "", "")


def test_loading_the_commands_imports_no_cryptography() -> None:
    program = (
        "import sys, keys.cli\n"
        "heavy = {'nacl', 'cryptography', 'joserfc', 'rfc8785'}\n"
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))"
    )
    root = Path(__file__).parents[2]

    found = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == "[]"
