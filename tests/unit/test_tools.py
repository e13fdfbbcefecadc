"""What the tools decide: ports, addresses, files of VAR_DIR, the demo's scripts."""

import asyncio
import csv
import itertools
import os
import socket
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import JsonValue
from rich.console import Console
from stdnum import ean, iban
from stdnum.eu import vat

import engine
from models.customers import TaxTreatment
from models.errors import PipelineError, WrongVariables
from models.orders import OrderDocument, ProductPrice, price_line, total
from models.settings import Settings
from models.shipping import Packaging
from tools import server, var_dir
from tools.addresses import choose_addresses
from tools.demo import SHOP, Script, matches, read_scripts
from tools.ports import Ports, PortTaken
from tools.processes import LONGEST_PAUSE_S, STOP_S, Processes, Program, pause_after
from worker import GRACE

ROOT = Path(__file__).parents[2]
SCRIPTS = read_scripts(ROOT / SHOP / "orders")


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no .env of whoever runs the tests reaches Settings()."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def ports(*taken: int, usual: bool = True) -> Ports:
    """Ports of a machine where these are taken; free ones are found from 50000 on."""
    found = itertools.count(50000)
    return Ports(usual=usual, is_free=lambda port: port not in taken, any_free=lambda: next(found))


def test_the_usual_port_is_taken_if_it_is_free() -> None:
    """So that the addresses in the README hold."""
    assert ports().choose("API_PORT", 8080, given=False) == 8080


def test_another_port_is_found_where_the_usual_one_is_in_use() -> None:
    """Nobody has to configure anything to see it run."""
    assert ports(8080).choose("API_PORT", 8080, given=False) == 50000


def test_a_given_port_in_use_is_refused_by_the_name_of_its_variable() -> None:
    """Who asked for a port doesn't want another."""
    with pytest.raises(PortTaken, match="API_PORT asks for port 8080"):
        ports(8080).choose("API_PORT", 8080, given=True)


def test_no_port_is_chosen_twice() -> None:
    """Two parts can't listen on one port, even before either does."""
    choice = ports(8081)
    first = choice.choose("API_PORT", 8080, given=True)
    assert (first, choice.choose("UI_PORT", 8080, given=False)) == (8080, 50000)
    with pytest.raises(PortTaken):
        choice.choose("UI_PORT", 50000, given=True)


def test_ports_are_those_of_the_last_time_where_they_are_free(tmp_path: Path) -> None:
    """Open tabs and scripts find everything where it was; what is given goes first."""
    assert var_dir.last_ports(tmp_path) == {}
    first = choose_addresses(Settings(), {}, ports(usual=False), {})
    var_dir.remember_ports(tmp_path, first.ports)
    last = var_dir.last_ports(tmp_path)
    assert choose_addresses(Settings(), {}, ports(), last) == first
    other = choose_addresses(Settings(ui_port=9000), {}, ports(first.smtp_port), last)
    assert (other.ui_port, other.smtp_port) == (9000, 8025)
    assert other.simulators_port == first.simulators_port


def test_a_port_that_was_given_and_lost_is_refused_and_others_are_found_anew() -> None:
    """Somebody was quicker: whoever listens there now isn't the partner that was meant."""
    taken: set[int] = set()
    choice = Ports(usual=True, is_free=lambda port: port not in taken, any_free=lambda: 50000)
    settings = Settings(api_port=8080)
    assert choose_addresses(settings, {}, choice, {}).temporal_port == 7233
    taken.add(7233)
    choice.choose_again()
    assert choose_addresses(settings, {}, choice, {}).temporal_port == 50000
    choice.choose_again()
    settings = Settings(carriers_url="http://127.0.0.1:8090/carriers")
    taken.add(8090)
    with pytest.raises(PortTaken, match="CARRIERS_URL asks for port 8090"):
        choose_addresses(settings, {}, choice, {})


LISTENER = """
import socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(60)
"""


@pytest.mark.asyncio
async def test_only_a_process_of_ours_counts_as_listening(tmp_path: Path) -> None:
    """Another program's answer on our port isn't ours."""
    processes = Processes(ROOT, tmp_path, os.environ, lambda line: None)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        program = Program("listener", (sys.executable, "-c", LISTENER, str(port)), (port,))
        async with asyncio.timeout(20), processes.kept_alive(program):
            assert not await processes.listening(program)
            other.close()
            assert await processes.listening(program)


def test_without_settings_everything_is_where_the_settings_say_by_default() -> None:
    """A program started without VAR_DIR/env finds the others."""
    settings = Settings()
    found = choose_addresses(settings, {}, ports(), {})
    assert found.env["TEMPORAL_ADDRESS"] == "127.0.0.1:7233"
    assert found.env["PAYMENTS_URL"] == settings.payments_url
    assert found.env["SMTP_URL"] == settings.smtp_url
    assert found.api_port == settings.api_port


def test_the_demo_leaves_the_usual_ports_alone() -> None:
    """A stack that is up already isn't disturbed."""
    found = choose_addresses(Settings(), {}, ports(usual=False), {})
    chosen = (found.temporal_port, found.ui_port, found.simulators_port, found.api_port)
    assert min(chosen) >= 50000
    assert len(set(chosen)) == len(chosen)


def test_a_given_engine_is_used_and_no_other_is_started() -> None:
    """TEMPORAL_ADDRESS is passed on as it is."""
    found = choose_addresses(Settings(), {"TEMPORAL_ADDRESS": "temporal.example:7233"}, ports(), {})
    assert not found.own_engine
    assert found.env["TEMPORAL_ADDRESS"] == "temporal.example:7233"


def test_a_shell_that_has_read_our_env_file_starts_our_engine_again() -> None:
    """`. var/env` and then `make up` is no riddle."""
    environ = choose_addresses(Settings(), {}, ports(), {}).env
    assert choose_addresses(Settings(), environ, ports(), {}).own_engine


def test_the_simulators_listen_where_a_partner_is_said_to_be() -> None:
    """PAYMENTS_URL on this machine, with nobody there, is a wish for the simulators' port."""
    settings = Settings(payments_url="http://127.0.0.1:9555/payments")
    found = choose_addresses(settings, {}, ports(), {})
    assert found.simulators_port == 9555
    assert found.env["CARRIERS_URL"] == "http://127.0.0.1:9555/carriers"


def test_a_partner_of_the_users_own_is_respected() -> None:
    """Elsewhere, or on this machine and running: the simulators stand in for the others only."""
    settings = Settings(
        payments_url="https://pay.example/v1", carriers_url="http://127.0.0.1:9555/carriers"
    )
    found = choose_addresses(settings, {}, ports(9555), {})
    assert found.env["PAYMENTS_URL"] == "https://pay.example/v1"
    assert found.env["CARRIERS_URL"] == "http://127.0.0.1:9555/carriers"
    assert found.env["SUPPLIERS_URL"] == "http://127.0.0.1:8090/suppliers"


CARTON = (
    '[{"name": "S", "length_mm": %d, "width_mm": 100, "height_mm": 50, "max_weight_g": 9000, '
    '"%s": 90}]'
)
WRONG = [
    ("API_PORT", "abc"),
    ("API_PORT", "99999"),
    ("TEMPORAL_PORT", "0"),
    ("UI_PORT", "-1"),
    ("PARTNERS", "foo"),
    ("PARTNER_DELAY", "-1"),
    ("PARTNER_TIMEOUT", "0"),
    ("PARTNER_TIMEOUT", "nan"),
    ("PAYMENT_DEADLINE", "inf"),
    ("ATTENTION_AFTER_ATTEMPTS", "0"),
    ("DATABASE_URL", "nonsense"),
    ("DATABASE_URL", "mysql://user:secret@host/name"),
    ("DATABASE_URL", "postgresql://user:secret@host:port/name"),
    ("PAYMENTS_URL", "ftp://user:secret@x"),
    ("SUPPLIERS_URL", "http://"),
    ("CARRIERS_URL", "http://x:99999/"),
    ("SMTP_URL", "bad"),
    ("SMTP_URL", "smtp://user:secret@host:mail"),
    ("MAIL_FROM", "nobody"),
    ("TRACKING_SILENCE_LTL", "0"),
    ("CARTONS", "secret"),
    ("CARTONS", "[]"),
    ("CARTONS", CARTON % (0, "tare_g")),
    ("CARTONS", CARTON % (200, "tara")),
    ("CARTONS", CARTON % (4_000, "tare_g")),
    ("PALLET", CARTON % (200, "tare_g")),
    ("WEBHOOK_SECRET_PAYMENTS", "secret"),
    ("WEBHOOK_SECRET_SUPPLIERS", "whsec_"),
    ("WEBHOOK_SECRET_CARRIERS", "whsec_c2VjcmV0 whsec_secret!"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_variable_is_named_and_its_value_is_not_shown(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be a secret; what is accepted helps more."""
    monkeypatch.setenv(name, value)
    with pytest.raises(WrongVariables) as caught:
        Settings.read()
    accepted = Settings.model_fields[name.lower()].description
    assert caught.value.message == f"{name}: must be {accepted}"
    assert "secret" not in caught.value.message.removeprefix(name)


def test_every_wrong_variable_has_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """One run is enough to mend them all."""
    for name, value in dict(WRONG).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(WrongVariables) as caught:
        Settings.read()
    lines = caught.value.message.splitlines()
    assert {line.partition(":")[0] for line in lines} == {name for name, _ in WRONG}
    assert len(lines) == len(dict(WRONG))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_PORT", "65535"),
        ("PARTNER_DELAY", "0"),
        ("DATABASE_URL", "postgresql://user:p#[s/s:@[::1]:5432/name?sslmode=require"),
        ("DATABASE_URL", "postgres:///name?host=/tmp"),
        ("DATABASE_URL", "postgresql+psycopg://host"),
        ("DATABASE_URL", "sqlite:////var/lib/orders.db"),
        ("PAYMENTS_URL", "https://user:pass@pay.example:8443/v1"),
        ("CARRIERS_URL", "http://[::1]:9555/carriers"),
        ("SMTP_URL", "smtp+starttls://user:p%40ss@mail.example:587"),
        ("MAIL_FROM", "Möller & Söhne <orders@shop.example>"),
        ("WEBHOOK_SECRET_PAYMENTS", " whsec_c2VjcmV0  whsec_b3RoZXI= "),
    ],
)
def test_what_a_variable_may_be_is_taken_as_it_is(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checking changes nothing."""
    monkeypatch.setenv(name, value)
    read = getattr(Settings.read(), name.lower())
    assert read == type(read)(value)


def test_what_goods_are_packed_in_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cartons and the pallet, in JSON; who says nothing has those of every trade."""
    assert Settings.read().packaging == Packaging()
    small = CARTON % (200, "tare_g")
    monkeypatch.setenv("CARTONS", small)
    monkeypatch.setenv("PALLET", small.strip("[]"))
    packaging = Settings.read().packaging
    [carton] = packaging.cartons
    assert (carton.name, carton.length_mm, carton.tare_g) == ("S", 200, 90)
    assert packaging.pallet == carton


def test_every_variable_says_what_it_accepts() -> None:
    """Else a wrong one would be told to be None."""
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("worker.py",),
        ("starter.py", "list"),
        ("-m", "uvicorn", "api.app:create_app", "--factory", "--port", "1"),
        ("-m", "simulators", "--port", "1", "--smtp-port", "1"),
        ("-m", "tools.stack", "up"),
        ("-m", "tools.demo"),
        ("-m", "tools.prepare"),
    ],
    ids=" ".join,
)
def test_every_root_ends_with_two_lines_for_two_wrong_variables(arguments: tuple[str, ...]) -> None:
    """Exit status 2, no traceback, and nothing was begun."""
    wrong = {"API_PORT": "abc", "PARTNERS": "foo"}
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | wrong,
        capture_output=True,
        text=True,
    )
    lines = [line.removeprefix("wrong_variables ") for line in ended.stderr.splitlines()]
    assert (ended.returncode, ended.stdout) == (2, "")
    assert lines == [
        "API_PORT: must be a whole number from 1 to 65535",
        "PARTNERS: must be auto or manual",
    ]


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"TEMPORAL_ADDRESS": "nonsense"}, "TEMPORAL_ADDRESS: must be a host and a port"),
        ({"TEMPORAL_ADDRESS": "http://127.0.0.1:7233"}, "TEMPORAL_ADDRESS: must be"),
        ({"TEMPORAL_ADDRESS": "127.0.0.1:99999"}, "TEMPORAL_ADDRESS: must be"),
        ({"TEMPORAL_PROFILE": "none"}, "Profile 'none' not found"),
        ({"TEMPORAL_TLS_CLIENT_CERT_PATH": "none.pem"}, "none.pem"),
    ],
)
def test_wrong_variables_of_the_engine_are_told_as_ours(environ: dict[str, str], said: str) -> None:
    """Before anything is started."""
    with pytest.raises(WrongVariables, match=said):
        engine.options({"TEMPORAL_CONFIG_FILE": os.devnull, **environ})


def test_secrets_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    """A restart doesn't make the partners' signatures wrong."""
    first = var_dir.webhook_secrets(tmp_path, {})
    assert var_dir.webhook_secrets(tmp_path, {}) == first
    assert all(secret.startswith("whsec_") for secret in first.values())
    assert len(set(first.values())) == len(var_dir.PARTNERS)
    assert (tmp_path / "secrets.env").stat().st_mode & 0o777 == 0o600


def test_a_given_secret_is_used_and_not_written_down(tmp_path: Path) -> None:
    """It has a keeper already."""
    found = var_dir.webhook_secrets(tmp_path, {"WEBHOOK_SECRET_PAYMENTS": "whsec_given"})
    assert found["WEBHOOK_SECRET_PAYMENTS"] == "whsec_given"
    assert "whsec_given" not in (tmp_path / "secrets.env").read_text()


def test_exports_give_a_shell_exactly_the_values() -> None:
    """Whatever characters they have."""
    value = "a b'c\"d$HOME;`x`"
    script = var_dir.exports({"NAME": value}) + 'printf %s "$NAME"'
    shell = subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True)
    assert shell.stdout == value


def test_a_var_dir_has_one_stack_at_a_time(tmp_path: Path) -> None:
    """A second is told where the first is."""
    with (
        var_dir.locked(tmp_path),
        pytest.raises(var_dir.VarDirInUse, match=str(tmp_path)),
        var_dir.locked(tmp_path),
    ):
        pass
    with var_dir.locked(tmp_path):
        pass


def test_the_demo_empties_only_what_it_made(tmp_path: Path) -> None:
    """VAR_DIR=$HOME must not cost anybody their files."""
    (tmp_path / "letter").touch()
    with pytest.raises(var_dir.NotOurs):
        var_dir.check_may_empty(tmp_path)


def test_the_demo_starts_from_nothing(tmp_path: Path) -> None:
    """What an earlier run left is gone; the lock that is held stays."""
    with var_dir.locked(tmp_path):
        var_dir.empty(tmp_path)
        (tmp_path / "orders.db").touch()
        (tmp_path / "log").mkdir()
        var_dir.check_may_empty(tmp_path)
        var_dir.empty(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {var_dir.LOCK, var_dir.MARKER}


def test_where_no_server_can_be_got_one_error_says_what_was_tried_and_what_to_do() -> None:
    """A person needn't read a traceback."""
    said = server.NoServer([("`temporal` on PATH", "not found"), ("building", "no `go`")]).message
    for part in ("`temporal` on PATH: not found", "building: no `go`", "Go 1.21", "CLI 1.8.2"):
        assert part in said


@pytest.mark.asyncio
async def test_a_broken_binary_on_the_path_is_passed_over(tmp_path: Path) -> None:
    """The cache is next, and is believed only if it runs and is of our version."""
    broken, cached = tmp_path / "temporal", server.cache_path({"XDG_CACHE_HOME": str(tmp_path)})
    cached.parent.mkdir(parents=True)
    broken.write_text("#!/bin/sh\nexit 3\n")
    cached.write_text(f"#!/bin/sh\necho temporal version {server.VERSION}\n")
    for binary in (broken, cached):
        binary.chmod(0o755)
    environ = {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    assert await server.ensure(environ, Console(quiet=True)) == cached


def test_a_process_that_lived_long_is_started_again_soon() -> None:
    """One that keeps dying waits longer and longer."""
    assert pause_after(LONGEST_PAUSE_S, lived_s=31) == 1
    assert pause_after(8, lived_s=2) == 8


def test_a_worker_that_is_told_to_stop_has_its_whole_grace() -> None:
    """And some seconds to end after it, before it is killed."""
    assert GRACE.total_seconds() + 5 <= STOP_S


def rows(name: str) -> list[dict[str, str]]:
    with (ROOT / SHOP / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_example_shop_has_valid_numbers() -> None:
    """What a person pastes elsewhere works there."""
    (company,) = rows("company.csv")
    assert iban.is_valid(company["iban"])
    assert all(ean.is_valid(product["gtin"]) for product in rows("products.csv"))
    vat_ids = [row["vat_id"] for row in [company, *rows("customers.csv")] if row["vat_id"]]
    assert all(vat.is_valid(vat_id) for vat_id in vat_ids)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.order_id)
def test_the_demo_expects_the_total_that_the_price_list_gives(script: Script) -> None:
    """The files of the demo agree with the files of its shop."""
    order = OrderDocument.model_validate(script.order)
    products = {
        row["sku"]: ProductPrice(
            sku=row["sku"],
            name=row["name"],
            unit_price_minor=int(Decimal(row["unit_price"]) * 100),
            tax_rate_ppm=int(Decimal(row["tax_rate_percent"]) * 10_000),
        )
        for row in rows("products.csv")
    }
    customers = {row["customer_id"]: row["tax_treatment"] for row in rows("customers.csv")}
    tax = TaxTreatment(customers[order.customer_id])
    lines = [
        price_line(number, line, products[line.sku], order.currency, tax)
        for number, line in enumerate(order.lines, 1)
    ]
    assert Decimal(total(lines).total_minor) / 100 == Decimal(str(script.ends_as["total"]))


def test_an_order_may_be_more_than_its_file_says_but_not_other() -> None:
    """Fields that the file doesn't name don't count."""
    wanted: JsonValue = {"shipments": [{"state": "delivered"}]}
    assert matches(wanted, {"shipments": [{"state": "delivered", "carrier": "X"}], "stage": "y"})
    assert not matches(wanted, {"shipments": []})
    assert not matches(wanted, {"shipments": [{"state": "booked"}]})


def test_tool_errors_are_of_the_one_tree() -> None:
    """So that every root shows them in the same way."""
    raised = (
        *(server.NoServer, PortTaken),
        *(var_dir.VarDirInUse, var_dir.VarDirUnusable, var_dir.NotOurs),
    )
    assert all(issubclass(error, PipelineError) for error in raised)
