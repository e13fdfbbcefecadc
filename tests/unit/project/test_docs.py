"""README and docs agree with the code."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import typer
from jsonschema import Draft202012Validator

from api.app import create_app
from models.ledger import Account
from models.messages import attention
from models.messages.facts import FACT_TYPES
from models.messages.parsing import REQUIRED
from models.orders import OrderDocument
from models.progress import PAUSED, ShipmentProblem, Stage
from models.returns import ReturnState
from models.settings import Settings
from models.tracking import TrackingStatus
from models.views.shipping import PaperKind
from starter import app

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
RENEW = (
    "renew it: .venv/bin/python -c 'import json; from models.orders import OrderDocument as D; "
    "print(json.dumps(D.model_json_schema(), indent=2))' > docs/order.schema.json"
)
REFUSALS = ("Refused", "NotFound", "Conflict", "PartnerRefused")
"""Errors whose first argument is a code. An order shows the code of a failed step as attention."""
JSON_KEYS = {"code"}
"""Names of fields that carry a partner's own code; no codes themselves."""
LONGEST_CELL = 150
"""Characters of a table cell. Longer explanations are text below the table."""


def text_of(page: str) -> str:
    """Read a page."""
    return (ROOT / page).read_text()


def section_of(page: str, heading: str) -> str:
    """Read the section of a page under a heading, without its subsections' siblings."""
    level = heading.split(" ")[0]
    _, found, after = text_of(page).partition(f"\n{heading}\n")
    assert found, f"{page} has no heading {heading!r}"
    return re.split(rf"^#{{1,{len(level)}}} ", after, maxsplit=1, flags=re.M)[0]


def rows_of(text: str) -> list[list[str]]:
    """Read the cells of all table rows in a text."""
    lines = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S).splitlines()
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        for line in lines
        if line.lstrip().startswith("|")
    ]


def names_in(rows: list[list[str]]) -> list[str]:
    """Read the names in backticks of the rows' first cells."""
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row[0])]


def code_in(page: Path) -> str:
    """Read the code of a page: blocks, indented or fenced, and text in backticks."""
    text = page.read_text()
    fenced = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    indented = re.findall(r"^ {4}(.*)", text, re.M)
    return "\n".join([*fenced, *indented, *re.findall(r"`([^`\n]+)`", text)])


def anchors_of(page: Path) -> set[str]:
    """Read the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_published_schema_equals_the_model() -> None:
    """The schema can be read without a running API."""
    written = json.loads(text_of("docs/order.schema.json"))
    assert written == OrderDocument.model_json_schema(), RENEW


def test_schema_describes_ids_money_and_percentages() -> None:
    """In words and as a pattern: callers may read nothing else."""
    schema = OrderDocument.model_json_schema()
    line, customer = (
        schema["$defs"][name]["properties"] for name in ("OrderLine", "CustomerDocument")
    )
    for given in (
        schema["properties"]["order_id"],
        customer["customer_id"],
        customer["credit_limit"],
        line["unit_price"]["anyOf"][0],
        line["discount_percent"]["anyOf"][0],
    ):
        assert given["description"]
        assert given["pattern"]


def test_schema_accepts_the_example() -> None:
    """The schema is no stricter than API and CLI."""
    example = json.loads(text_of("examples/order.json"))
    example["lines"][0] |= {"unit_price": "18.00", "discount_percent": "5.5"}
    Draft202012Validator(OrderDocument.model_json_schema()).validate(example)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_link_targets_exist(page: Path) -> None:
    """Links to files of the project, and to headings in them."""
    missing = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if "://" in link:
            continue
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            missing.append(link)
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_table_cells_are_short(page: Path) -> None:
    """A cell fits on a screen."""
    cells = [cell for row in rows_of(page.read_text()) for cell in row]
    assert [cell for cell in cells if len(cell) >= LONGEST_CELL] == []


def test_every_make_target_is_documented() -> None:
    """Documented make targets exist, and all but two are documented."""
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.M))
    named = {
        target
        for page in PAGES
        for target in re.findall(r"^(?:\w+=\S+ )*make ([a-z]+)", code_in(page), re.M)
    }
    assert named <= targets
    assert targets - named <= {"help", "clean"}


def test_every_command_is_documented() -> None:
    """Documented commands exist, and every command is on the page of the command line."""
    known = set(_commands(typer.main.get_command(app), ""))
    named = {
        command
        for page in PAGES
        for command in re.findall(r"starter\.py ([a-z][a-z-]*)", page.read_text())
    }
    assert named <= {command.split()[0] for command in known}
    described = text_of("docs/cli.md")
    assert [command for command in known if f"`starter.py {command}" not in described] == []


def _commands(command: object, path: str) -> Iterator[str]:
    """Name the commands that do something: `place`, `ledger trial-balance`..."""
    inside = getattr(command, "commands", None)
    if inside is None:
        yield path
        return
    for name, one in inside.items():
        yield from _commands(one, f"{path} {name}".strip())


def test_every_option_is_documented() -> None:
    """Documented options exist, and every option is on the page of the command line."""
    documented = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text_of("docs/cli.md")))
    assert documented == set(_options(typer.main.get_command(app)))


def _options(command: object) -> Iterator[str]:
    """List the options of all commands."""
    inside = getattr(command, "commands", None)
    if inside is not None:
        for one in inside.values():
            yield from _options(one)
        return
    for parameter in getattr(command, "params", ()):
        yield from (name for name in parameter.opts if name.startswith("--"))


async def test_every_endpoint_is_documented(tmp_path: Path) -> None:
    """Endpoints and their query parameters, each in one row."""
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'orders.db'}")
    api = create_app(settings)
    async with api.router.lifespan_context(api):
        paths = api.openapi()["paths"]
    served = {
        (method.upper(), _anonymous(path.replace("{kind}", kind)), *_query(operation))
        for path, operations in paths.items()
        for method, operation in operations.items()
        for kind in (PaperKind if "{kind}" in path else [""])
    }
    documented = [
        (method, _anonymous(path), *sorted(re.findall(r"(\w+)=", query)))
        for method, path, query in re.findall(
            r"^\| `(GET|POST) (/[^`?]*)\??([^`]*)`", text_of("docs/api.md"), re.M
        )
    ]
    assert len(documented) == len(set(documented))
    assert set(documented) == served


def _anonymous(path: str) -> str:
    """Remove the names of path parameters."""
    return re.sub(r"\{\w+\}", "{}", path)


def _query(operation: dict[str, Any]) -> list[str]:
    """List the query parameters of an endpoint. `Any`: OpenAPI's document."""
    parameters = operation.get("parameters", ())
    return sorted(given["name"] for given in parameters if given["in"] == "query")


def test_every_webhook_type_is_documented() -> None:
    """Types with their required fields, in bold."""
    rows = [row for row in rows_of(section_of("docs/api.md", "## Webhooks")) if len(row) == 3]
    documented = {
        type_: sorted(re.findall(r"\w+", "".join(re.findall(r"\*\*(.+?)\*\*", data))))
        for _, types, data in rows
        for type_ in re.findall(r"`([a-z_.]+)`", types)
    }
    assert documented == {type_: sorted(REQUIRED[kind]) for type_, kind in FACT_TYPES.items()}


def test_every_tracking_status_is_documented() -> None:
    """With the webhooks of carriers."""
    section = " ".join(section_of("docs/api.md", "## Webhooks").split())
    listed = re.search(r"`status` is one of (.+?)\.", section)
    assert listed
    assert re.findall(r"[a-z_]+", listed[1].replace(" and ", ", ")) == list(TrackingStatus)


def test_every_field_of_the_order_document_is_documented() -> None:
    """Each field of the document, and none besides."""
    table = section_of("docs/orders/README.md", "## The document")
    assert sorted(names_in(rows_of(table))) == sorted(OrderDocument.model_fields)


def test_every_stage_is_documented() -> None:
    """In the order of the code."""
    assert names_in(rows_of(section_of("docs/orders/README.md", "## Stages"))) == list(Stage)


def test_every_return_state_is_documented() -> None:
    """In the order of the code."""
    states = names_in(rows_of(section_of("docs/orders/returns.md", "## States")))
    assert states == list(ReturnState)


def test_every_account_is_documented() -> None:
    """Code and label of each account."""
    rows = rows_of(section_of("docs/ledger.md", "## Accounts"))
    pairs = [(row[at], row[at + 1]) for row in rows for at in (0, 2)]
    documented = {(code, label) for code, label in pairs if code.isdecimal()}
    assert documented == {(account.value, account.label) for account in Account}


def test_every_ledger_entry_is_documented() -> None:
    """Keys of entries in the posting table, and no others."""
    documented = set(re.findall(r"`([a-z_]+):", section_of("docs/ledger.md", "## Entries")))
    folders = (ROOT / "activities", ROOT / "models")
    sources = [path.read_text() for folder in folders for path in folder.rglob("*.py")]
    in_code = {kind for text in sources for kind in re.findall(r"\bf\"([a-z_]+):\{", text)}
    kinds = {kind for text in sources for kind in re.findall(r'Literal\["([a-z_]+)"\]', text)}
    assert documented <= in_code | kinds
    assert set(_entries()) <= documented


def _entries() -> Iterator[str]:
    """List the kinds of entries in the rules of the ledger: `invoice` of `invoice:<number>`..."""
    sources = ("ledger.py", "billing_entries.py")
    trees = [ast.parse((ROOT / "models" / name).read_text()) for name in sources]
    for node in chain.from_iterable(map(ast.walk, trees)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "entry":
            key = node.args[0]
            if isinstance(key, ast.JoinedStr) and isinstance(key.values[0], ast.Constant):
                yield str(key.values[0].value).split(":")[0]


def test_every_variable_is_documented() -> None:
    """Each variable once, and none besides."""
    documented = names_in(rows_of(text_of("docs/configuration.md")))
    assert sorted(documented) == sorted(name.upper() for name in Settings.model_fields)


def test_every_dependency_is_documented() -> None:
    """Each in its own row, and no row without one."""
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    wanted = chain(project["dependencies"], *project["optional-dependencies"].values())
    names = {re.split(r"[\[>=<]", name)[0] for name in wanted}
    rows = [
        line.split("|")[1]
        for line in text_of("docs/dependencies.md").splitlines()
        if line.startswith("| ")
    ]
    described = {name.strip() for row in rows[1:] for name in row.split(",")}
    assert described == names


def test_every_decision_is_listed() -> None:
    """In the README of the decisions."""
    folder = ROOT / "docs" / "decisions"
    listed = set(re.findall(r"\]\(([\w-]+\.md)\)", text_of("docs/decisions/README.md")))
    assert listed == {page.name for page in folder.glob("*.md")} - {"README.md"}


def test_every_attention_code_is_documented() -> None:
    """Each code of steps and workflows once, with an action; partners' own codes are theirs."""
    table, _, _ = text_of("docs/attention.md").partition("\n## Other codes\n")
    rows = [row for row in rows_of(table) if row[0].startswith("`")]
    raised = {*_codes(), *ShipmentProblem, PAUSED}
    assert {"credit_limit_exceeded", "no_supply", "database_busy", "partner_refused"} <= raised
    assert sorted(names_in(rows)) == sorted(raised - {"engine_unavailable"})
    assert all(len(row) == 3 and row[2] for row in rows)


def _codes() -> Iterator[str]:
    """List the codes of steps, of workflows, and of errors that pass through them.

    Those of subscriptions concern no order.
    """
    folders = (ROOT / "activities", ROOT / "workflows")
    sources = [path for folder in folders for path in folder.rglob("*.py")]
    sources = [path for path in sources if path.parent.name not in ("database", "events")]
    models = [ROOT / "models" / "errors.py", ROOT / "models" / "messages" / "attention.py"]
    for path in [*sources, *models]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield from _codes_in(node)


def _codes_in(call: ast.Call) -> Iterator[str]:
    """List the codes of an attention, a refusal, or a class of errors with its own code."""
    name = ast.unparse(call.func).rpartition(".")[2]
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    code = given.get("code")
    places = {"Attention": code, "Problem": code, "ApplicationError": given.get("type")}
    place = places.get(name)
    if call.args and (name in REFUSALS or ast.unparse(call.func) == "super().__init__"):
        place = call.args[0]
    for node in ast.walk(place) if place else ():
        if isinstance(node, ast.Constant) and node.value not in JSON_KEYS:
            yield str(node.value)
        elif isinstance(node, ast.Name) and node.id.isupper():
            yield str(getattr(attention, node.id))
