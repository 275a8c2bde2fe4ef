"""A real JupyterLab in a real browser for tests: fixtures ``lab`` (the server) and ``open_notebook``.

Use it from a test module with ``pytest_plugins = ["lab"]``. Everything lasts as long as the module: Playwright
keeps an event loop running, which other modules' tests must not meet.
PYTEST_DONT_REWRITE: nothing is asserted here, and test modules import this one before pytest could rewrite it.
"""

import contextlib
import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PATIENCE_S = 120.0
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
    "notebook-extension/tracker": {"windowingMode": "none"},  # every cell is in the page, however long it is
}
NOTEBOOK_JS = "[...jupyterapp.shell.widgets('main')].find(each => each.context && each.sessionContext)"
IDLE_JS = f"""() => {{
  const notebook = window.jupyterapp && {NOTEBOOK_JS};
  const kernel = notebook && notebook.context.isReady && notebook.sessionContext.session?.kernel;
  return Boolean(kernel) && kernel.status === 'idle';
}}"""
RAN_JS = f"""([first, last]) => {NOTEBOOK_JS}.content.widgets.slice(first, last).every(
  cell => cell.model.type !== 'code' || cell.model.executionCount) && ({IDLE_JS})()"""
# Keep every text that a locator has shown, without asking so often that the page is slowed down.
WATCH_JS = """selector => {
  window.seenTexts = [];
  const look = () => {
    const node = document.querySelector(selector);
    const text = node ? node.textContent : '';
    if (text !== window.seenTexts.at(-1)) window.seenTexts.push(text);
  };
  new MutationObserver(look).observe(document.body, {childList: true, subtree: true, characterData: true});
}"""


def require_browser() -> None:
    """Skip where a browser test cannot run; fail instead where CI is set."""
    lacking = [
        f"{name} is not installed" for name in ("playwright", "jupyterlab") if not importlib.util.find_spec(name)
    ]
    if not Path(CHROMIUM).exists():
        lacking.append(f"no browser: {CHROMIUM} is missing (name another one in CHROMIUM)")
    if reason := " and ".join(lacking):
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail(f"CI requires the browser tests, but {reason}")
        pytest.skip(reason)


def write_notebook(path: Path, cells: list[str], raising: tuple[int, ...] = ()) -> Path:
    """Write a notebook; the cells numbered in ``raising`` are tagged raises-exception."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    for number, source in enumerate(cells):
        tags = {"tags": ["raises-exception"]} if number in raising else {}
        notebook.cells.append(nbformat.v4.new_code_cell(source, id=f"cell-{number}", metadata=tags))
    nbformat.write(notebook, path)
    return path


def screenshot_folders(tmp_path: Path) -> list[Path]:
    """List where screenshots go: the test's own folder, and MGPU_LAB_SCREENSHOTS where it is set."""
    wanted = os.environ.get("MGPU_LAB_SCREENSHOTS")
    folders = [tmp_path, Path(wanted)] if wanted else [tmp_path]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    return folders


class Lab:
    """One JupyterLab server with a home, settings and workspaces of its own; notebooks lie in ``work``."""

    def __init__(self, home: Path) -> None:
        self.home, self.work = home, home / "work"
        self.work.mkdir()
        self.token = secrets.token_hex(16)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        for name, value in SETTINGS.items():
            path = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(value))
        self.log = home / "lab.log"
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        options = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": self.port,
            "ServerApp.port_retries": 0,
            "ServerApp.root_dir": self.work,
            "IdentityProvider.token": self.token,
            "LabApp.expose_app_in_browser": True,
        }
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
        command += [f"--{name}={value}" for name, value in options.items()]
        with self.log.open("wb") as log:
            where = {"env": self._environment(), "cwd": self.work, "stdout": log, "stderr": subprocess.STDOUT}
            return subprocess.Popen(command, start_new_session=True, **where)

    def _environment(self) -> dict[str, str]:
        folders = {f"JUPYTER_{name.upper()}_DIR": str(self.home / name) for name in ("config", "data", "runtime")}
        folders["JUPYTERLAB_SETTINGS_DIR"] = str(self.home / "settings")
        folders["JUPYTERLAB_WORKSPACES_DIR"] = str(self.home / "workspaces")
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY_"))}
        return {**kept, "HOME": str(self.home), "IPYTHONDIR": str(self.home / "ipython"), "PYTHONPATH": path, **folders}

    def wait(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(self.address("api/status"), timeout=5).read()  # noqa: S310 - our own http URL
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"JupyterLab did not start:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.2)

    def address(self, path: str) -> str:
        """Return the URL of a path on the server."""
        return f"http://127.0.0.1:{self.port}/{path}?reset&token={self.token}"

    def stop(self) -> None:
        """End the server and its kernels."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
                return


@dataclass
class OpenNotebook:
    """A notebook open in the browser. Cells are numbered from 0, as in the file."""

    page: Any
    path: Path
    page_errors: list[str] = field(default_factory=list)

    def js(self, body: str, argument: Any = None) -> Any:
        """Evaluate JavaScript with ``notebook`` (the document's widget) and ``argument`` at hand."""
        return self.page.evaluate(f"async argument => {{ const notebook = {NOTEBOOK_JS}; {body} }}", argument)

    def command(self, name: str, **arguments: Any) -> None:
        self.page.evaluate("([name, given]) => { jupyterapp.commands.execute(name, given); }", [name, arguments])

    def run_all(self) -> None:
        """Start all cells and return; see ``wait``."""
        self.js("jupyterapp.shell.activateById(notebook.id);")
        self.command("notebook:run-all-cells")

    def run_cell(self, number: int) -> None:
        """Start one cell and return; see ``wait``."""
        self.js(
            "jupyterapp.shell.activateById(notebook.id); notebook.content.deselectAll();"
            "notebook.content.activeCellIndex = argument;"
            "notebook.content.activeCell.model.executionCount = null;",
            number,
        )
        self.command("notebook:run-cell")

    def wait(self, first: int = 0, last: int | None = None, timeout_s: float = PATIENCE_S) -> None:
        """Wait until the cells from ``first`` to before ``last`` have run and the kernel is idle."""
        count = self.js("return notebook.content.widgets.length;")
        self.page.wait_for_function(RAN_JS, arg=[first, count if last is None else last], timeout=timeout_s * 1e3)

    def press_stop(self) -> None:
        """Press the toolbar's interrupt button, as a learner does."""
        self.page.locator('.jp-NotebookPanel-toolbar [data-command="notebook:interrupt-kernel"]').first.click()

    def cell(self, number: int) -> Any:
        return self.page.locator(".jp-Notebook .jp-Cell").nth(number)

    def shown(self, number: int) -> str:
        """Return the text below a cell, as it stands on the page."""
        return str(self.cell(number).locator(".jp-Cell-outputArea").inner_text())

    def watch_texts(self, selector: str) -> None:
        """From now on, note every text that the first element matching ``selector`` shows."""
        self.page.evaluate(WATCH_JS, selector)

    def seen_texts(self) -> list[str]:
        """Return the texts noted since ``watch_texts``, in order, an absent element as an empty text."""
        return list(self.page.evaluate("() => window.seenTexts"))

    def use_theme(self, theme: str) -> None:
        """Switch to the theme ``light`` or ``dark``."""
        self.command("apputils:change-theme", theme=f"JupyterLab {theme.capitalize()}")
        wanted = str(theme == "light").lower()
        self.page.wait_for_selector(f"body[data-jp-theme-light={wanted}]", state="attached")
        self.page.wait_for_timeout(300)  # style sheets arrive after the attribute

    def screenshot(self, name: str, folders: list[Path]) -> Path:
        """Write a picture of the page as it is now into each folder; return the first file."""
        image = self.page.screenshot()
        for folder in folders:
            (folder / f"{name}.png").write_bytes(image)
        return folders[0] / f"{name}.png"

    def screenshots_in_themes(self, name: str, folders: list[Path]) -> list[Path]:
        """Write a picture of the page in the light and in the dark theme; return the files in the first folder."""
        written = []
        for theme in ("dark", "light"):
            self.use_theme(theme)
            written.append(self.screenshot(f"{name}-{theme}", folders))
        return written

    def save(self) -> nbformat.NotebookNode:
        """Save the notebook and read the file."""
        self.js("await notebook.context.save();")
        return nbformat.read(self.path, as_version=4)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab server for the tests of a module."""
    require_browser()
    server = Lab(tmp_path_factory.mktemp("lab"))
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def browser():
    """The system's Chromium."""
    require_browser()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def open_notebook(lab, browser):
    """Return a function that opens a notebook below ``lab.work`` and waits for its kernel."""

    def opened(path: Path, width: int = 1280, height: int = 1500) -> OpenNotebook:
        page = browser.new_page(viewport={"width": width, "height": height}, reduced_motion="reduce")
        page.set_default_timeout(PATIENCE_S * 1e3)
        notebook = OpenNotebook(page, path)
        page.on("pageerror", lambda error: notebook.page_errors.append(str(error)))
        page.goto(lab.address(f"lab/tree/{path.relative_to(lab.work)}"), wait_until="domcontentloaded")
        page.wait_for_function("() => window.jupyterapp && window.jupyterapp.shell")
        page.evaluate("async () => { await jupyterapp.restored; }")
        page.wait_for_function(IDLE_JS)
        return notebook

    return opened
