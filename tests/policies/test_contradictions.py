"""Where published hubs contradict each other, the agreement decides and the code does not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from policies.agreement import Agreement, load_agreement
from policies.cases import signed_standing
from policies.decide import Engine
from policies.facts import CaseFacts, Consent, Query
from policies.lint import lint
from policies.working_time import LOCAL

FRIDAY_NOON = datetime(2026, 10, 9, 12, 0, tzinfo=LOCAL)


@pytest.fixture(scope="session")
def configured(northshire_yaml: bytes) -> Callable[..., Agreement]:
    """A function that changes lines of Northshire's agreement."""

    def change(*changes: tuple[str, str]) -> Agreement:
        text = northshire_yaml.decode()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return load_agreement(text.encode(), source="configured", allow_unpinned=True)

    return change


def _rule(agreement: Agreement, query: Query, case: CaseFacts) -> str:
    return Engine(agreement, signed_standing(agreement)).decide(query, case).rule


def test_g1_which_ratings_fan_out_is_a_setting(
    configured: Callable[..., Agreement], query: Query, case: CaseFacts
) -> None:
    """Red and amber, orange and green, unclear cases only, or four ratings."""
    green = replace(case, rag="green", purpose="early_help", consent=Consent(given=True))
    silent = configured(
        (
            "deadline: PT72H, clock: working, consent: required, fan_out: consented_parties_only",
            "consent: not_shared, fan_out: none",
        )
    )

    assert _rule(configured(), query, green) == "P12"
    assert _rule(silent, query, green) == "D12"
    assert configured().terms.rag["red"].fan_out == "all_signed_parties"
    assert configured().terms.rag["amber"].fan_out == "relevant_to_concern"


def test_g2_deadlines_and_the_kind_of_clock_are_settings(
    configured: Callable[..., Agreement], query: Query, case: CaseFacts
) -> None:
    """2 h and 24 h elapsed, 24 h for all, or 4, 24 and 72 working hours."""
    one_day = configured(("deadline: PT2H, clock: elapsed", "deadline: PT24H, clock: elapsed"))
    working = configured(("deadline: PT2H, clock: elapsed", "deadline: PT8H, clock: working"))

    assert configured().deadline("red", FRIDAY_NOON) == FRIDAY_NOON.replace(hour=14)
    assert one_day.deadline("red", FRIDAY_NOON) == FRIDAY_NOON.replace(day=10)
    assert working.deadline("red", FRIDAY_NOON) == FRIDAY_NOON.replace(day=12, hour=11)
    owed = Engine(working, signed_standing(working)).decide(query, case).obligations
    assert (owed.deadline, owed.clock) == ("PT8H", "working")


def test_g3_who_may_enter_is_a_setting(
    configured: Callable[..., Agreement], query: Query, case: CaseFacts
) -> None:
    """A single front door, or a back office behind two duty teams."""
    line = "    mash_decision_maker: {title: MASH decision maker, group: decider, "
    duty_only = configured(
        (line, line.replace("mash_decision_maker", "duty_team_worker").replace("MASH", "Duty")),
        ("roles: [mash_decision_maker, ", "roles: ["),
    )

    assert _rule(configured(), query, case) == "P10"
    assert _rule(duty_only, query, case) == "D10"
    assert _rule(duty_only, replace(query, recipient_role="duty_team_worker"), case) == "P10"


def test_g4_hours_and_the_duty_team_are_settings(
    configured: Callable[..., Agreement], query: Query, case: CaseFacts
) -> None:
    """Office hours only, or an emergency duty team in the same service."""
    night = replace(case, at=FRIDAY_NOON.replace(hour=22))
    duty = replace(query, recipient_role="edt_worker")
    office = configured(
        ("out_of_hours_roles: [edt_worker]", "out_of_hours_roles: []"),
        ("out_of_hours_rag: [red]", "out_of_hours_rag: []"),
    )
    always = configured(
        ("days: [Mon, Tue, Wed, Thu, Fri]", "days: [Mon, Tue, Wed, Thu, Fri, Sat, Sun]"),
        ('open: "08:30"', 'open: "00:00"'),
        ('close: "17:30"', 'close: "23:59"'),
    )

    assert _rule(configured(), duty, night) == "P10"
    assert _rule(office, duty, night) == "D13"
    assert _rule(always, query, night) == "P10"
    assert "ratings" in {finding.check for finding in lint(office)}


def test_g5_how_health_takes_part_is_a_setting(
    configured: Callable[..., Agreement], query: Query, case: CaseFacts
) -> None:
    """Records that machines may read, nobody from health at all, or nurses in the hub."""
    health = replace(query, category="hlt.gp.attendance", supplier="northshire-icb-gp")
    child = replace(health, subject_role="subject_child")
    absent = configured(
        ("    signed: [northshire-cc, northshire-police, northshire-icb-gp, ",
         "    signed: [northshire-cc, northshire-police, "),
    )  # fmt: skip
    by_hand = configured(("title: GP attendance\n      sensitivity: 2",
                          "title: GP attendance\n      sensitivity: 4"))  # fmt: skip
    nurse = replace(
        child, recipient_role="mash_health_navigator", recipient_party="northshire-nhs-ft"
    )

    assert _rule(configured(), child, case) == "P10"
    assert _rule(absent, child, case) == "D03"
    assert _rule(by_hand, child, case) == "V11"
    assert _rule(configured(), nurse, case) == "P10"


def test_g6_colour_words_are_aliases(
    configured: Callable[..., Agreement], query: Query, case: CaseFacts
) -> None:
    """Orange is amber where the agreement says so, and nothing where it does not."""
    orange = replace(case, rag="orange", purpose="cin_s17", consent=Consent(given=True))
    strict = configured((", also_called: [orange]", ""))

    assert _rule(configured(), query, orange) == "P11"
    assert _rule(strict, query, orange) == "D00"


def test_a_concern_comes_into_the_queue_of_the_team_that_takes_it_then(
    configured: Callable[..., Agreement],
) -> None:
    agreement = configured()
    night = FRIDAY_NOON.replace(hour=22)
    teams = {
        (concern, at): None if team is None else team.id
        for concern in ("neglect", "child_exploitation", "missing_child", "weather")
        for at in (FRIDAY_NOON, night)
        for team in (agreement.team_for(concern, at),)
    }

    assert teams["neglect", FRIDAY_NOON] == "mash"
    assert teams["neglect", night] == teams["child_exploitation", night] == "edt"
    assert teams["child_exploitation", FRIDAY_NOON] == "exploitation"
    assert teams["missing_child", night] == teams["missing_child", FRIDAY_NOON] == "missing"
    assert teams["weather", night] is None


def test_after_the_review_is_due_every_decision_says_so(
    configured: Callable[..., Agreement], query: Query, case: CaseFacts
) -> None:
    engine = Engine(configured(), signed_standing(configured()))
    late = replace(case, at=datetime(2027, 9, 1, 10, 0, tzinfo=LOCAL))

    assert engine.decide(query, case).warnings == ()
    assert engine.decide(query, late).warnings == ("isa_review_overdue",)
    assert engine.decide(query, late).rule == "P10"


def test_what_is_due_is_told_with_the_decision(
    configured: Callable[..., Agreement], query: Query, case: CaseFacts
) -> None:
    engine = Engine(configured(), signed_standing(configured()))
    notice = replace(case, purpose="encompass", rag=None, children_in_household=True)
    school = replace(query, recipient_role="school_dsl", subject_role="subject_child")

    owed = engine.decide(query, case).obligations
    told = engine.decide(school, notice).obligations
    denied = engine.decide(query, replace(case, closed=True)).obligations

    assert (owed.deadline, owed.clock) == ("PT2H", "elapsed")
    assert (told.deadline, told.clock) == ("before_next_school_day", None)
    assert (denied.deadline, denied.clock) == (None, None)
