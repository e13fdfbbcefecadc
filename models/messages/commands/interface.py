"""The declared interface of a command: its words on the command line, its routes, its fields."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Cli:
    """A command of the command line.

    `path`: its words, such as "returns authorise". `reason`: the default of `--reason`; without
    one, `--reason` is required.
    """

    path: str
    reason: str | None = None


@dataclass(frozen=True)
class Route:
    """A POST route whose body is a command.

    Fields named in `path` are given in the path. `operation`: the name in OpenAPI.
    `undescribed`: a field that the body doesn't need here, left out of OpenAPI. `description`:
    instead of the command's own.
    """

    path: str
    operation: str
    undescribed: str | None = None
    description: str | None = None

    @property
    def path_fields(self) -> tuple[str, ...]:
        """The fields that the path gives."""
        return tuple(re.findall(r"{(\w+)}", self.path))


@dataclass(frozen=True)
class Argument:
    """A field that is an argument of the command line. `metavar`: its name there, if another."""

    help: str | None = None
    metavar: str | None = None


@dataclass(frozen=True)
class Option:
    """A field that is an option of the command line. `name`: if it isn't the field's."""

    help: str
    name: str | None = None


@dataclass(frozen=True)
class Flag:
    """A field that a switch of the command line sets to `value`."""

    name: str
    value: str | bool
    help: str


Marker = Argument | Option | Flag
