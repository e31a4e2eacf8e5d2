"""Fuzz the loader under the guidance of coverage: nothing but AgreementError may come out.

    python tests/policies/fuzz_loader.py -atheris_runs=100000 -max_len=40000 FOLDER

FOLDER keeps what was found; it is filled with the shipped agreements when it is empty.
"""

import sys
from importlib import resources
from pathlib import Path

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]  # ships no types

with atheris.instrument_imports(include=["policies"]):
    from policies.agreement import load_agreement
    from policies.compile import compile_terms
    from policies.errors import AgreementError


def one(data: bytes) -> None:
    """Load and compile one document."""
    try:
        agreement = load_agreement(data, source="fuzz", allow_unpinned=True)
    except AgreementError:
        return
    compile_terms(agreement.terms)


def main() -> None:
    """Run until the options say stop."""
    folder = Path(sys.argv[-1])
    if folder.is_dir() and not any(folder.iterdir()):
        for path in resources.files("policies.agreements").iterdir():
            if path.name.endswith(".yaml"):
                (folder / path.name).write_bytes(path.read_bytes())
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
