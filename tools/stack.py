"""Start all processes of the pipeline on this machine, supervise and stop them.

`python -m tools.stack up` starts the Temporal server (unless one is configured), prepares the
database and Temporal, then starts the API, the simulators and the workers.
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
from urllib.parse import quote

import httpx
from rich.console import Console
from rich.table import Table

import engine
from exits import exit_on_error
from models.errors import Unavailable
from models.settings import Settings
from tools import server, var_dir
from tools.addresses import Addresses, choose_addresses, uses_external_engine
from tools.ports import HOST, Ports
from tools.processes import Processes, Program, run_until_signal, stop_orphans

HOME = Path(__file__).parents[1]
START_LIMIT_S = 60
FORWARDED = ("DATABASE_URL", "MAIL_FROM", "TEMPORAL_NAMESPACE", "TEMPORAL_PROFILE")
"""Variables also written to VAR_DIR/env if they are set."""

IN_ATTENTION = "Attention = true"
"""The query of the Temporal UI for workflows that need an operator."""
Result = TypeVar("Result")


class StackNotReady(Unavailable):
    """A process did not become ready; the message ends with the last lines of the logs."""

    def __init__(self, problem: str, log_tails: str) -> None:
        super().__init__("stack_not_ready", f"{problem}\n{log_tails}")


class PortConflict(Exception):
    """Another program took the chosen port of a process."""


@dataclass(frozen=True)
class StackConfig:
    """The configuration of a stack. `environ`: the environment merged with `.env`."""

    settings: Settings
    environ: Mapping[str, str]
    prefer_default_ports: bool = True
    """Use the default ports where they are free."""
    fresh: bool = False
    """Empty VAR_DIR first; it must have been created by the demo."""


class Stack:
    """Run all processes of the pipeline during an `async with` block.

    Sets `env` (the environment for further programs) and `addresses` on entry. Raises
    PipelineError if the start fails; no process is left running then.
    """

    addresses: Addresses
    env: dict[str, str]

    def __init__(self, config: StackConfig, console: Console) -> None:
        self.config = config
        self.console = console
        self.var_dir = config.settings.var_dir.resolve()
        self._ports = Ports(prefer_defaults=config.prefer_default_ports)
        self._cleanup = AsyncExitStack()

    @property
    def api_url(self) -> str:
        return self.addresses.api_url

    @property
    def authorization(self) -> dict[str, str]:
        """The header of requests to the API."""
        return {"Authorization": f"Bearer {self.env['API_TOKEN']}"}

    async def __aenter__(self) -> Self:
        if uses_external_engine(self.config.environ):
            # raises InvalidConfiguration before any process starts
            engine.connection_options(self.config.environ)
        async with AsyncExitStack() as cleanup:
            await self._lock_var_dir(cleanup)
            await self._start(await self._server_binary(), cleanup)
            self._cleanup = cleanup.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._report("Stopping.")
        await self._cleanup.aclose()

    async def _lock_var_dir(self, cleanup: AsyncExitStack) -> None:
        if self.config.fresh:
            var_dir.check_removable(self.var_dir)
        cleanup.enter_context(var_dir.locked(self.var_dir))
        await stop_orphans(self.var_dir)
        if self.config.fresh:
            var_dir.empty(self.var_dir)

    async def _server_binary(self) -> Path | None:
        """Return the server binary, None for an external server.

        Call it before ports are chosen, because an installation takes minutes.
        """
        environ = self.config.environ
        return None if uses_external_engine(environ) else await server.ensure(environ, self.console)

    async def _start(self, binary: Path | None, cleanup: AsyncExitStack) -> None:
        """Start all processes; restart with other ports after a port conflict."""
        while True:
            self._configure()
            async with AsyncExitStack() as running:
                try:
                    await self._start_all(binary, running)
                except PortConflict as conflict:
                    self._report(f"{conflict}; restarting all processes.")
                    self._ports.reset()
                else:
                    cleanup.push_async_exit(running.pop_all())
                    return

    async def _start_all(self, binary: Path | None, running: AsyncExitStack) -> None:
        """Start the processes one after another, each once the previous one listens."""
        processes = Processes(HOME, self.var_dir, self.env, self._report)
        if binary:
            await self._start_program(self._engine(binary), processes, running)
            serving = server.wait_until_serving(self.addresses.temporal)
            await self._within_limit(processes, "The Temporal server did not answer", serving)
        await self._prepare(processes)
        for program in self.programs():
            await self._start_program(program, processes, running)
        await self._within_limit(processes, "The API was not ready", self._api_ready())

    async def _start_program(
        self, program: Program, processes: Processes, running: AsyncExitStack
    ) -> None:
        await running.enter_async_context(processes.supervised(program))
        if program.ports:
            listening = processes.wait_until_listening(program)
            problem = f"{program.name} did not listen on its port"
            if not await self._within_limit(processes, problem, listening, program.name):
                raise PortConflict(f"Another program took a port of {program.name}")

    def _configure(self) -> None:
        """Choose addresses and secrets; write them to VAR_DIR/env for other shells."""
        settings, environ = self.config.settings, self.config.environ
        last = var_dir.last_ports(self.var_dir)
        self.addresses = choose_addresses(settings, environ, self._ports, last)
        var_dir.save_ports(self.var_dir, self.addresses.ports)
        own = {
            **self.addresses.env,
            **var_dir.webhook_secrets(self.var_dir, environ),
            "API_TOKEN": var_dir.api_token(self.var_dir, environ),
            "VAR_DIR": str(self.var_dir),
            "PARTNERS": settings.partners,
            "PARTNER_DELAY": str(settings.partner_delay),
        }
        forwarded = {name: environ[name] for name in FORWARDED if name in environ}
        var_dir.write_private(self.var_dir / "env", var_dir.export_lines(forwarded | own))
        self.env = {**environ, **own, "PYTHONUNBUFFERED": "1"}

    def _engine(self, binary: Path) -> Program:
        port, ui_port = self.addresses.temporal_port, self.addresses.ui_port
        database = self.var_dir / "temporal.db"
        argv = server.command(binary, port=port, ui_port=ui_port, database=database)
        return Program("temporal", argv, (port, ui_port))

    async def _prepare(self, processes: Processes) -> None:
        program = Program("prepare", (sys.executable, "-m", "tools.prepare"))
        preparing = processes.run(program)
        problem = "The database and Temporal were not prepared"
        status = await self._within_limit(processes, problem, preparing, "prepare")
        if status:
            raise StackNotReady(f"{problem}: exit status {status}.", processes.tail("prepare"))

    def programs(self) -> list[Program]:
        """List API, simulators and workers: each starts after the processes that it calls."""
        addresses, python = self.addresses, sys.executable
        http_port, smtp_port = addresses.simulators_port, addresses.smtp_port
        api = (
            *(python, "-m", "uvicorn", "api.app:create_app", "--factory"),
            *("--host", HOST, "--port", str(addresses.api_port)),
            *("--log-level", "warning", "--timeout-keep-alive", "75"),
        )
        simulators = (
            *(python, "-m", "simulators"),
            *("--port", str(http_port), "--smtp-port", str(smtp_port)),
        )
        return [
            Program("api", api, (addresses.api_port,)),
            Program("simulators", simulators, (http_port, smtp_port)),
            *(self._worker(number) for number in range(1, self.config.settings.workers + 1)),
        ]

    def _worker(self, number: int) -> Program:
        """Build the program of a worker: each shows its metrics on a port of its own."""
        name = "worker" if number == 1 else f"worker-{number}"
        first = self.config.settings.metrics_port
        argv = (sys.executable, "worker.py")
        if first is None:
            return Program(name, argv)
        return Program(name, argv, env={"METRICS_PORT": str(first + number - 1)})

    async def _api_ready(self) -> None:
        async with httpx.AsyncClient(base_url=self.api_url, trust_env=False) as api:
            while True:
                if await _answers_200(api, "/readyz"):
                    return
                await asyncio.sleep(0.2)

    async def _within_limit(
        self, processes: Processes, problem: str, work: Awaitable[Result], *logs: str
    ) -> Result:
        """Await `work`; raises StackNotReady on a timeout, with exits and log tails."""
        try:
            async with asyncio.timeout(START_LIMIT_S):
                return await work
        except TimeoutError:
            exits = "".join(f" {description}." for description in processes.exits.values())
            tails = [processes.tail(name) for name in processes.exits or logs or ("api",)]
            message = f"{problem} within {START_LIMIT_S} s.{exits}"
            raise StackNotReady(message, "\n".join(tails)) from None

    def _report(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


async def _answers_200(api: httpx.AsyncClient, path: str) -> bool:
    try:
        return (await api.get(path)).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Merge `.env` into the environment, which takes precedence."""
    return {**var_dir.read_env(Path(".env")), **environ}


def address_table(stack: Stack) -> Table:
    """Build the table of addresses for operators."""
    addresses = stack.addresses
    table = Table(show_header=False, title="The order pipeline is running", title_justify="left")
    rows = {
        "Temporal UI": addresses.ui_url if addresses.own_engine else _external_ui(addresses),
        "API": f"{addresses.api_url}/docs",
        "mail sink": f"{addresses.simulators_url}/mail",
        "data and logs": str(stack.var_dir),
        "another shell": f". {stack.var_dir / 'env'}",
        "API token": 'curl -H "Authorization: Bearer $API_TOKEN" ...',
    }
    for name, location in rows.items():
        table.add_row(name, location)
    return table


def _attention_url(addresses: Addresses) -> str:
    """Return the address of the list of workflows that need an operator."""
    query = quote(f"{IN_ATTENTION} AND ExecutionStatus = 'Running'")
    return f"{addresses.ui_url}/namespaces/default/workflows?query={query}"


def _external_ui(addresses: Addresses) -> str:
    return f"the UI of {addresses.temporal or 'the server in your Temporal profile'}"


async def up(environ: Mapping[str, str], console: Console) -> int:
    """Run a stack until a signal stops it; return exit status 0."""
    config = StackConfig(settings=Settings.read(), environ=environment(environ))
    async with Stack(config, console) as stack:
        console.print(address_table(stack), soft_wrap=True)
        if stack.addresses.own_engine:
            console.print(f"Needs an operator: {_attention_url(stack.addresses)}", soft_wrap=True)
        console.print("Ctrl-C stops all processes; the next start continues with the same data.")
        await asyncio.Event().wait()
    return 0


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.stack", description=__doc__)
    parser.add_argument("command", choices=["up"])
    parser.parse_args()
    with exit_on_error():
        return run_until_signal(up(os.environ, Console()), interrupted=0)


if __name__ == "__main__":
    sys.exit(main())
