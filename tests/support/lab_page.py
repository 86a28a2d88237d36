"""A notebook open in a real JupyterLab: run its cells, and ask its kernel while widgets live."""

from __future__ import annotations

import ast
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab_server import Server
    from playwright.sync_api import Locator, Page

CONNECTED = """async () => {
  const app = window.jupyterapp;
  await app.restored;
  const panel = app.shell.currentWidget;
  await panel.context.ready;
  await panel.sessionContext.ready;
  await panel.sessionContext.session.kernel.info;
}"""

LAST = """source => {
  const book = window.jupyterapp.shell.currentWidget.content;
  book.activeCellIndex = book.widgets.length - 1;
  book.deselectAll();
  book.activeCell.model.sharedModel.setSource(source);
}"""
RUN = """async command => {
  const app = window.jupyterapp;
  await app.commands.execute(command);
  return app.shell.currentWidget.content.widgets
    .filter(cell => cell.model.type === 'code')
    .map(cell => [cell.model.executionCount, cell.model.outputs.toJSON()
      .filter(out => out.output_type === 'error'
        || (out.name === 'stderr' && String(out.text).includes('Traceback')))
      .map(out => out.ename ? `${out.ename}: ${out.evalue}` : String(out.text))]);
}"""

ASK = """async code => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const future = kernel.requestExecute(
    {code: '', user_expressions: {value: code}, store_history: false});
  const reply = await future.done;
  const value = reply.content.user_expressions.value;
  if (value.status !== 'ok') throw new Error(`${value.ename}: ${value.evalue}`);
  return value.data['text/plain'];
}"""

THEME = """name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})"""
# On a dark page pictures have no ground of their own, so the first pixel lets the page through.
PAINTED = """dark => {
  const clear = image => {
    const brush = document.createElement('canvas').getContext('2d');
    brush.drawImage(image, 0, 0);
    return brush.getImageData(0, 0, 1, 1).data[3] === 0;
  };
  const drawn = [...document.querySelectorAll('img.kv-picture')];
  return drawn.every(image => image.complete && (!image.naturalWidth || clear(image) === dark));
}"""
ONLY_THE_NOTEBOOK = """async () => {
  const app = window.jupyterapp;
  if (!app.shell.leftCollapsed) await app.commands.execute('application:toggle-left-area');
}"""


@dataclass(frozen=True)
class LabPage:
    """A page of JupyterLab with one notebook."""

    page: Page

    @classmethod
    def open(cls, page: Page, server: Server, name: str) -> LabPage:
        """Open a notebook and wait until its kernel answers."""
        page.goto(server.address(f"lab/tree/{name}?reset"))
        page.locator(".jp-NotebookPanel .jp-Notebook").first.wait_for()
        page.wait_for_function("() => window.jupyterapp !== undefined")
        page.evaluate(CONNECTED)
        page.evaluate(ONLY_THE_NOTEBOOK)
        return cls(page)

    def run_all(self) -> list[str]:
        """Run all cells to their end; return the errors, cell by cell."""
        return self._run("notebook:run-all-cells")

    def run_last(self, source: str) -> list[str]:
        """Run a source in the last cell, whose outputs go away; return all errors so far."""
        self.page.evaluate(LAST, source)
        return self._run("notebook:run-cell")

    def _run(self, command: str) -> list[str]:
        cells = self.page.evaluate(RUN, command)
        missed = [f"cell {i} did not run" for i, (count, _) in enumerate(cells) if count is None]
        return missed + [error for _, errors in cells for error in errors]

    def ask(self, expression: str) -> Any:
        """Return the value of an expression in the kernel, a plain one."""
        return ast.literal_eval(self.page.evaluate(ASK, expression))

    def becomes(self, expression: str, value: Any) -> bool:
        """Ask until the kernel's answer is this one; False where it never is.

        A widget sends one change at a time and keeps the next until the kernel is idle, so a
        question may overtake it.
        """
        end = time.monotonic() + 30
        while self.ask(expression) != value:
            if time.monotonic() > end:
                return False
        return True

    def show(self, selector: str) -> Locator:
        """Scroll an element into view: JupyterLab draws only the cells one can see."""
        found = self.page.locator(selector).first
        found.wait_for(state="attached")
        found.evaluate("element => element.scrollIntoView({block: 'center'})")
        return found

    def theme(self, name: str) -> None:
        """Change the theme, "JupyterLab Light" or "JupyterLab Dark", with all pictures."""
        light = "true" if name.endswith("Light") else "false"
        if self.page.locator("body").get_attribute("data-jp-theme-light") == light:
            return
        self.page.evaluate(THEME, name)
        self.page.locator(f'body[data-jp-theme-light="{light}"]').wait_for(state="attached")
        self.page.wait_for_function(PAINTED, arg=light == "false")
