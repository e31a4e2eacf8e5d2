"""Small dotted paths into FHIR JSON: `a.b.c`, `name[0].family`, `telecom[system=phone].value`.

A list without an index stands for each of its elements in turn. There are no functions.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_STEP: Final = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9]*)(?:\[(?P<pick>[^\[\]]+)\])?(?:\.|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One element, with an index or a condition on a member."""

    name: str
    index: int | None = None
    member: str | None = None
    value: str | None = None


Path = tuple[Step, ...]


def parse_path(text: str) -> Path:
    """Return the steps of a path.

    Raises:
        ValueError: Not a path.

    """
    steps: list[Step] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise ValueError("not a path such as a.b, a[0].b or a[system=x].b")
        steps.append(_step(match["name"], match["pick"]))
        position = match.end()
    if not steps or text.endswith("."):
        raise ValueError("a path needs a name at its end")
    return tuple(steps)


def values_at(resource: object, path: Path) -> Iterator[str]:
    """Yield every value at a path, as text, in document order."""
    if isinstance(resource, list):
        for item in resource:
            yield from values_at(item, path)
    elif not path:
        if isinstance(resource, bool):
            yield "true" if resource else "false"
        elif isinstance(resource, str | int | float):
            yield str(resource)
    elif isinstance(resource, dict) and path[0].name in resource:
        yield from values_at(_picked(resource[path[0].name], path[0]), path[1:])


def _step(name: str, pick: str | None) -> Step:
    if pick is None:
        return Step(name=name)
    if pick.isdecimal():
        return Step(name=name, index=int(pick))
    member, equals, value = pick.partition("=")
    if not equals or not member:
        raise ValueError("brackets hold an index or member=value")
    return Step(name=name, member=member, value=value)


def _picked(value: Any, step: Step) -> Any:  # noqa: ANN401 - JSON
    items = value if isinstance(value, list) else [value]
    if step.index is not None:
        return items[step.index : step.index + 1]
    if step.member is not None:
        return [i for i in items if isinstance(i, dict) and str(i.get(step.member)) == step.value]
    return items
