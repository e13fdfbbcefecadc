"""Commands: each has one executor, and the command line and routes that its message declares."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from pydantic import TypeAdapter

import activities.operations.commands  # noqa: F401  # registers the executors
from activities.database.command import executes, executor_of
from api.app import create_app
from command_line.commands import READERS
from models.messages.commands.base import CommandMessage
from models.messages.commands.interface import Marker
from models.messages.commands.orders import (
    Acknowledge,
    PreviewCancellation,
    PreviewConsent,
    PreviewRetry,
)
from models.messages.commands.registry import COMMANDS, CommandStep
from models.messages.commands.shipping import EndRecall
from models.settings import Settings
from starter import app

ROOT = Path(__file__).parents[3]
WITHOUT_CLI = {EndRecall, Acknowledge, PreviewCancellation, PreviewConsent, PreviewRetry}
"""EndRecall follows another command; `retry` executes Acknowledge."""
WITHOUT_ROUTE = {EndRecall, PreviewCancellation, PreviewConsent, PreviewRetry}
COMMON = {"kind", "command_id", "reason", "actor"}
"""The fields of every command."""

every_command = pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
every_cli_command = pytest.mark.parametrize(
    "kind", [kind for kind in COMMANDS if kind.cli], ids=lambda kind: kind.__name__
)


@every_command
def test_command_has_exactly_one_executor(kind: type[CommandMessage]) -> None:
    """A second one is an error."""
    executor = executor_of(kind)
    with pytest.raises(AssertionError, match="has an executor"):
        executes(kind)(executor)


def test_every_module_of_commands_is_registered() -> None:
    """A module that the registry doesn't import would have no commands."""
    folder = ROOT / "models" / "messages" / "commands"
    modules = {kind.__module__.rpartition(".")[2] for kind in COMMANDS}
    others = {path.stem for path in folder.glob("*.py")} - modules
    assert others == {"__init__", "base", "interface", "registry", "results"}


def test_payload_of_command_is_discriminated_by_kind() -> None:
    schema = CommandStep.model_json_schema()["properties"]["command"]
    kinds = {kind.model_fields["kind"].default: kind.__name__ for kind in COMMANDS}
    mapping = schema["discriminator"]["mapping"]
    assert {kind: name.rpartition("/")[2] for kind, name in mapping.items()} == kinds


def test_only_internal_commands_have_no_interface() -> None:
    assert {kind for kind in COMMANDS if kind.cli is None} == WITHOUT_CLI
    assert {kind for kind in COMMANDS if not kind.routes} == WITHOUT_ROUTE


@every_cli_command
def test_command_is_on_the_command_line(kind: type[CommandMessage]) -> None:
    """With the common options, and a default reason only where it is declared."""
    assert kind.cli is not None
    command = dict(_cli_commands(typer.main.get_command(app), ""))[kind.cli.path]
    options = {name: given for given in command.params for name in given.opts}
    assert {"--reason", "--id", "--actor", "--dry-run", "--json"} <= set(options)
    assert options["--reason"].required == (kind.cli.reason is None)
    assert options["--reason"].default == kind.cli.reason


@every_cli_command
def test_required_fields_are_on_the_command_line(kind: type[CommandMessage]) -> None:
    """As arguments and options, or in a notation of their own."""
    unmarked = {
        name
        for name, field in kind.model_fields.items()
        if field.is_required() and not any(isinstance(mark, Marker) for mark in field.metadata)
    }
    assert unmarked <= COMMON or kind in READERS


async def test_command_routes_are_served(tmp_path: Path) -> None:
    """Each path once, with the declared tag and the fields of the body."""
    api = create_app(Settings(database_url=f"sqlite:///{tmp_path / 'orders.db'}"))
    async with api.router.lifespan_context(api):
        paths = api.openapi()["paths"]
    declared = [(route, kind) for kind in COMMANDS for route in kind.routes]
    assert len({route.path for route, _ in declared}) == len(declared)
    for route, kind in declared:
        operation = paths[route.path]["post"]
        assert operation.get("tags", [None]) == [kind.tag]
        given = {parameter["name"] for parameter in operation.get("parameters", ())}
        assert given == set(route.path_fields)
        body = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]
        hidden = {"kind", "actor", *route.path_fields, route.undescribed}
        assert set(body) == set(kind.model_fields) - hidden


def test_commands_are_documented() -> None:
    """On the pages of the command line and the API, marked as recorded commands."""
    cli, api = ((ROOT / "docs" / page).read_text() for page in ("cli.md", "api.md"))
    calls = re.findall(r"^\| `POST (/\S*?)` \| \*command\*", api, re.M)
    declared = {_anonymous(route.path) for kind in COMMANDS for route in kind.routes}
    assert {_anonymous(path) for path in calls} == declared
    words = [kind.cli.path for kind in COMMANDS if kind.cli]
    assert [path for path in words if f"`starter.py {path} " not in cli] == []


def _anonymous(path: str) -> str:
    """Remove the names of path parameters."""
    return re.sub(r"\{\w+\}", "{}", path)


def _cli_commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """List the commands by their words. `Any`: typer's classes of commands aren't public."""
    yield path, command
    for name, one in getattr(command, "commands", {}).items():
        yield from _cli_commands(one, f"{path} {name}".strip())


@every_command
def test_commands_with_equal_amounts_are_equal(kind: type[CommandMessage]) -> None:
    """So that a command repeated under its id with other decimals is the same command."""
    for name in {"amount", "claim", "unit_cost"} & kind.model_fields.keys():
        field = kind.model_fields[name]
        declared: Any = Annotated[field.annotation, *field.metadata]
        adapter = TypeAdapter[Any](declared)
        assert adapter.validate_python("18.00") == adapter.validate_python("18.0")
