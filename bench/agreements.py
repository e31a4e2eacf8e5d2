"""Decisions with their full explanation at 10 to 10,000 rules, beside two plain engines.

    python bench/agreements.py [--json FILE]

One run measures everything on the same machine, one after another and in turns. A rule is a
line of the compiled policy. Plain pycasbin and cedarpy (policies parsed beforehand) get the same
lines and the same facts, and only say yes or no; ours resolves the facts from the agreement,
decides, checks the decision against its explanation and returns all of it. Times are of the
process, in microseconds: the machine may have other work.
"""

import argparse
import gc
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib import resources
from pathlib import Path

import casbin
import cedarpy

from policies.agreement import Agreement, load_agreement
from policies.cases import signed_standing
from policies.compile import Row, rows_of
from policies.decide import Engine, Outcome
from policies.facts import CaseFacts, Query

SIZES = (10, 80, 1_000, 10_000)
KEPT = {10: 0, 80: 9}  # denials of the two small ones; the large ones have all
ROUNDS = 15
PATIENCE_SECONDS = 0.15  # one engine's share of a round
AGREEMENTS = 150
FOLDER = resources.files("policies")


def northshire() -> bytes:
    return FOLDER.joinpath("agreements/northshire.yaml").read_bytes()


def sized(lines: int) -> Agreement:
    """Northshire with as many groups of posts as make `lines` lines.

    The two small ones are for one post and rating: a single grant, and ten rules.
    """
    agreement = load_agreement(northshire(), source="bench", allow_unpinned=True)
    terms = agreement.terms
    decider = terms.roles["mash_decision_maker"]
    gate = {rag: terms.gates.sensitivity[rag, "decider"] for rag in ("red", "amber", "green")}
    if lines in KEPT:
        denials = [rule for rule in terms.rules if rule.effect == "deny"][: KEPT[lines]]
        terms = replace(
            terms,
            roles={decider.id: decider},
            rag={"red": terms.rag["red"]},
            rules=(*denials, *(rule for rule in terms.rules if rule.id == "P10")),
        )
        return replace(agreement, terms=terms)
    roles, sensitivity = {decider.id: decider}, {(rag, "decider"): g for rag, g in gate.items()}
    while True:
        grown = replace(
            terms, roles=dict(roles), gates=replace(terms.gates, sensitivity=dict(sensitivity))
        )
        if sum(1 for _ in rows_of(grown)) >= lines:
            return replace(agreement, terms=grown)
        group = f"group{len(roles)}"
        roles[group] = replace(decider, id=group, group=group)
        sensitivity |= {(rag, group): g for rag, g in gate.items()}


def questions(agreement: Agreement) -> dict[str, tuple[Query, CaseFacts]]:
    """One query for each outcome that the agreement can give."""
    query = Query(
        category="pol.da_incidents",
        supplier="northshire-police",
        subject_role="alleged_perpetrator",
        recipient_role="mash_decision_maker",
        recipient_party="northshire-cc",
    )
    case = CaseFacts(
        at=datetime(2026, 10, 6, 9, 15, tzinfo=UTC),
        purpose="cp_s47",
        requester_party="northshire-cc",
        rag="red",
        second_factor=True,
        justified=True,
    )
    found = {"PERMIT": (query, case)}
    if len(agreement.terms.rules) > 1 + KEPT[80]:
        restricted = replace(query, category="csc.adoption_preidentity", supplier="northshire-cc")
        found["REVIEW"] = (replace(restricted, subject_role="subject_child"), case)
        found["DENY"] = (query, replace(case, rag="amber", purpose="cin_s17"))
    return found


def timed(call: Callable[[], object]) -> float:
    """Microseconds of one call, over as many as fit a share of a round."""
    began = time.process_time()
    call()
    once = max(time.process_time() - began, 1e-7)
    count = max(1, min(20_000, int(PATIENCE_SECONDS / once)))
    began = time.process_time()
    for _ in range(count):
        call()
    return (time.process_time() - began) / count * 1e6


def spread(values: Iterable[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "median": statistics.median(ordered),
        "low": ordered[len(ordered) // 10],
        "high": ordered[-1 - len(ordered) // 10],
    }


def plain_casbin(rows: list[Row]) -> Callable[[str, str, str, frozenset[str]], bool]:
    """The stock enforcer on the same model and lines."""
    text = FOLDER.joinpath("model.conf").read_text(encoding="utf-8")
    model = casbin.Enforcer.new_model(text=text)
    enforcer = casbin.Enforcer(model)
    enforcer.add_function("holds", lambda facts, when: when != "" and when in facts)
    model.model["p"]["p"].policy = [row.values() for row in rows]
    return lambda act, rag, group, facts: bool(enforcer.enforce(act, rag, group, facts))


def plain_cedar(rows: list[Row]) -> Callable[[str, str, str, frozenset[str]], bool]:
    """Cedar, the policies parsed beforehand."""
    policies = cedarpy.PolicySet.from_str(
        "\n".join(
            f"{'permit' if row.eft == 'allow' else 'forbid'}(principal, action == "
            f'Action::"{row.act}", resource) when {{ context.rag == "{row.rag}" && '
            f'context.group == "{row.group}" && context.facts.contains("{row.when}") }};'
            for row in rows
        )
    )
    entities = cedarpy.Entities.from_json_str("[]")

    def allows(act: str, rag: str, group: str, facts: frozenset[str]) -> bool:
        request = {
            "principal": 'User::"u"',
            "action": f'Action::"{act}"',
            "resource": 'Thing::"t"',
            "context": {"rag": rag, "group": group, "facts": list(facts)},
        }
        return cedarpy.is_authorized(request, policies, entities).allowed

    return allows


def outcome(allows: Callable[..., bool], rag: str, facts: frozenset[str]) -> Outcome:
    """What a plain engine says, asked as often as it takes."""
    if allows("auto", rag, "decider", facts):
        return Outcome.PERMIT
    return Outcome.REVIEW if allows("review", rag, "decider", facts) else Outcome.DENY


def contenders(agreement: Agreement) -> dict[str, dict[str, Callable[[], object]]]:
    """By engine, a call for each outcome; each is checked to give it."""
    rows = list(rows_of(agreement.terms))
    standing = signed_standing(agreement)
    fresh = Engine(agreement, standing, cache_entries=0)
    cached = Engine(agreement, standing)
    plain, cedar = plain_casbin(rows), plain_cedar(rows)
    found: dict[str, dict[str, Callable[[], object]]] = {
        name: {} for name in ("ours", "ours, cached", "pycasbin", "cedarpy")
    }
    for wanted, (query, case) in questions(agreement).items():
        facts = frozenset(fresh.explain(query, case).facts)
        rag = str(case.rag)
        given = {fresh.decide(query, case).outcome, outcome(plain, rag, facts)}
        assert given | {outcome(cedar, rag, facts)} == {Outcome(wanted)}  # noqa: S101
        found["ours"][wanted] = partial(fresh.decide, query, case)
        found["ours, cached"][wanted] = partial(cached.decide, query, case)
        found["pycasbin"][wanted] = partial(outcome, plain, rag, facts)
        found["cedarpy"][wanted] = partial(outcome, cedar, rag, facts)
    return found


def decisions() -> list[dict[str, object]]:
    """Time every engine at every size, in turns."""
    ready = [
        (size, agreement, contenders(agreement)) for size in SIZES for agreement in (sized(size),)
    ]
    samples: dict[tuple[int, str, str], list[float]] = {}
    for _ in range(ROUNDS):
        for size, _, engines in ready:
            for name, calls in engines.items():
                for wanted, call in calls.items():
                    samples.setdefault((size, wanted, name), []).append(timed(call))
    return [
        {
            "rules": size,
            "lines": sum(1 for _ in rows_of(agreement.terms)),
            "outcome": wanted,
            "engine": name,
            **spread(samples[size, wanted, name]),
        }
        for size, agreement, engines in ready
        for name, calls in engines.items()
        for wanted in calls
    ]


def load_many() -> dict[str, float]:
    """Load and compile 150 different agreements; seconds and the memory they keep."""
    documents = [
        northshire().replace(b"northshire", b"shire%d" % n).replace(b"Northshire", b"Shire %d" % n)
        for n in range(AGREEMENTS)
    ]
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, wall = time.process_time(), time.perf_counter()
    engines = []
    for number, data in enumerate(documents):
        agreement = load_agreement(data, source=f"{number}", allow_unpinned=True)
        engines.append(Engine(agreement, signed_standing(agreement)))
    spent = time.process_time() - began
    query, case = questions(engines[0]._agreement)["PERMIT"]  # noqa: SLF001  # only here
    query = replace(query, supplier="shire0-police", recipient_party="shire0-cc")
    case = replace(case, requester_party="shire0-cc")
    assert engines[0].decide(query, case).outcome is Outcome.PERMIT  # noqa: S101
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    one = Engine(engines[0]._agreement, signed_standing(engines[0]._agreement), cache_entries=0)  # noqa: SLF001
    return {
        "agreements": AGREEMENTS,
        "lines": sum(engine._policy.row_count for engine in engines),  # noqa: SLF001  # only here
        "seconds": spent,
        "wall_seconds": time.perf_counter() - wall,
        "megabytes": (after - before) / 1024,
        "peak_megabytes": after / 1024,
        "decision_microseconds": timed(lambda: one.decide(query, case)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--load-only", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load_only:
        print(json.dumps(load_many()))
        return
    loaded = json.loads(
        subprocess.run(  # noqa: S603  # memory is measured in a process of its own
            [sys.executable, __file__, "--load-only"], check=True, capture_output=True
        ).stdout
    )
    rows = decisions()
    report(rows, loaded)
    if options.json:
        figures = {"python": platform.python_version(), "decisions": rows, "loading": loaded}
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


def report(rows: list[dict[str, object]], loaded: dict[str, float]) -> None:
    by = {(row["rules"], row["outcome"], row["engine"]): row for row in rows}
    print(
        f"{'rules':>7} {'lines':>7} {'outcome':8} {'engine':13} {'median':>10} {'low':>10}"
        f" {'high':>10}  times ours"
    )
    for (size, wanted, _), row in by.items():
        ratio = float(str(row["median"])) / float(str(by[size, wanted, "ours"]["median"]))
        print(
            f"{row['rules']:>7} {row['lines']:>7} {wanted!s:8} {row['engine']!s:13}"
            f" {row['median']:10.1f} {row['low']:10.1f} {row['high']:10.1f}  {ratio:.2f}"
        )
    for engine in ("ours", "pycasbin", "cedarpy"):
        ends = [float(str(by[size, "PERMIT", engine]["median"])) for size in SIZES]
        print(
            f"growth of {engine}, PERMIT, to 10,000 lines:"
            f" from a single grant {ends[3] / ends[0]:.2f},"
            f" from ten rules {ends[3] / ends[1]:.2f}, from 1,000 lines {ends[3] / ends[2]:.2f}"
        )
    print("loading: " + ", ".join(f"{name} {value:.4g}" for name, value in loaded.items()))


if __name__ == "__main__":
    main()
