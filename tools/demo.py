"""Run the demo: `python -m tools.demo`.

Start a stack with its own VAR_DIR, import `examples/shop/`, place its orders, run each scenario's
actions and check that every order ends as its scenario expects.
"""

import asyncio
import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, JsonValue
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table

from exits import exit_on_error
from models.errors import Refused
from models.progress import Stage
from models.settings import Settings
from tools.processes import run_captured, run_until_signal
from tools.stack import HOME, Stack, StackConfig, address_table, environment

SHOP = Path("examples/shop")
TIME_LIMIT_S = 120
POLL_INTERVAL_S = 0.25
FINAL_STAGES = (Stage.COMPLETED, Stage.CANCELLED)

View = dict[str, Any]
"""An order as JSON from the API, whose fields are compared with the expected ones."""


class DemoFailed(Refused):
    """A request or command of the demo failed."""

    def __init__(self, message: str) -> None:
        super().__init__("demo_failed", message)


class Action(BaseModel):
    """Run `starter.py` with these arguments when the order reaches the stage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: Stage
    run: tuple[str, ...]


class Scenario(BaseModel):
    """A file of `examples/shop/orders/`: order, partner faults, actions, expected result."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    order: dict[str, JsonValue]
    faults: tuple[dict[str, JsonValue], ...] = ()
    then: tuple[Action, ...] = ()
    ends_as: dict[str, JsonValue]

    @property
    def order_id(self) -> str:
        return str(self.order["order_id"])


@dataclass
class ScenarioRun:
    """A running scenario: the order's latest view and the remaining actions."""

    scenario: Scenario
    view: View = field(default_factory=dict)
    actions: list[Action] = field(default_factory=list)

    @property
    def stage(self) -> str:
        return str(self.view.get("stage", "not placed"))

    @property
    def differences(self) -> list[str]:
        """List the fields that differ from the expected result."""
        return [
            f"{name} is {self.view.get(name)!r}, expected {expected!r}"
            for name, expected in self.scenario.ends_as.items()
            if not matches(expected, self.view.get(name))
        ]

    @property
    def finished(self) -> bool:
        """Whether the order is as expected, or in a final stage and cannot become so."""
        return self.as_expected or self.stage in FINAL_STAGES

    @property
    def as_expected(self) -> bool:
        """Whether all actions were run and the order matches the expected result."""
        return not (self.actions or self.differences)

    @property
    def attention(self) -> list[str]:
        """List the order's attention message, if it has one."""
        attention = self.view.get("attention")
        return [f"attention: {attention['message']}"] if attention else []

    @property
    def explanation(self) -> str:
        """Describe what the order still lacks: attention, remaining actions, differences."""
        return "; ".join(
            self.attention
            + [f"`{' '.join(action.run)}` waits for stage {action.when}" for action in self.actions]
            + self.differences
        )


def matches(expected: JsonValue, actual: JsonValue) -> bool:
    """Compare JSON values; fields of objects that `expected` doesn't name are ignored."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return all(matches(value, actual.get(name)) for name, value in expected.items())
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(matches, expected, actual))
    return expected == actual


def read_scenarios(directory: Path) -> list[Scenario]:
    """Read all scenarios of a directory, sorted by file name."""
    return [Scenario.model_validate_json(path.read_bytes()) for path in sorted(directory.iterdir())]


class Demo:
    """Run scenarios on a started stack."""

    def __init__(self, stack: Stack, console: Console, scenarios: Sequence[Scenario]) -> None:
        self.stack = stack
        self.console = console
        self.runs = [ScenarioRun(each, actions=list(each.then)) for each in scenarios]
        self.api = httpx.AsyncClient(
            base_url=stack.api_url, headers=stack.authorization, trust_env=False, timeout=30
        )

    async def run(self) -> None:
        """Import the shop, place all orders and wait until each is finished; show progress."""
        await self._run_cli("import", str(SHOP))
        live = Live(console=self.console, get_renderable=self._progress, transient=True)
        with live if self.console.is_terminal else nullcontext():
            for run in self.runs:
                await self._place(run)
            while not all(run.finished for run in self.runs):
                await asyncio.gather(*(self._poll(run) for run in self.runs))
                await asyncio.sleep(POLL_INTERVAL_S)

    async def ledger_is_balanced(self) -> bool:
        """Return whether the trial balance of all orders is balanced."""
        trial_balance = json.loads(await self._run_cli("ledger", "trial-balance", "--json"))
        return bool(trial_balance["balanced"])

    async def _place(self, run: ScenarioRun) -> None:
        """Place an order; wait until its faults are used up, so that no other order meets them."""
        faults_url = f"{self.stack.addresses.simulators_url}/control/faults"
        for fault in run.scenario.faults:
            await self._post(faults_url, fault)
        self._update(run, await self._post("/orders", run.scenario.order))
        while run.scenario.faults and (await self.api.get(faults_url)).json():
            await asyncio.sleep(POLL_INTERVAL_S)
            await self._poll(run)

    async def _poll(self, run: ScenarioRun) -> None:
        """Read an order and run the action of its stage."""
        response = await self.api.get(f"/orders/{run.scenario.order_id}")
        if response.status_code == httpx.codes.OK:
            self._update(run, response.json())
        if run.actions and run.actions[0].when == run.stage:
            await self._run_cli(*run.actions.pop(0).run)

    def _update(self, run: ScenarioRun, view: View) -> None:
        previous_stage, run.view = run.stage, view
        if not self.console.is_terminal and previous_stage != run.stage:
            self.console.print(f"{run.scenario.order_id}: {run.stage}", highlight=False)

    async def _post(self, url: str, body: Mapping[str, JsonValue]) -> Any:
        response = await self.api.post(url, json=body)
        if not response.is_success:
            raise DemoFailed(f"POST {url} answered {response.status_code}: {response.text}")
        return response.json() if response.content else None

    async def _run_cli(self, *args: str) -> str:
        """Run a CLI command; return its output. Raises DemoFailed on failure."""
        argv = (sys.executable, "starter.py", *args)
        status, output = await run_captured(argv, cwd=HOME, env=self.stack.env)
        if status:
            command = " ".join(argv[1:])
            raise DemoFailed(f"`{command}` exited with status {status}:\n{output}")
        return output

    def _progress(self) -> Table:
        """Build the table of the orders' current stages."""
        table = Table("order", "scenario", "stage", "paid", "shipments", box=SIMPLE_HEAD)
        for run in self.runs:
            colour = "green" if run.finished else "red" if run.attention else "yellow"
            stage = f"[{colour}]{run.stage}[/]"
            row = (run.scenario.order_id, run.scenario.title, stage)
            table.add_row(*row, _text(run.view, "paid"), _shipments(run.view))
        return table

    def result(self, balanced: bool) -> Table:
        """Build the table of results."""
        fields = ("order_id", "channel", "terms", "stage", "invoice_number", "paid")
        headings = ("order", "channel", "terms", "stage", "invoice", "paid", "shipments")
        table = Table(*headings, "as expected", "ledger balanced", box=SIMPLE_HEAD, pad_edge=False)
        for run in self.runs:
            cells = [_text(run.view, name) for name in fields]
            table.add_row(*cells, _shipments(run.view), _yes_or_no(run.as_expected))
        table.add_section()
        as_expected = sum(run.as_expected for run in self.runs)
        blanks = [""] * (len(headings) - 1)
        table.add_row("all", *blanks, f"{as_expected} of {len(self.runs)}", _yes_or_no(balanced))
        return table


def _text(view: View, name: str) -> str:
    return str(view.get(name) or "")


def _yes_or_no(value: bool) -> str:
    return "[green]yes[/]" if value else "[red]no[/]"


def _shipments(view: View) -> str:
    return "\n".join(
        f"{shipment['shipment_id']} {shipment['state']} {shipment['carrier'] or ''}".strip()
        for shipment in view.get("shipments", [])
    )


async def run_and_report(demo: Demo, console: Console) -> bool:
    """Run the demo, print results and problems; return whether all is as expected."""
    try:
        async with asyncio.timeout(TIME_LIMIT_S):
            await demo.run()
    except TimeoutError:
        console.print(f"Not finished after {TIME_LIMIT_S} s.", style="red")
    balanced = await demo.ledger_is_balanced()
    console.print(demo.result(balanced))
    for run in demo.runs:
        if not run.as_expected:
            line = f"{run.scenario.order_id}: {run.explanation}"
            console.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    return balanced and all(run.as_expected for run in demo.runs)


class DemoSettings(Settings):
    """The user's settings, with `var/demo` as the default VAR_DIR."""

    var_dir: Path = Path("var/demo")


async def run_demo(environ: Mapping[str, str], console: Console) -> int:
    """Start a stack and run the demo; return exit status 0 if all is as expected, else 1."""
    config = StackConfig(
        settings=DemoSettings.read(),
        environ=environment(environ),
        prefer_default_ports=False,
        fresh=True,
    )
    scenarios = read_scenarios(HOME / SHOP / "orders")
    async with Stack(config, console) as stack:
        console.print(address_table(stack), soft_wrap=True)
        demo = Demo(stack, console, scenarios)
        async with demo.api:
            as_expected = await run_and_report(demo, console)
    command = f"VAR_DIR={shlex.quote(str(config.settings.var_dir))} make up"
    line = f"To continue with these orders, invoices and mails: {command}"
    console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0 if as_expected else 1


if __name__ == "__main__":
    # A file or a pipe has no terminal width: use one that fits the table.
    width = None if sys.stdout.isatty() else 120
    with exit_on_error():
        sys.exit(run_until_signal(run_demo(os.environ, Console(width=width))))
