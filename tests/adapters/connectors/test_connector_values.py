"""What record systems hold, made into text and dates; and connectors of other distributions."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.connectors.load import load_connector
from adapters.connectors.values import Draft, birth_of, draft_of, instant_of, is_true, text_of
from adapters.matching.identity import BirthAccuracy

MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (0, "0"),
        (Decimal("1.50"), "1.50"),
        (date(2026, 3, 4), "2026-03-04"),
        (MOMENT, "2026-03-04T05:06:07+00:00"),
        (b" caf\xc3\xa9\xff", "café\ufffd"),
        ("  x ", "x"),
    ],
)
def test_values_become_text(value: object, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("value", "born", "accuracy"),
    [
        (date(2016, 5, 4), date(2016, 5, 4), "day"),
        (MOMENT, date(2026, 3, 4), "day"),
        ("20160504", date(2016, 5, 4), "day"),
        ("2016-05-04 00:00:00", date(2016, 5, 4), "day"),
        ("4/5/2016", date(2016, 5, 4), "day"),
        ("04.05.2016 00:00", date(2016, 5, 4), "day"),
        ("2016-05", date(2016, 5, 1), "month"),
        (2016, date(2016, 1, 1), "year"),
        ("2016-02-30", None, "day"),
        ("31/02/2016", None, "day"),
        ("0000-00-00", None, "day"),
        ("May 2016", None, "day"),
        ("4/5/16", None, "day"),
        (None, None, "day"),
    ],
)
def test_dates_of_birth_are_read_or_not_known(
    value: object, born: date | None, accuracy: str
) -> None:
    assert birth_of(value) == (born, accuracy)


def test_a_stated_accuracy_only_ever_lowers_trust() -> None:
    def accuracy(birth: str, stated: str) -> BirthAccuracy:
        single = {"birth_date": birth, "birth_accuracy": stated}
        return draft_of(given=(), single=single, identifiers={}).accuracy

    assert accuracy("2016-05-04", "year") is BirthAccuracy.YEAR
    assert accuracy("2016-05-04", "dubious") is BirthAccuracy.ESTIMATED
    assert accuracy("2016-05", "day") is not BirthAccuracy.DAY


def test_markers_and_instants() -> None:
    assert [is_true(v) for v in (1, "Y", "yes", True, -1)] == [True] * 5
    assert [is_true(v) for v in (0, "N", None, "", "maybe")] == [False] * 5
    assert instant_of("2026-03-04") == datetime(2026, 3, 4, tzinfo=UTC)
    assert instant_of(MOMENT) == MOMENT
    assert instant_of("yesterday") is None


def test_empty_names_and_addresses_are_left_out() -> None:
    draft = Draft()
    draft.add_full_name("  ")
    draft.add_address({"line": "", "postcode": " "})

    assert (draft.identity().previous_names, draft.identity().addresses) == ((), ())


def test_a_connector_of_another_distribution_is_found_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "paper_connector-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: paper-connector\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[mash_broker.connectors]\npaper = adapters.connectors.manual:ManualConnector\n"
    )
    (tmp_path / "a.yaml").write_text("{connector: paper, system: archive}")
    monkeypatch.syspath_prepend(str(tmp_path))

    assert load_connector(tmp_path / "a.yaml").health().reason == "answered by hand"
