"""Known answers of transparency-dev/merkle; see the files' `origin`."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from audit.errors import InvalidProofError
from audit.merkle import (
    check_consistency,
    check_inclusion,
    check_subtree_consistency,
    check_subtree_inclusion,
)

# Their roots of tree and subtree are not 32 bytes, which the reference does not look at.
STRICTER = {"additional/sizes-are-equal-one-and-proof-is-empty.json"}
VECTORS = Path(__file__).parent / "vectors"


def _cases(family: str) -> list[Any]:
    cases = json.loads((VECTORS / f"{family}.json").read_text("utf-8"))["cases"]
    return [pytest.param(case, id=f"{family}/{case['file']}") for case in cases]


def _path(case: dict[str, Any]) -> list[bytes]:
    return [b64decode(value or "") for value in case["proof"] or []]


def _hash(case: dict[str, Any], name: str) -> bytes:
    return b64decode(case.get(name) or "")


def _run(case: dict[str, Any]) -> None:
    if "size1" in case:
        check_consistency(
            old_size=case["size1"],
            new_size=case["size2"],
            old_root=_hash(case, "root1"),
            new_root=_hash(case, "root2"),
            path=_path(case),
        )
    elif "leafHash" not in case:
        check_subtree_consistency(
            start=case["start"],
            end=case["end"],
            size=case["size"],
            subtree=_hash(case, "root1"),
            root=_hash(case, "root2"),
            path=_path(case),
        )
    elif "treeSize" in case:
        check_inclusion(
            leaf=_hash(case, "leafHash"),
            index=case["leafIdx"],
            size=case["treeSize"],
            path=_path(case),
            root=_hash(case, "root"),
        )
    else:
        check_subtree_inclusion(
            leaf=_hash(case, "leafHash"),
            index=case["leafIdx"],
            start=case["start"],
            end=case["end"],
            path=_path(case),
            root=_hash(case, "root"),
        )


@pytest.mark.parametrize(
    "case",
    [
        *_cases("inclusion"),
        *_cases("consistency"),
        *_cases("subtreeinclusion"),
        *_cases("subtreeconsistency"),
    ],
)
def test_every_published_proof_is_judged_as_published(case: dict[str, Any]) -> None:
    if case["wantErr"] or case["file"] in STRICTER:
        with pytest.raises(InvalidProofError):
            _run(case)
    else:
        _run(case)
