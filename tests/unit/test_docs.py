"""What README and docs say is so."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
import typer
from jsonschema import Draft202012Validator

from models.messages import attention
from models.orders import OrderDocument, ShipmentProblem
from models.settings import Settings
from starter import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
RENEW = (
    "renew it: .venv/bin/python -c 'import json; from models.orders import OrderDocument as D; "
    "print(json.dumps(D.model_json_schema(), indent=2))' > docs/order.schema.json"
)
REFUSALS = ("Refused", "NotFound", "Conflict", "PartnerRefused")
"""Errors whose first argument is a code: raised in a step, an order shows it as attention."""
JSON_KEYS = {"code"}
"""Stand where codes stand, and are none: the name under which a partner sends its own."""


def words_of(page: str) -> str:
    """The text of a page."""
    return (ROOT / page).read_text()


def code_in(page: Path) -> str:
    """What a page shows as code: blocks, indented or fenced, and what stands in backticks."""
    text = page.read_text()
    fenced = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    indented = re.findall(r"^ {4}(.*)", text, re.M)
    return "\n".join([*fenced, *indented, *re.findall(r"`([^`\n]+)`", text)])


def anchors_of(page: Path) -> set[str]:
    """The names under which a page's headings are linked to."""
    headings = re.findall(r"^#+ (.+)", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_schema_on_disk_is_the_models() -> None:
    """So that it can be read without a running API."""
    written = json.loads(words_of("docs/order.schema.json"))
    assert written == OrderDocument.model_json_schema(), RENEW


def test_the_schema_says_how_ids_money_and_percentages_are_written() -> None:
    """In words and as a pattern: a caller sees no other page of ours."""
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


def test_the_schema_takes_the_example() -> None:
    """It is no stricter than the door."""
    example = json.loads(words_of("examples/order.json"))
    example["lines"][0] |= {"unit_price": "18.00", "discount_percent": "5.5"}
    Draft202012Validator(OrderDocument.model_json_schema()).validate(example)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Those to files of ours, and to headings in them."""
    missing = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if "://" in link:
            continue
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            missing.append(link)
    assert not missing


def test_every_make_target_that_is_named_exists() -> None:
    """And every one is named in what contributors and users read first."""
    targets = set(re.findall(r"^([a-z]+):", words_of("Makefile"), re.M))
    named = {
        target
        for page in PAGES
        for target in re.findall(r"^(?:\w+=\S+ )*make ([a-z]+)", code_in(page), re.M)
    }
    assert named <= targets
    assert targets - named <= {"help", "clean"}


def test_every_command_that_is_named_exists() -> None:
    """And every command of ours is described."""
    known = set(_commands(typer.main.get_command(app), ""))
    named = {
        command
        for page in PAGES
        for command in re.findall(r"starter\.py ([a-z][a-z-]*)", page.read_text())
    }
    assert named <= {command.split()[0] for command in known}
    described = words_of("docs/cli.md")
    assert [command for command in known if f"`starter.py {command}" not in described] == []


def _commands(command: object, path: str) -> Iterator[str]:
    """`place`, `ledger trial-balance`...: the commands that do something."""
    inside = getattr(command, "commands", None)
    if inside is None:
        yield path
        return
    for name, one in inside.items():
        yield from _commands(one, f"{path} {name}".strip())


def test_every_variable_is_described() -> None:
    """And none that isn't there."""
    table = words_of("docs/operating.md").split("## Looking")[0]
    names = {name.upper() for name in Settings.model_fields}
    rows = "\n".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`([A-Z_]+)`", rows)) == names


def test_every_dependency_says_why_it_is_there() -> None:
    """Each in its own row, and no row without one."""
    project = tomllib.loads(words_of("pyproject.toml"))["project"]
    wanted = chain(project["dependencies"], *project["optional-dependencies"].values())
    names = {re.split(r"[\[>=<]", name)[0] for name in wanted}
    rows = [
        line.split("|")[1]
        for line in words_of("docs/dependencies.md").splitlines()
        if line.startswith("| ")
    ]
    described = {name.strip() for row in rows[1:] for name in row.split(",")}
    assert described == names


def test_every_decision_is_listed() -> None:
    """On the page that leads to them."""
    folder = ROOT / "docs" / "decisions"
    listed = set(re.findall(r"\]\(([\w-]+\.md)\)", words_of("docs/decisions/README.md")))
    assert listed == {page.name for page in folder.glob("*.md")} - {"README.md"}


def test_every_attention_code_says_what_to_do() -> None:
    """Codes that steps and workflows raise; the partners' own codes are theirs."""
    table = words_of("docs/operating.md").split("## Attention")[1].split("\n## ")[0]
    rows = "\n".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    raised = {*_codes(), *ShipmentProblem}
    assert {"credit_limit_exceeded", "no_supply", "database_busy", "partner_refused"} <= raised
    assert set(re.findall(r"`([a-z_]+)`", rows)) == raised - {"engine_unavailable"}


def _codes() -> Iterator[str]:
    """Every code in a step, in a workflow, or of an error that passes through them."""
    folders = (ROOT / "activities", ROOT / "workflows")
    sources = [path for folder in folders for path in folder.rglob("*.py")]
    sources = [path for path in sources if path.parent.name != "database"]
    models = [ROOT / "models" / "errors.py", ROOT / "models" / "messages" / "attention.py"]
    for path in [*sources, *models]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield from _codes_in(node)


def _codes_in(call: ast.Call) -> Iterator[str]:
    """The code of an attention, of a refusal, or of a class of errors that has one of its own."""
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
