"""Fellegi-Sunter scoring: how much the comparison levels speak for "the same person".

Each level of each field has a weight in bits, log2(m / u): m is its frequency among true pairs,
u among random ones. `DEFAULT_MODEL` serves an agency that has not learnt its own; `learn_model`
finds m without labels by expectation-maximisation. The score only ranks and filters: inside a
family its independence assumption fails, so `guards.py` decides.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Final

from adapters.matching.compare import Level, Levels

FIELDS: Final = tuple(f.name for f in fields(Levels))
"""Fields compared, in the order of `Levels`."""

_Rates = Mapping[Level, float]
_MIN_RATE: Final = 1e-5
_SMOOTHING: Final = 0.5
MAX_BITS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Weights in bits per field and level, and how they came about.

    Attributes:
        version: Name kept with every result, so that it can be reproduced.
        weights: Bits by field and level; an absent level and MISSING weigh nothing.

    """

    version: str
    weights: Mapping[str, Mapping[Level, float]]

    def bits(self, levels: Levels) -> float:
        """Return the summed weight of a comparison."""
        pairs = zip(FIELDS, vector_of(levels), strict=True)
        return float(sum(self.weights[name].get(level, 0.0) for name, level in pairs))


def probability(bits: float, *, population: int) -> float:
    """Return the probability that a pair is one person, for a subject known every second time.

    Args:
        bits: As given by `Model.bits`.
        population: Number of records the subject was compared with.

    """
    exponent = bits - math.log2(2 * max(population, 1))
    return 1.0 / (1.0 + math.exp2(-max(-MAX_BITS, min(MAX_BITS, exponent))))


def learn_model(
    pairs: Iterable[Levels], random_pairs: Iterable[Levels], *, rounds: int = 20
) -> Model:
    """Learn a model from unlabelled comparisons.

    Args:
        pairs: Comparisons of blocked pairs: some true, most not.
        random_pairs: Comparisons of pairs picked without regard to likeness; gives u.
        rounds: Steps of expectation-maximisation.

    """
    patterns = Counter(vector_of(levels) for levels in pairs)
    background = Counter(vector_of(levels) for levels in random_pairs)
    u = [_rates(background, dict.fromkeys(background, 1.0), i) for i in range(len(FIELDS))]
    m = [dict(DEFAULT_M[name]) for name in FIELDS]
    share = 0.01
    for _ in range(rounds):
        weight = {v: _posterior(v, m, u, share) for v in patterns}
        share = _share(patterns, weight)
        m = [_rates(patterns, weight, i) for i in range(len(FIELDS))]
    return _model("em", m, u)


def vector_of(levels: Levels) -> tuple[Level, ...]:
    """Return the levels in the order of `FIELDS`."""
    return tuple(getattr(levels, name) for name in FIELDS)


def _share(
    patterns: Counter[tuple[Level, ...]], weight: Mapping[tuple[Level, ...], float]
) -> float:
    found = sum(n * weight[v] for v, n in patterns.items())
    return min(0.9, max(1e-6, found / max(patterns.total(), 1)))


def _posterior(
    vector: tuple[Level, ...], m: Sequence[_Rates], u: Sequence[_Rates], share: float
) -> float:
    odds = share / (1.0 - share)
    for i, level in enumerate(vector):
        if level is not Level.MISSING:
            odds *= m[i].get(level, _MIN_RATE) / u[i].get(level, _MIN_RATE)
    return odds / (1.0 + odds)


def _rates(
    patterns: Counter[tuple[Level, ...]], weight: Mapping[tuple[Level, ...], float], index: int
) -> dict[Level, float]:
    """Return each level's share among the weighted patterns where the field is present."""
    counts = dict.fromkeys(DEFAULT_M[FIELDS[index]], _SMOOTHING)
    for vector, n in patterns.items():
        level = vector[index]
        if level is not Level.MISSING:
            counts[level] = counts.get(level, _SMOOTHING) + n * weight[vector]
    total = sum(counts.values())
    return {level: max(_MIN_RATE, n / total) for level, n in counts.items()}


def _model(kind: str, m: Sequence[_Rates], u: Sequence[_Rates]) -> Model:
    weights = {
        name: MappingProxyType(
            {
                level: round(math.log2(m[i][level] / u[i].get(level, _MIN_RATE)), 3)
                for level in sorted(m[i])
            }
        )
        for i, name in enumerate(FIELDS)
    }
    told = repr([(name, sorted(w.items())) for name, w in weights.items()])
    digest = hashlib.sha256(told.encode()).hexdigest()[:12]
    return Model(version=f"{kind}-{digest}", weights=MappingProxyType(weights))


DEFAULT_M: Final[Mapping[str, _Rates]] = MappingProxyType(
    {
        "given": {
            Level.EXACT: 0.80,
            Level.VARIANT: 0.10,
            Level.TRANSPOSED: 0.01,
            Level.CLOSE: 0.02,
            Level.SIMILAR: 0.03,
            Level.DIFFERS: 0.04,
        },
        "surname": {
            Level.EXACT: 0.82,
            Level.VARIANT: 0.08,
            Level.TRANSPOSED: 0.01,
            Level.PREVIOUS: 0.02,
            Level.SIMILAR: 0.02,
            Level.DIFFERS: 0.05,
        },
        "birth": {
            Level.EXACT: 0.90,
            Level.SWAPPED: 0.01,
            Level.CLOSE: 0.05,
            Level.YEAR: 0.01,
            Level.DIFFERS: 0.03,
        },
        "place": {
            Level.EXACT: 0.75,
            Level.CLOSE: 0.05,
            Level.AREA: 0.08,
            Level.DIFFERS: 0.12,
        },
        "line": {Level.EXACT: 0.55, Level.SIMILAR: 0.25, Level.DIFFERS: 0.20},
        "identifier": {
            Level.EXACT: 0.94,
            Level.CLOSE: 0.02,
            Level.DIFFERS: 0.03,
            Level.CONFLICT: 0.01,
        },
    }
)
"""Frequencies of each level among records of one person: round figures, by judgement."""

DEFAULT_U: Final[Mapping[str, _Rates]] = MappingProxyType(
    {
        "given": {
            Level.EXACT: 0.008,
            Level.VARIANT: 0.008,
            Level.TRANSPOSED: 0.0001,
            Level.CLOSE: 0.002,
            Level.SIMILAR: 0.01,
            Level.DIFFERS: 0.97,
        },
        "surname": {
            Level.EXACT: 0.004,
            Level.VARIANT: 0.003,
            Level.TRANSPOSED: 0.0001,
            Level.PREVIOUS: 0.004,
            Level.SIMILAR: 0.006,
            Level.DIFFERS: 0.98,
        },
        "birth": {
            Level.EXACT: 0.0001,
            Level.SWAPPED: 0.0001,
            Level.CLOSE: 0.002,
            Level.YEAR: 0.02,
            Level.DIFFERS: 0.98,
        },
        "place": {
            Level.EXACT: 0.0005,
            Level.CLOSE: 0.002,
            Level.AREA: 0.05,
            Level.DIFFERS: 0.95,
        },
        "line": {Level.EXACT: 0.0003, Level.SIMILAR: 0.004, Level.DIFFERS: 0.995},
        "identifier": {
            Level.EXACT: 0.00001,
            Level.CLOSE: 0.0001,
            Level.DIFFERS: 0.999,
            Level.CONFLICT: 0.999,
        },
    }
)
"""Frequencies of each level among records of different people of one county."""

DEFAULT_MODEL: Final = _model(
    "default", [DEFAULT_M[n] for n in FIELDS], [DEFAULT_U[n] for n in FIELDS]
)
"""Weights for an agency that has not learnt its own."""
