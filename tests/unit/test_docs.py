"""What README and docs say is so."""

import json
import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
import typer

from models.orders import OrderDocument
from models.settings import Settings
from starter import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def words_of(page: str) -> str:
    """The text of a page."""
    return (ROOT / page).read_text()


def test_the_schema_on_disk_is_the_models() -> None:
    """Renew: python -c "import json; from models.orders import OrderDocument as D; print(json.dumps(D.model_json_schema(), indent=2))" > docs/order.schema.json"""
    assert json.loads(words_of("docs/order.schema.json")) == OrderDocument.model_json_schema()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Those to files of ours."""
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


def test_every_make_target_that_is_named_exists() -> None:
    """In code, as people would paste it."""
    targets = set(re.findall(r"^([a-z]+):", words_of("Makefile"), re.M))
    named = {
        t for page in PAGES for t in re.findall(r"`(?:\w+=\S+ )?make ([a-z]+)", page.read_text())
    }
    assert named <= targets


def test_every_command_that_is_named_exists() -> None:
    """And every command of ours is described."""
    group = typer.main.get_command(app)
    known = set(group.commands)  # type: ignore[attr-defined]  # a group, which typer types as a command
    named = {c for page in PAGES for c in re.findall(r"starter\.py ([a-z-]+)", page.read_text())}
    assert named <= known
    described = words_of("docs/cli.md")
    assert [c for c in known if c not in described] == []


def test_every_variable_is_described() -> None:
    """And none that isn't there."""
    described = words_of("docs/operating.md")
    table = described.split("## Looking")[0]
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


def test_every_attention_code_says_what_to_do() -> None:
    """Codes of refusals in steps; the partners' own codes are theirs."""
    described = words_of("docs/operating.md")
    sources = [*(ROOT / "activities").glob("*.py"), *(ROOT / "workflows").glob("*.py")]
    text = "\n".join(path.read_text() for path in [*sources, ROOT / "models" / "messages.py"])
    codes = set(re.findall(r'Refused\(\s*"([a-z_]+)"', text))
    codes |= set(re.findall(r'code="([a-z_]+)"', text)) | set(
        re.findall(r'NO_SUPPLY = "([a-z_]+)"', text)
    )
    assert codes
    assert [code for code in codes if f"`{code}`" not in described] == []
