"""A first draft of an agreement: a shipped example in the hub's own name, comments kept.

What only the hub can know (approval, references, telephone numbers) is left out or
marked CHANGE, so that `lint` names it until it is filled in.
"""

import re
from dataclasses import dataclass
from datetime import date, time, timedelta
from enum import StrEnum
from importlib import resources
from typing import Final

from policies.agreement import load_agreement
from policies.errors import AgreementError
from policies.working_time import bank_holidays

HUB: Final = re.compile(r"[A-Z][A-Za-z]*(?:[ '-][A-Za-z]+){0,5}")
CODE: Final = re.compile(r"[a-z][a-z0-9]{1,23}")
_EXAMPLE_DAY: Final = "2026-10-06"
_TUESDAY: Final = 1
_HEADER: Final = """\
# {hub}: draft of an information sharing agreement, from the example `{example}`.
# 1. Look at every line marked CHANGE. Delete the agencies, posts and information you do not have.
# 2. mash agreement lint THIS-FILE says what is missing; mash agreement test THIS-FILE decides the
#    examples at the end of the terms. Add an example for every rule you care about.
# 3. mash agreement render THIS-FILE is what the board approves and the agencies sign.
# Every value is read as a text; every word comes from a closed list; there are no expressions.
"""
_LEFT_OUT: Final = {
    "parent": "the agreement above this one, if there is one",
    "uri": "where the signed text is published",
    "supersedes": "the version before this one",
    "board": "{name: the board, approved: the day}, once it has approved",
    "dpia_ref": "reference of the assessment of risks",
    "apd_ref": "reference of the appropriate policy document",
    "privacy_notice": "address of the privacy notice",
}
_MARKS: Final = {
    "  parties:": "your agencies, who supplies what, and the posts that sign",
    "  roles:": "your posts; `group` selects the gates, `own` the records of the post's own agency",
    "  concerns:": "what a practitioner picks, and what each proposes to ask",
    "  rag:": "ratings, their clocks, and what each asks of consent",
    "  categories:": "the information you hold, and the fields that may be told",
    "    sensitivity:": "the numbers that decide; your board will ask about these",
    "  teams:": "your teams and their queues",
    "  retention:": "your schedule of retention",
    "  contacts:": "telephone numbers that are answered; these are from the range for drama",
}


class Pattern(StrEnum):
    """The shipped examples, by what sets them apart."""

    TWO_HOURS = "two-hours"
    WORKING_HOURS = "working-hours"
    BACK_OFFICE = "back-office"


_EXAMPLES: Final = {
    Pattern.TWO_HOURS: "northshire",
    Pattern.WORKING_HOURS: "westmoor",
    Pattern.BACK_OFFICE: "eastvale",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the writer of a draft was asked: hub's name and code, pattern, start, hours."""

    hub: str
    code: str
    pattern: Pattern
    starts: date
    opens: time
    closes: time


def draft(answers: Answers) -> bytes:
    """Return a commented draft, YAML, that loads with its keys unpinned.

    Raises:
        AgreementError: The answers do not make one; says which.

    """
    _check(answers)
    example = _EXAMPLES[answers.pattern]
    path = resources.files("policies.agreements").joinpath(f"{example}.yaml")
    body = path.read_text(encoding="utf-8")
    body = body[body.index("terms:\n") :]
    body = body.replace(example.capitalize(), answers.hub).replace(example, answers.code)
    body = body.replace(_EXAMPLE_DAY, _example_day(answers.starts).isoformat())
    lines = [_line(line, answers) for line in body.splitlines()]
    text = _HEADER.format(hub=answers.hub, example=example) + "\n".join(lines) + "\n"
    data = text.encode()
    load_agreement(data, source="draft", allow_unpinned=True)
    return data


def _check(answers: Answers) -> None:
    for what, pattern, text in (("hub", HUB, answers.hub), ("code", CODE, answers.code)):
        if pattern.fullmatch(text) is None:
            hint = "a name such as Southmere" if what == "hub" else "a short code such as southmere"
            raise AgreementError(f"{what} must be {hint}", path="draft", line=0)


def _line(line: str, answers: Answers) -> str:
    key, _, _ = line.strip().partition(":")
    starts = answers.starts
    replaced = {
        "    version": "0.1.0",
        "    effective_from": starts.isoformat(),
        "    review_due": (starts + timedelta(days=364)).isoformat(),
        "    expires": (starts + timedelta(days=455)).isoformat(),
        "    open": f'"{answers.opens:%H:%M}"',
        "    close": f'"{answers.closes:%H:%M}"',
    }
    name = line.partition(":")[0]
    if name in replaced:
        return f"{name}: {replaced[name]}"
    if key in _LEFT_OUT and line.startswith("    ") and not line.startswith("     "):
        return f"    # {key}: CHANGE: {_LEFT_OUT[key]}"
    if line.startswith("      - 3.1.0 adds"):
        return "      - 0.1.0 is a draft"
    if line in _MARKS:
        indent = line[: len(line) - len(line.lstrip())]
        return f"{indent}# CHANGE: {_MARKS[line]}\n{line}"
    return line


def _example_day(starts: date) -> date:
    """Return a Tuesday of work in the agreement's first months, for its examples."""
    day = starts + timedelta(days=7 + (_TUESDAY - starts.weekday()) % 7)
    while day in bank_holidays(day.year):
        day += timedelta(days=7)
    return day
