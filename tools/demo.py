"""Show the pipeline at work: `python -m tools.demo`.

Starts a stack in a VAR_DIR of its own, imports `examples/shop/`, places its orders, does what
each order's file says, and checks that each ends as its file says.
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

from exits import told
from models.errors import Refused
from models.orders import Stage
from models.settings import Settings
from tools.processes import output_of, until_signal
from tools.stack import HOME, Stack, StackConfig, environment, table_of

SHOP = Path("examples/shop")
LIMIT_S = 120
LOOK_EVERY_S = 0.25
ENDS = (Stage.COMPLETED, Stage.CANCELLED)
"""Nothing moves an order from here."""

View = dict[str, Any]
"""An order as shown by the API: JSON of the interface, compared field by field."""


class DemoFailed(Refused):
    """The demo can't go on."""

    def __init__(self, message: str) -> None:
        super().__init__("demo_failed", message)


class Action(BaseModel):
    """Once the order has reached the stage, run `starter.py` with these arguments."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: Stage
    run: tuple[str, ...]


class Script(BaseModel):
    """One file of `examples/shop/orders/`: an order, what befalls it, and how it must end."""

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
class Played:
    """A script being played: what the API showed last, and the actions that are left."""

    script: Script
    view: View = field(default_factory=dict)
    actions: list[Action] = field(default_factory=list)

    @property
    def stage(self) -> str:
        return str(self.view.get("stage", "not placed"))

    @property
    def differences(self) -> list[str]:
        """Where the order is not as its file says it ends."""
        return [
            f"{name} is {self.view.get(name)!r}, not {wanted!r}"
            for name, wanted in self.script.ends_as.items()
            if not matches(wanted, self.view.get(name))
        ]

    @property
    def over(self) -> bool:
        """It ended as it should, or can't any more."""
        return self.right or self.stage in ENDS

    @property
    def right(self) -> bool:
        """All was done, and it is as its file says it ends."""
        return not (self.actions or self.differences)

    @property
    def attention(self) -> list[str]:
        """Why it waits for a person, if it does."""
        attention = self.view.get("attention")
        return [f"attention: {attention['message']}"] if attention else []

    @property
    def waits_for(self) -> str:
        """What is missing, in words."""
        return "; ".join(
            self.attention
            + [f"`{' '.join(action.run)}` waits for {action.when}" for action in self.actions]
            + self.differences
        )


def matches(wanted: JsonValue, shown: JsonValue) -> bool:
    """Whether `shown` is as wanted: of an object, only the fields that `wanted` names count."""
    if isinstance(wanted, dict) and isinstance(shown, dict):
        return all(matches(value, shown.get(name)) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(shown, list):
        return len(wanted) == len(shown) and all(map(matches, wanted, shown))
    return wanted == shown


def read_scripts(directory: Path) -> list[Script]:
    """The scripts, in the order of their file names."""
    return [Script.model_validate_json(path.read_bytes()) for path in sorted(directory.iterdir())]


class Demo:
    """Plays the shop's scripts on a stack that is up."""

    def __init__(self, stack: Stack, console: Console, scripts: Sequence[Script]) -> None:
        self.stack = stack
        self.console = console
        self.played = [Played(script, actions=list(script.then)) for script in scripts]
        self.api = httpx.AsyncClient(base_url=stack.api_url, trust_env=False, timeout=30)

    async def play(self) -> None:
        """Place all orders and follow them until each is over, showing them move."""
        await self._starter("import", str(SHOP))
        live = Live(console=self.console, get_renderable=self._moving, transient=True)
        with live if self.console.is_terminal else nullcontext():
            for played in self.played:
                await self._place(played)
            while not all(played.over for played in self.played):
                await asyncio.gather(*(self._look(played) for played in self.played))
                await asyncio.sleep(LOOK_EVERY_S)

    async def ledger_is_balanced(self) -> bool:
        """What the ledger says of all of it."""
        answer = json.loads(await self._starter("ledger", "trial-balance", "--json"))
        return bool(answer["balanced"])

    async def _place(self, played: Played) -> None:
        """Place it; one that is to meet faults meets them all before the next is placed."""
        faults_url = f"{self.stack.addresses.simulators_url}/control/faults"
        for fault in played.script.faults:
            await self._post(faults_url, fault)
        self._show(played, await self._post("/orders", played.script.order))
        while played.script.faults and (await self.api.get(faults_url)).json():
            await asyncio.sleep(LOOK_EVERY_S)
            await self._look(played)

    async def _look(self, played: Played) -> None:
        """See where the order is, and do what its file says for this stage."""
        answer = await self.api.get(f"/orders/{played.script.order_id}")
        if answer.status_code == httpx.codes.OK:
            self._show(played, answer.json())
        if played.actions and played.actions[0].when == played.stage:
            await self._starter(*played.actions.pop(0).run)

    def _show(self, played: Played, view: View) -> None:
        before, played.view = played.stage, view
        if not self.console.is_terminal and before != played.stage:
            self.console.print(f"{played.script.order_id}: {played.stage}", highlight=False)

    async def _post(self, url: str, body: Mapping[str, JsonValue]) -> Any:
        answer = await self.api.post(url, json=body)
        if not answer.is_success:
            raise DemoFailed(f"POST {url} answered {answer.status_code}: {answer.text}")
        return answer.json() if answer.content else None

    async def _starter(self, *args: str) -> str:
        """Run the command line as a person would; gives what it prints."""
        argv = (sys.executable, "starter.py", *args)
        status, said = await output_of(argv, cwd=HOME, env=self.stack.env)
        if status:
            command = " ".join(argv[1:])
            raise DemoFailed(f"`{command}` ended with exit status {status}:\n{said}")
        return said

    def _moving(self) -> Table:
        """The orders as they are now, with what each shows."""
        table = Table("order", "what", "stage", "paid", "shipments", box=SIMPLE_HEAD)
        for played in self.played:
            colour = "green" if played.over else "red" if played.attention else "yellow"
            stage = f"[{colour}]{played.stage}[/]"
            row = (played.script.order_id, played.script.title, stage)
            table.add_row(*row, _text(played.view, "paid"), _shipments(played.view))
        return table

    def result(self, balanced: bool) -> Table:
        """How all of it ended."""
        fields = ("order_id", "channel", "terms", "stage", "invoice_number", "paid")
        headings = ("order", "channel", "terms", "stage", "invoice", "paid", "shipments")
        table = Table(*headings, "as it should", "ledger balanced", box=SIMPLE_HEAD, pad_edge=False)
        for played in self.played:
            shown = [_text(played.view, name) for name in fields]
            table.add_row(*shown, _shipments(played.view), _yes(played.right))
        table.add_section()
        right = sum(played.right for played in self.played)
        blanks = [""] * (len(headings) - 1)
        table.add_row("all", *blanks, f"{right} of {len(self.played)}", _yes(balanced))
        return table


def _text(view: View, name: str) -> str:
    return str(view.get(name) or "")


def _yes(good: bool) -> str:
    return "[green]yes[/]" if good else "[red]no[/]"


def _shipments(view: View) -> str:
    return "\n".join(
        f"{shipment['shipment_id']} {shipment['state']} {shipment['carrier'] or ''}".strip()
        for shipment in view.get("shipments", [])
    )


async def show(demo: Demo, console: Console) -> bool:
    """Play, print how it ended and what went wrong; True if nothing did."""
    try:
        async with asyncio.timeout(LIMIT_S):
            await demo.play()
    except TimeoutError:
        console.print(f"Not over after {LIMIT_S} s.", style="red")
    balanced = await demo.ledger_is_balanced()
    console.print(demo.result(balanced))
    for played in demo.played:
        if not played.right:
            line = f"{played.script.order_id}: {played.waits_for}"
            console.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    return balanced and all(played.right for played in demo.played)


class DemoSettings(Settings):
    """The user's settings, with a VAR_DIR of the demo's own where they say nothing."""

    var_dir: Path = Path("var/demo")


async def run(environ: Mapping[str, str], console: Console) -> int:
    """Exit status 0 if every order ended as its file says and the ledger balances, else 1."""
    config = StackConfig(
        settings=DemoSettings.read(),
        environ=environment(environ),
        usual_ports=False,
        fresh=True,
    )
    scripts = read_scripts(HOME / SHOP / "orders")
    async with Stack(config, console) as stack:
        console.print(table_of(stack), soft_wrap=True)
        demo = Demo(stack, console, scripts)
        async with demo.api:
            right = await show(demo, console)
    command = f"VAR_DIR={shlex.quote(str(config.settings.var_dir))} make up"
    line = f"To see these orders, invoices and mails again and go on by hand: {command}"
    console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0 if right else 1


if __name__ == "__main__":
    # A file or a pipe has no width of its own: the table gets what it needs.
    width = None if sys.stdout.isatty() else 120
    with told():
        sys.exit(until_signal(run(os.environ, Console(width=width))))
