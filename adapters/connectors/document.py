"""Read a mapping file strictly: every wrong key says where it stands and what is meant.

YAML is loaded with the safe loader; a key that stands twice is refused, since YAML would
silently keep the second.
"""

import difflib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

from adapters.errors import MappingError

_MAX_BYTES: Final = 1_000_000


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a doubled key."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        """Build a mapping; raises ConstructorError at a key that stands twice."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        doubled = {str(key) for key in keys if keys.count(key) > 1}
        if doubled:
            raise yaml.constructor.ConstructorError(
                None, None, f"key {min(doubled)!r} stands twice", node.start_mark
            )
        return super().construct_mapping(node, deep=deep)


class Section:
    """A part of a mapping with its place, for error messages."""

    def __init__(self, members: Mapping[str, Any], *, file: str, folder: Path, path: str) -> None:
        """Keep the members; `path` is dotted and empty at the top."""
        self._members = members
        self.file = file
        self.folder = folder
        self.path = path

    def __contains__(self, key: str) -> bool:
        """Return whether a key is present and not null."""
        return self._members.get(key) is not None

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys."""
        return iter(self._members)

    def refuse(
        self, key: str, problem: str, *, word: str = "", valid: Collection[str] = ()
    ) -> NoReturn:
        """Raise MappingError for a key here, with the valid word nearest to `word`."""
        near = difflib.get_close_matches(word, sorted(valid), n=1, cutoff=0.5) if word else []
        raise MappingError(
            file=self.file,
            key=f"{self.path}.{key}".strip("."),
            problem=problem,
            nearest=near[0] if near else None,
        )

    def allow(self, *keys: str) -> None:
        """Raise MappingError when a key is not one of `keys`."""
        for key in self._members:
            if key not in keys:
                self.refuse(key, f"no such key; valid are {', '.join(keys)}", word=key, valid=keys)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text; required unless a default is given."""
        value = self._members.get(key)
        if value is None:
            if default is None:
                self.refuse(key, "is missing")
            return default
        if not isinstance(value, str) or not value:
            self.refuse(key, "must be text")
        return value

    def maybe_text(self, key: str) -> str | None:
        """Return a text, or None when the key is absent."""
        return self.text(key) if key in self else None

    def texts(self, key: str) -> tuple[str, ...]:
        """Return one text or a list of texts as a tuple; empty when absent."""
        value = self._members.get(key)
        items = value if isinstance(value, list) else [] if value is None else [value]
        if not all(isinstance(item, str) and item for item in items):
            self.refuse(key, "must be text or a list of texts")
        return tuple(items)

    def number(self, key: str, default: float, *, most: float) -> float:
        """Return a number from above 0 to `most`."""
        value = self._members.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
            self.refuse(key, f"must be a number above 0, at most {most:g}")
        return value

    def flag(self, key: str) -> bool:
        """Return a true or false; false when absent."""
        value = self._members.get(key, False)
        if not isinstance(value, bool):
            self.refuse(key, "must be true or false")
        return value

    def values(self, key: str) -> tuple[Any, ...]:
        """Return a scalar or a list of scalars as a tuple."""
        value = self._members.get(key)
        items = value if isinstance(value, list) else [value]
        if not items or any(isinstance(item, list | dict) for item in items):
            self.refuse(key, "must be a value or a list of values")
        return tuple(items)

    def section(self, key: str) -> "Section":
        """Return a nested mapping; empty when absent."""
        value = self._members.get(key)
        return self._nested({} if value is None else value, key)

    def sections(self, key: str) -> list["Section"]:
        """Return a list of nested mappings; empty when absent."""
        value = self._members.get(key)
        if not isinstance(value, list | None):
            self.refuse(key, "must be a list")
        return [self._nested(item, f"{key}[{i}]") for i, item in enumerate(value or ())]

    def is_section(self, key: str) -> bool:
        """Return whether the key holds a nested mapping."""
        return isinstance(self._members.get(key), dict)

    def secret(self, key: str, secrets: Mapping[str, str]) -> str | None:
        """Return a text, or the secret that `{secret: name}` names; None when absent.

        Args:
            key: Name of the entry.
            secrets: The node's secrets by name.

        """
        if not self.is_section(key):
            return self.maybe_text(key)
        entry = self.section(key)
        entry.allow("secret")
        name = entry.text("secret")
        if name not in secrets:
            entry.refuse("secret", "the node has no secret of this name", word=name, valid=secrets)
        return secrets[name]

    def _nested(self, value: object, key: str) -> "Section":
        if not isinstance(value, dict) or not all(isinstance(k, str) for k in value):
            self.refuse(key, "must be a mapping of names")
        path = f"{self.path}.{key}".strip(".")
        return Section(value, file=self.file, folder=self.folder, path=path)


def load_document(path: Path) -> Section:
    """Return the top section of a mapping file.

    Raises:
        MappingError: Not readable, too long, not YAML, a doubled key, not a mapping.

    """
    try:
        data = path.read_bytes()
        if len(data) > _MAX_BYTES:
            raise MappingError(file=path.name, key="(file)", problem="longer than a mapping may be")
        members = yaml.load(data.decode("utf-8-sig"), Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise MappingError(
            file=path.name, key="(file)", problem=f"cannot be read: {error.strerror}"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise MappingError(file=path.name, key="(file)", problem=_told(error)) from None
    if not isinstance(members, dict) or not all(isinstance(k, str) for k in members):
        raise MappingError(file=path.name, key="(file)", problem="must be one mapping of names")
    return Section(members, file=path.name, folder=path.resolve().parent, path="")


def _told(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or "not YAML in UTF-8"
    return f"line {mark.line + 1}: {problem}" if mark else str(problem)
