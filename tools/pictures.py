"""Take the pictures of the runbooks in a real browser.

`python -m tools.pictures UI_ADDRESS ORDER` needs chromium, and in a running `make up` an order with
a call that is tried again. It writes `docs/pictures/`. The activity of the call is paused and
unpaused; no other dialog is submitted.
"""

import asyncio
import base64
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

import engine
from exits import exit_on_error, exit_process
from models.errors import NotFound
from models.settings import Settings
from tools.ports import HOST, any_free

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
SIZE = (1400, 900)
PATIENCE_S, GLANCE_S = 60, 0.3
FRAME_S = 5
"""Time for the frame with the current details, whose text the page can't read."""
DIALOG_S = 1.5
"""Time for a menu or a dialog to open."""
CLICK = """(() => {{
    const shown = [...document.querySelectorAll({selector})].filter(
        each => each.offsetParent !== null && each.innerText.trim().includes({text}));
    shown[shown.length - 1].click();
    return true;
}})()"""
"""Clicks the last visible element with a text: the dialog's, if one is open."""
CONFIRM = "[data-testid=confirm-modal-button]"
HIDE_TRACES = """document.head.insertAdjacentHTML(
    "beforeend", "<style>.cm-editor {visibility: hidden}</style>")"""
"""Hides stack traces, which have paths of this machine."""
SHOWS = "document.body.innerText.includes({text})"


class Page:
    """A page of the browser, driven by the DevTools protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._calls = 0

    async def open(self, url: str, text: str) -> None:
        """Open an address and wait until the page shows a text."""
        await self._call("Page.navigate", url=url)
        await self.wait_for(text)

    async def wait_for(self, text: str) -> None:
        """Wait until the page shows a text."""
        async with asyncio.timeout(PATIENCE_S):
            while not await self._evaluate(SHOWS.format(text=json.dumps(text))):  # noqa: ASYNC110
                await asyncio.sleep(GLANCE_S)

    async def save(self, file: Path) -> None:
        """Save a picture of the page."""
        answer = await self._call("Page.captureScreenshot")
        await asyncio.to_thread(file.write_bytes, base64.b64decode(answer["data"]))

    async def click(self, text: str, selector: str = "button, [role=menuitem]") -> None:
        """Click the last visible element with a text, and wait for what it opens."""
        script = CLICK.format(selector=json.dumps(selector), text=json.dumps(text))
        async with asyncio.timeout(PATIENCE_S):
            while not await self._evaluate(script):  # noqa: ASYNC110
                await asyncio.sleep(GLANCE_S)
        await asyncio.sleep(DIALOG_S)

    async def hide_traces(self) -> None:
        """Hide stack traces."""
        await self._evaluate(HIDE_TRACES)

    async def _evaluate(self, expression: str) -> Any:
        answer = await self._call("Runtime.evaluate", expression=expression)
        return answer["result"].get("value")

    async def _call(self, method: str, **params: object) -> dict[str, Any]:
        """Call a method of the browser; `Any`: its answer is JSON."""
        self._calls += 1
        await self._socket.send_json({"id": self._calls, "method": method, "params": params})
        while True:
            message = await self._socket.receive_json()
            if message.get("id") == self._calls:
                result: dict[str, Any] = message["result"]
                return result


@asynccontextmanager
async def browser() -> AsyncIterator[Page]:
    """Run chromium without a window; yields a page."""
    port = any_free()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            *("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "about:blank"),
            *(f"--remote-debugging-port={port}", f"--user-data-dir={profile}"),
            f"--window-size={SIZE[0]},{SIZE[1]}",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with aiohttp.ClientSession() as http:
                url = await asyncio.wait_for(_page_url(http, port), PATIENCE_S)
                async with http.ws_connect(url, max_msg_size=0) as socket:
                    yield Page(socket)
        finally:
            process.terminate()
            await process.wait()


async def _page_url(http: aiohttp.ClientSession, port: int) -> str:
    while True:
        try:
            async with http.get(f"http://{HOST}:{port}/json") as answer:
                pages = await answer.json()
        except aiohttp.ClientConnectionError:
            await asyncio.sleep(GLANCE_S)
            continue
        return str(next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page"))


async def take_pictures(ui: str, order_id: str) -> None:
    """Take all pictures. Raises NotFound, EngineUnavailable."""
    client = await engine.connect(os.environ, Settings.read().temporal_port)
    description = await engine.describe(client, f"order-{order_id}")
    if description is None:
        raise NotFound("order_unknown", f"no workflow of order {order_id} runs")
    workflows = f"{ui}/namespaces/{client.namespace}/workflows"
    run = f"{workflows}/order-{order_id}/{description.run_id}"
    PICTURES.mkdir(exist_ok=True)
    async with browser() as page:
        await page.open(f"{workflows}?query={quote('Attention = true')}", f"order-{order_id}")
        await page.save(PICTURES / "in-attention.png")
        await page.open(f"{run}/user-metadata", "Current Details")
        await asyncio.sleep(FRAME_S)
        await page.save(PICTURES / "why.png")
        await _take_actions(page, run, order_id)
        await _take_activity(page, run)


async def _take_actions(page: Page, run: str, order_id: str) -> None:
    """Take pictures of what an operator may do with a workflow."""
    for name, action in (
        ("update", "Send an Update"),
        ("signal", "Send a Signal"),
        ("reset", "Reset"),
        ("terminate", "Terminate"),
    ):
        await page.open(f"{run}/timeline", order_id)
        await page.wait_for("More Actions")
        await page.click("More Actions")
        if name == "update":
            await page.save(PICTURES / "actions.png")
        await page.click(action, "[role=menuitem]")
        if name == "update":
            await page.click("", "[data-testid=update-select-button]")
            await page.click("retry_step", "[role=option]")
        await page.save(PICTURES / f"{name}.png")


async def _take_activity(page: Page, run: str) -> None:
    """Take pictures of a pending activity, and pause and unpause it."""
    await page.open(f"{run}/pending-activities", "Next Retry")
    await page.hide_traces()
    await page.click("Pause")
    await page.save(PICTURES / "pause-activity.png")
    await page.click("Pause", CONFIRM)
    await page.open(f"{run}/pending-activities", "Unpause")
    await page.hide_traces()
    await page.save(PICTURES / "paused-activity.png")
    await page.click("Unpause")
    await page.click("Unpause", CONFIRM)
    await page.open(f"{run}/pending-activities", "Next Retry")
    await page.hide_traces()
    await page.click("Reset")
    await page.save(PICTURES / "reset-activity.png")


if __name__ == "__main__":
    with exit_on_error():
        asyncio.run(take_pictures(*sys.argv[1:3]))
    exit_process(0)
