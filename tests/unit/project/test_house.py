"""The rules of the house (docs/architecture.md, "The rooms"), held by reading the sources."""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HOME = Path(__file__).parents[3]
ARCHITECTURE = HOME / "docs" / "architecture.md"

ROOTS = ("worker.py", "starter.py", "api/app.py", "simulators/__main__.py")
ANYTHING = ("tools", "tests", "benchmarks")
"""May import any part, and read the environment."""

PARTS = (
    *("models", "activities", "workflows", "engine", "order_status", "intake", "worker"),
    *("starter", "api"),
    *("command_line", "exits", "simulators", "migrations", *ANYTHING),
)
ROOMS: dict[str, tuple[str, ...]] = {
    "database": (),
    "documents": (),
    "gateways": ("database",),
    "order_record": ("database",),
    "ledger": ("database", "order_record"),
    "events": ("database", "gateways", "order_record"),
    "billing": ("database", "documents", "gateways", "ledger", "order_record"),
    "stock": ("database", "ledger", "order_record"),
    "masterdata": ("database", "ledger", "order_record", "stock"),
    "purchasing": ("database", "gateways", "ledger", "order_record", "stock"),
    "shipping": (
        *("database", "documents", "gateways", "ledger", "order_record"),
        *("billing", "stock"),
    ),
    "returns": (
        *("database", "documents", "ledger", "order_record"),
        *("billing", "stock", "shipping"),
    ),
    "orders": (
        *("database", "order_record"),
        *("masterdata", "billing", "stock", "shipping"),
    ),
    "mail": ("database", "documents", "gateways", "order_record", "billing", "returns"),
    "phases": (
        *("database", "gateways", "order_record"),
        *("billing", "stock", "shipping", "orders", "mail"),
    ),
    "operations": (
        *("database", "documents", "ledger", "order_record"),
        *("orders", "stock", "purchasing", "billing", "shipping", "returns"),
    ),
}
"""The rooms of activities/, and which others each may import. A room stands below all that it is
imported by, so there are no cycles."""
READERS = (
    *(f"activities.{room}.reading" for room in ROOMS),
    "activities.orders.acceptance",
    "activities.orders.situation",
    "activities.operations.audit",
    "activities.operations.bulk",
    "activities.operations.metrics",
    "activities.operations.tokens",
    "activities.events.feed",
    "activities.events.subscriptions",
    "activities.database",
)
"""All that the edges (API, command line and their services) import of activities."""

MAY_IMPORT = {
    "models": ("models",),
    "exits": ("models", "exits"),
    "activities": ("models", "activities"),
    "workflows": ("models", "activities", "workflows"),
    "engine": ("models", "engine"),
    "order_status": ("models", "engine", "order_status", *READERS),
    "intake": (
        *("models", "workflows", "engine", "order_status", "intake"),
        *(*READERS, "activities.masterdata.importing", "activities.masterdata.sources"),
    ),
    "worker": ("models", "activities", "workflows", "engine", "intake", "exits"),
    "command_line": ("models", "engine", "intake", "command_line", *READERS),
    "starter": ("models", "command_line", "exits"),
    "api": ("models", "workflows", "engine", "intake", "api", "exits", *READERS),
    "simulators": ("models", "simulators", "exits"),
    "migrations": ("models", "activities.database", "migrations"),
}
KNOW_THE_TABLES = ("activities", "migrations", *ANYTHING)

OUTSIDE_OF_MODELS = ("temporalio", "sqlalchemy", "sqlmodel", "aiohttp", "structlog", "fastapi")
OUTSIDE_OF_TABLES = ("temporalio", "aiohttp", "structlog", "fastapi")
NOT_IN_WORKFLOWS = (
    *("models.tables", "activities.database", "activities.gateways"),
    *("sqlalchemy", "sqlmodel", "aiohttp", "structlog", "os", "random", "time"),
)

MAKE_SETTINGS = ("Settings", "Settings.read")

MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:work|root|home|Users)/[\w.]")
REGISTRIES = tuple(
    f"{host}.org"
    for host in ("pypi", "files.pythonhosted", "proxy.golang", "sum.golang", "registry.npmjs")
)


def part_of(path: str) -> str:
    """The part of the house that a source belongs to."""
    return path.split("/")[0].removesuffix(".py")


def within(module: str, *names: str) -> bool:
    """Whether a module is one of these, or inside one of them."""
    return any(module == name or module.startswith(f"{name}.") for name in names)


def imports(path: str, tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every module or name imported, wherever in the file, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = path.split("/")[: -node.level] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)


def within_folder(path: str, folder: str) -> bool:
    """Whether a file is in a folder, at any depth."""
    return path.startswith(f"{folder}/")


def rooms_import_what_they_may(path: str, tree: ast.AST) -> Iterator[str]:
    """A room imports only rooms below it (ROOMS)."""
    room = room_of(path)
    if room is None:
        return
    for module, line in imports(path, tree):
        other = room_of(module.replace(".", "/") + "/")
        if other is not None and other != room and other not in ROOMS[room]:
            yield f"{path}:{line}: room {room} may not import {module}"


def room_of(path: str) -> str | None:
    """The room of activities/ that a file belongs to."""
    parts = path.split("/")
    return parts[1] if parts[0] == "activities" and parts[1] in ROOMS else None


def imports_point_one_way(path: str, tree: ast.AST) -> Iterator[str]:
    """models <- activities <- workflows <- intake <- worker, starter, api."""
    part = part_of(path)
    if part in ANYTHING:
        return
    for module, line in imports(path, tree):
        if within(module, *PARTS) and not within(module, *MAY_IMPORT[part]):
            yield f"{path}:{line}: {part} may not import {module}"


def tables_are_for_activities(path: str, tree: ast.AST) -> Iterator[str]:
    """Only activities and migrations know the tables."""
    if part_of(path) in KNOW_THE_TABLES or within_folder(path, "models/tables"):
        return
    for module, line in imports(path, tree):
        if within(module, "models.tables"):
            yield f"{path}:{line}: may not import {module}"


def models_are_pure(path: str, tree: ast.AST) -> Iterator[str]:
    """Models import no engine, database, network or log."""
    if part_of(path) != "models":
        return
    outside = OUTSIDE_OF_TABLES if within_folder(path, "models/tables") else OUTSIDE_OF_MODELS
    for module, line in imports(path, tree):
        if within(module, *outside):
            yield f"{path}:{line}: models may not import {module}"


def workflows_only_name_activities(path: str, tree: ast.AST) -> Iterator[str]:
    """Under imports_passed_through(), and never a table, a session or a gateway."""
    if part_of(path) != "workflows":
        return
    passed = {line for block in _passed_through(tree) for _, line in imports(path, block)}
    for module, line in imports(path, tree):
        if within(module, *NOT_IN_WORKFLOWS) and not within(module, "activities.database.step"):
            yield f"{path}:{line}: workflows may not import {module}"
        elif within(module, "activities") and line not in passed:
            yield f"{path}:{line}: {module} is imported outside of imports_passed_through()"


def _passed_through(tree: ast.AST) -> Iterator[ast.With]:
    for node in ast.walk(tree):
        if isinstance(node, ast.With):
            entered = " ".join(ast.unparse(item.context_expr) for item in node.items)
            if "imports_passed_through()" in entered:
                yield node


def only_roots_read_the_environment(path: str, tree: ast.AST) -> Iterator[str]:
    """Settings() and os.environ appear in the roots; the rest is handed what it needs."""
    if path in ROOTS or part_of(path) in ANYTHING:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(MAKE_SETTINGS):
            yield f"{path}:{node.lineno}: Settings() is made in the roots only"
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv"):
            yield f"{path}:{node.lineno}: the environment is read in the roots only"
    for module, line in imports(path, tree):
        if module in ("os.environ", "os.getenv"):
            yield f"{path}:{line}: the environment is read in the roots only"


def modules_of_tests_share_through_support(path: str, tree: ast.AST) -> Iterator[str]:
    """A test module imports no other test module: what they share is in tests/support."""
    if part_of(path) != "tests":
        return
    for module, line in imports(path, tree):
        if within(module, "tests.unit", "tests.integration", "tests.faults"):
            yield f"{path}:{line}: {module} is imported; move it to tests/support"


FOLDERS_OF_TESTS = {
    "unit": (*ROOMS, "interfaces", "project"),
    "integration": (*ROOMS, "interfaces"),
    "support": (*ROOMS, "pipeline"),
}
"""The folders of tests: a room, API and CLI, the sources and documents, the running pipeline."""


def modules_of_tests_are_in_folders_by_domain(path: str, _tree: ast.AST) -> Iterator[str]:
    """Tests and their support stand in FOLDERS_OF_TESTS. Those of faults concern several rooms."""
    *folders, name = path.split("/")
    if part_of(path) != "tests" or name == "conftest.py" or folders == ["tests", "faults"]:
        return
    named = [["tests", part, word] for part, words in FOLDERS_OF_TESTS.items() for word in words]
    if folders not in named:
        yield f"{path}: {'/'.join(folders)} is no folder of FOLDERS_OF_TESTS"


MAX_FILE_LINES = 500
MAX_CLASS_METHODS = 30
LONGER_FOR_A_REASON = {
    "tests/support/orders/ways.py": "a catalogue: one short function for each way, read one at a time",
}
"""Files over MAX_FILE_LINES, and why splitting them would not help a reader."""
MAY_BE_LONG = ("models/messages/", "models/tables/", "migrations/")


def files_and_classes_fit(path: str, tree: ast.AST) -> Iterator[str]:
    """A file has one subject and a class few methods."""
    if path.startswith(MAY_BE_LONG):
        return
    lines = max((getattr(node, "end_lineno", 0) for node in ast.walk(tree)), default=0)
    if lines > MAX_FILE_LINES and path not in LONGER_FOR_A_REASON:
        yield f"{path}: {lines} lines; split it by subject or say why in LONGER_FOR_A_REASON"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            methods = sum(isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) for n in node.body)
            if methods > MAX_CLASS_METHODS:
                yield f"{path}:{node.lineno}: {node.name} has {methods} methods"


Rule = Callable[[str, ast.AST], Iterator[str]]
RULES: tuple[Rule, ...] = (
    imports_point_one_way,
    rooms_import_what_they_may,
    tables_are_for_activities,
    models_are_pure,
    workflows_only_name_activities,
    only_roots_read_the_environment,
    files_and_classes_fit,
    modules_of_tests_share_through_support,
    modules_of_tests_are_in_folders_by_domain,
)


DIALECT = {
    r"(?<![\w\"'-])nobody(?![\w\"'-])": "name who: no operator, no supplier, no workflow",
    r"\bwhoever\b": "name the orders, the workflow or the operator",
    r"\bdoors?\b(?! to)": "API and CLI",
    r"\bsee(?:n|s)? to\b": "acknowledge",
    r"\bodd (?:fact|message)s?\b": "rejected message",
    r"\bwho waits\b": "orders with an open shortage",
    r"\b(?:is|are|was|were|be|been) told\b": "notify, report, record",
    r"\ba person\b": "an operator",
    r"\blets? (?:us|it) down\b": "default, deliver short",
    r"\bforgo(?:ne|es)?\b": "write off",
    r"\b(?:told_\w+|odd_(?!facts\b)\w+)": "reported, notified, rejected",
    r"\blet_down": "failed",
    r"\bis said by\b": "is given in",
    r"\bbeside (?:it|its|the way|their way|the orders?)\b": "in the background",
}
"""Phrases of the private dialect that this project once had, and the term to use (glossary.md)."""


def dialect(path: str, text: str) -> Iterator[str]:
    """Phrases that an English-speaking practitioner would have to read twice."""
    for number, line in enumerate(text.splitlines(), 1):
        for phrase, better in DIALECT.items():
            if re.search(phrase, line, re.IGNORECASE):
                yield f"{path}:{number}: {line.strip()[:80]!r}: {better}"


def ties_to_a_machine(path: str, text: str) -> Iterator[str]:
    """Paths of one machine, and addresses of package registries."""
    for number, line in enumerate(text.splitlines(), 1):
        if MACHINE_PATH.search(line):
            yield f"{path}:{number}: a path of one machine: {line.strip()}"
        if any(registry in line for registry in REGISTRIES):
            yield f"{path}:{number}: a registry's address: {line.strip()}"


def tracked_files() -> list[str]:
    """List the files of the repository, new ones included."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(command, cwd=HOME, check=True, capture_output=True, text=True)
    return sorted(path for path in set(listed.stdout.splitlines()) if (HOME / path).is_file())


TRACKED = tracked_files()
SOURCES = [path for path in TRACKED if path.endswith(".py")]


@pytest.mark.parametrize("path", SOURCES)
def test_source_keeps_the_rules_of_the_house(path: str) -> None:
    """Every source of every part, by every rule."""
    assert part_of(path) in PARTS
    tree = ast.parse((HOME / path).read_text())
    assert [broken for rule in RULES for broken in rule(path, tree)] == []


def test_every_page_that_a_source_cites_exists() -> None:
    """A reader can open every page that a source names."""
    cited = {
        (path, page)
        for path in SOURCES
        for page in re.findall(r"\bdocs/[\w/.-]+\.\w+", (HOME / path).read_text())
    }
    assert cited
    assert {(path, page) for path, page in cited if not (HOME / page).exists()} == set()


def test_nothing_tracked_is_tied_to_one_machine() -> None:
    """A clone works anywhere."""
    texts = ((path, (HOME / path).read_bytes().decode(errors="replace")) for path in TRACKED)
    assert [tie for path, text in texts for tie in ties_to_a_machine(path, text)] == []


def test_rooms_have_no_cycles() -> None:
    """A room imports only rooms that are listed before it."""
    listed = list(ROOMS)
    for number, room in enumerate(listed):
        assert set(ROOMS[room]) <= set(listed[:number]), room


def test_rooms_are_documented() -> None:
    """The table of rooms in docs/architecture.md is ROOMS."""
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", ARCHITECTURE.read_text(), re.M)
    assert {room: tuple(re.findall(r"`(\w+)`", below)) for room, below in rows} == ROOMS


def test_every_room_is_listed() -> None:
    """A folder of activities/ without a row could import anything."""
    folders = {path.split("/")[1] for path in SOURCES if path.startswith("activities/")}
    assert folders - {"__init__.py"} == set(ROOMS)


READ_BY_PEOPLE = (".py", ".md", ".toml", ".csv", "Makefile", "run")


def test_texts_are_in_plain_english() -> None:
    """No phrase of the list comes back, in code, documents or commands."""
    texts = (path for path in TRACKED if path.endswith(READ_BY_PEOPLE))
    texts = (path for path in texts if path != "tests/unit/project/test_house.py")
    found = [hit for path in texts for hit in dialect(path, (HOME / path).read_text())]
    assert found == []


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (imports_point_one_way, "models/money.py", "from activities import billing"),
        (imports_point_one_way, "activities/mail.py", "def f():\n    import workflows.order"),
        (imports_point_one_way, "activities/mail.py", "import engine"),
        (imports_point_one_way, "workflows/order.py", "from intake import accept"),
        (imports_point_one_way, "workflows/order.py", "from tools import stack"),
        (imports_point_one_way, "engine.py", "import activities.database"),
        (imports_point_one_way, "intake.py", "import activities"),
        (imports_point_one_way, "intake.py", "from activities import billing"),
        (imports_point_one_way, "starter.py", "from activities.billing.steps import Billing"),
        (imports_point_one_way, "starter.py", "from activities.orders import reading"),
        (imports_point_one_way, "command_line/stock.py", "from activities.stock import commands"),
        (imports_point_one_way, "command_line/context.py", "import starter"),
        (imports_point_one_way, "intake.py", "from command_line import context"),
        (imports_point_one_way, "api/app.py", "from activities.gateways import payments"),
        (imports_point_one_way, "api/app.py", "import starter"),
        (imports_point_one_way, "worker.py", "from api import app"),
        (imports_point_one_way, "simulators/app.py", "from activities.gateways import mail"),
        (imports_point_one_way, "activities/gateways/mail.py", "from ...workflows import order"),
        (rooms_import_what_they_may, "activities/stock/steps.py", "from activities import orders"),
        (rooms_import_what_they_may, "activities/stock/steps.py", "import activities.mail.steps"),
        (tables_are_for_activities, "workflows/order.py", "from models import tables"),
        (tables_are_for_activities, "models/stock.py", "from .tables.stock import Stock"),
        (tables_are_for_activities, "starter.py", "import models.tables"),
        (modules_of_tests_are_in_folders_by_domain, "tests/unit/test_a.py", ""),
        (modules_of_tests_are_in_folders_by_domain, "tests/unit/money/test_a.py", ""),
        (modules_of_tests_are_in_folders_by_domain, "tests/unit/stock/counters/test_a.py", ""),
        (modules_of_tests_are_in_folders_by_domain, "tests/support/a.py", ""),
        (
            modules_of_tests_share_through_support,
            "tests/unit/stock/test_a.py",
            "from tests.unit.stock import test_b",
        ),
        (files_and_classes_fit, "workflows/order.py", "\n" * 501 + "x = 1"),
        (models_are_pure, "models/stock.py", "import sqlmodel"),
        (models_are_pure, "models/stock.py", "from temporalio import workflow"),
        (models_are_pure, "models/tables/stock.py", "import aiohttp"),
        (workflows_only_name_activities, "workflows/order.py", "from activities import billing"),
        (
            workflows_only_name_activities,
            "workflows/order.py",
            "with workflow.unsafe.imports_passed_through():\n    import activities.database",
        ),
        (workflows_only_name_activities, "workflows/steps.py", "from sqlmodel import Session"),
        (only_roots_read_the_environment, "migrations/env.py", "url = Settings().database"),
        (only_roots_read_the_environment, "migrations/env.py", "Settings.read().database"),
        (only_roots_read_the_environment, "command_line/context.py", "Settings.read()"),
        (only_roots_read_the_environment, "intake.py", "import os\nos.environ['HOME']"),
        (only_roots_read_the_environment, "engine.py", "from os import environ"),
    ],
)
def test_rule_finds_what_breaks_it(rule: Rule, path: str, source: str) -> None:
    """A rule that can't fail holds nothing."""
    assert list(rule(path, ast.parse(source)))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("models/tables/stock.py", "from sqlmodel import Field\nimport sqlalchemy"),
        ("activities/stock/counters.py", "from models.tables.stock import Stock"),
        (
            "workflows/order.py",
            "with workflow.unsafe.imports_passed_through():\n    from activities import billing",
        ),
        ("starter.py", "import os\nfrom command_line import orders\nSettings(); os.environ"),
        ("command_line/orders.py", "from activities.orders import reading"),
        ("api/app.py", "from activities.database import facts\nimport engine"),
        ("worker.py", "import activities.gateways.mail\nimport models.tables_of"),
        ("tests/conftest.py", "import engine"),
        ("tests/unit/stock/test_a.py", "from tests.support.stock import machine"),
        ("tests/faults/test_a.py", ""),
        ("tools/prepare.py", "from models import tables\nimport os\nos.environ"),
    ],
)
def test_what_the_house_allows_breaks_no_rule(path: str, source: str) -> None:
    """The rules allow what the layers need."""
    assert [broken for rule in RULES for broken in rule(path, ast.parse(source))] == []


@pytest.mark.parametrize("text", ["cd " + "/work" + "/main", "see https://" + REGISTRIES[0] + "/x"])
def test_ties_to_a_machine_are_found(text: str) -> None:
    """Wherever in a line they stand."""
    assert list(ties_to_a_machine("README.md", text))
