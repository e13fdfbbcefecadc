"""Start everything on this machine, keep it running, stop it in order.

`python -m tools.stack up`: the Temporal server (unless there is one already), the preparation
of database and engine, the partners' simulators, the worker, the API.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx
from rich.console import Console
from rich.table import Table

import engine
from exits import told
from models.errors import Unavailable
from models.settings import Settings
from tools import server, var_dir
from tools.addresses import Addresses, choose_addresses, engine_is_given
from tools.ports import HOST, Ports
from tools.processes import Processes, Program, end_leftovers, until_signal

HOME = Path(__file__).parents[1]
START_LIMIT_S = 60
PASSED_ON = ("DATABASE_URL", "MAIL_FROM", "TEMPORAL_NAMESPACE", "TEMPORAL_PROFILE")
"""Written to VAR_DIR/env too if they were given."""

Result = TypeVar("Result")


class NotReady(Unavailable):
    """A part didn't come up; says which, and the last lines of its log."""

    def __init__(self, what: str, tails: str) -> None:
        super().__init__("stack_not_ready", f"{what}\n{tails}")


class PortLost(Exception):
    """Another program listens where a part was going to."""


@dataclass(frozen=True)
class StackConfig:
    """What a stack is made from. `environ`: the environment together with `.env`."""

    settings: Settings
    environ: Mapping[str, str]
    usual_ports: bool = True
    """Take the usual ports where they are free; else any free ones."""
    fresh: bool = False
    """Empty VAR_DIR first, if the demo made it."""


class Stack:
    """All processes of the pipeline, up while the `async with` block lasts.

    After entering: `env` (what another program needs to take part), `addresses`, `var_dir`.
    Raises PipelineError where it can't be brought up; nothing is left running then.
    """

    addresses: Addresses
    env: dict[str, str]

    def __init__(self, config: StackConfig, console: Console) -> None:
        self.config = config
        self.console = console
        self.var_dir = config.settings.var_dir.resolve()
        self._ports = Ports(usual=config.usual_ports)
        self._down = AsyncExitStack()

    @property
    def api_url(self) -> str:
        return self.addresses.api_url

    async def __aenter__(self) -> Self:
        if engine_is_given(self.config.environ):
            engine.options(self.config.environ)  # says what is wrong, before anything is started
        async with AsyncExitStack() as down:
            await self._take_var_dir(down)
            await self._start(await self._server_binary(), down)
            self._down = down.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._say("Stopping.")
        await self._down.aclose()

    async def _take_var_dir(self, down: AsyncExitStack) -> None:
        if self.config.fresh:
            var_dir.check_may_empty(self.var_dir)
        down.enter_context(var_dir.locked(self.var_dir))
        await end_leftovers(self.var_dir)
        if self.config.fresh:
            var_dir.empty(self.var_dir)

    async def _server_binary(self) -> Path | None:
        """None where the user has a Temporal; before ports are chosen, as it may take minutes."""
        environ = self.config.environ
        return None if engine_is_given(environ) else await server.ensure(environ, self.console)

    async def _start(self, binary: Path | None, down: AsyncExitStack) -> None:
        """Start all parts; once more where another program was quicker to take a port."""
        while True:
            self._settle()
            async with AsyncExitStack() as parts:
                try:
                    await self._start_parts(binary, parts)
                except PortLost as lost:
                    self._say(f"{lost}; starting all parts again.")
                    self._ports.choose_again()
                else:
                    down.push_async_exit(parts.pop_all())
                    return

    async def _start_parts(self, binary: Path | None, down: AsyncExitStack) -> None:
        """Each is certain to be reached, and not another program on its port, before the next."""
        processes = Processes(HOME, self.var_dir, self.env, self._say)
        if binary:
            await self._start_part(self._engine(binary), processes, down)
            serving = server.wait_until_serving(self.addresses.temporal)
            await self._in_time(processes, "The Temporal server doesn't answer", serving)
        await self._prepare(processes)
        for program in self._programs():
            await self._start_part(program, processes, down)
        await self._in_time(processes, "The API isn't ready", self._api_ready())

    async def _start_part(
        self, program: Program, processes: Processes, down: AsyncExitStack
    ) -> None:
        await down.enter_async_context(processes.kept_alive(program))
        if program.ports:
            listening = processes.listening(program)
            what = f"{program.name} doesn't listen"
            if not await self._in_time(processes, what, listening, program.name):
                raise PortLost(f"Another program took a port of {program.name}")

    def _settle(self) -> None:
        """Decide addresses and secrets, and write them down for other shells."""
        settings, environ = self.config.settings, self.config.environ
        last = var_dir.last_ports(self.var_dir)
        self.addresses = choose_addresses(settings, environ, self._ports, last)
        var_dir.remember_ports(self.var_dir, self.addresses.ports)
        ours = {
            **self.addresses.env,
            **var_dir.webhook_secrets(self.var_dir, environ),
            "VAR_DIR": str(self.var_dir),
            "PARTNERS": settings.partners,
            "PARTNER_DELAY": str(settings.partner_delay),
        }
        passed_on = {name: environ[name] for name in PASSED_ON if name in environ}
        var_dir.write_private(self.var_dir / "env", var_dir.exports(passed_on | ours))
        self.env = {**environ, **ours, "PYTHONUNBUFFERED": "1"}

    def _engine(self, binary: Path) -> Program:
        port, ui_port = self.addresses.temporal_port, self.addresses.ui_port
        database = self.var_dir / "temporal.db"
        argv = server.command(binary, port=port, ui_port=ui_port, database=database)
        return Program("temporal", argv, (port, ui_port))

    async def _prepare(self, processes: Processes) -> None:
        program = Program("prepare", (sys.executable, "-m", "tools.prepare"))
        preparing = processes.run(program)
        what = "The database and the engine aren't prepared"
        status = await self._in_time(processes, what, preparing, "prepare")
        if status:
            raise NotReady(f"{what}: exit status {status}.", processes.tail("prepare"))

    def _programs(self) -> list[Program]:
        """In an order in which each finds there whom it calls."""
        where, python = self.addresses, sys.executable
        partners, smtp = where.simulators_port, where.smtp_port
        listen = ("--port", str(partners), "--smtp-port", str(smtp))
        api = ("api.app:create_app", "--factory", "--host", HOST, "--port", str(where.api_port))
        uvicorn = (
            python,
            "-m",
            "uvicorn",
            *api,
            "--log-level",
            "warning",
            "--timeout-keep-alive",
            "75",
        )
        return [
            Program("api", uvicorn, (where.api_port,)),
            Program("simulators", (python, "-m", "simulators", *listen), (partners, smtp)),
            Program("worker", (python, "worker.py")),
        ]

    async def _api_ready(self) -> None:
        async with httpx.AsyncClient(base_url=self.api_url, trust_env=False) as api:
            while True:
                if await _answers_200(api, "/readyz"):
                    return
                await asyncio.sleep(0.2)

    async def _in_time(
        self, processes: Processes, what: str, work: Awaitable[Result], *about: str
    ) -> Result:
        """Await `work`; if that takes too long, say who died and what their logs end with."""
        try:
            async with asyncio.timeout(START_LIMIT_S):
                return await work
        except TimeoutError:
            died = "".join(f" {death}." for death in processes.deaths.values())
            tails = [processes.tail(name) for name in processes.deaths or about or ("api",)]
            message = f"{what} after {START_LIMIT_S} s.{died}"
            raise NotReady(message, "\n".join(tails)) from None

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


async def _answers_200(api: httpx.AsyncClient, path: str) -> bool:
    try:
        return (await api.get(path)).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with what `.env` adds to it."""
    return {**var_dir.read_env(Path(".env")), **environ}


def table_of(stack: Stack) -> Table:
    """Where a person finds the parts."""
    where = stack.addresses
    table = Table(show_header=False, title="The order pipeline is up", title_justify="left")
    rows = {
        "Temporal UI": where.ui_url if where.own_engine else f"that of {where.temporal or 'yours'}",
        "API": f"{where.api_url}/docs",
        "mail sink": f"{where.simulators_url}/mail",
        "data and logs": str(stack.var_dir),
        "another shell": f". {stack.var_dir / 'env'}",
    }
    for name, place in rows.items():
        table.add_row(name, place)
    return table


async def up(environ: Mapping[str, str], console: Console) -> int:
    """Keep a stack running until it is interrupted."""
    config = StackConfig(settings=Settings.read(), environ=environment(environ))
    async with Stack(config, console) as stack:
        console.print(table_of(stack), soft_wrap=True)
        console.print("Ctrl-C stops all of it; started again, it goes on from there.")
        await asyncio.Event().wait()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.stack", description=__doc__)
    parser.add_argument("command", choices=["up"])
    parser.parse_args()
    with told():
        return until_signal(up(os.environ, Console()), interrupted=0)


if __name__ == "__main__":
    sys.exit(main())
