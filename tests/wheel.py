"""The wheel, built and installed into an empty environment, used as somebody without a clone does.

``make test-wheel`` runs it: ``lab`` until the first notebook has run in a kernel of its server,
``dashboard`` until its page shows the views, ``demo`` to its report. Everything happens in a
folder outside of the checkout, which goes away. ``--newest`` installs the newest versions that
are allowed, instead of those of the lock. This script needs the standard library only.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from lab_server import Server, free_port, own_folders, running  # noqa: E402

PATIENCE = 120.0
FIRST = "00_start_here.ipynb"
WHERE = "import kshot_viz; print(kshot_viz.__file__)"
# Three digits of ten images each, as a folder of class folders.
PICTURES = """
from pathlib import Path

from PIL import Image

import kshot_viz as kv

data = kv.load_dataset("digits")
for name in "012":
    folder = Path("pictures", name)
    folder.mkdir(parents=True)
    for i in [i for i, label in enumerate(data.labels) if label == name][:10]:
        Image.fromarray(data.images[i].squeeze()).resize((32, 32)).save(folder / f"{i}.png")
"""
# Runs in the environment: a kernel's connection file and a notebook are its arguments.
CELLS = """
import json
import sys
from pathlib import Path

from jupyter_client import BlockingKernelClient

client = BlockingKernelClient(connection_file=sys.argv[1])
client.load_connection_file()
client.start_channels()
client.wait_for_ready(120)
cells = json.loads(Path(sys.argv[2]).read_text("utf-8"))["cells"]
codes = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
assert codes
for code in codes:
    reply = client.execute_interactive(code, output_hook=lambda _: None, timeout=600)
    assert reply["content"]["status"] == "ok", f"{code}\\n{reply['content']}"
"""
ADDRESS = re.compile(r"(http:" + r"//127\.0\.0\.1:\d+)/\S*\?token=(\w+)")


@dataclass(frozen=True)
class Installed:
    """An environment with nothing but the wheel, and a folder to work in."""

    bin: Path
    folder: Path

    def command(self, name: str, *arguments: str) -> list[str]:
        return [str(self.bin / name), *arguments]

    def env(self) -> dict[str, str]:
        """Return an environment that knows neither the checkout nor the user's Jupyter."""
        own = own_folders(self.folder / "jupyter")
        return {key: value for key, value in own.items() if key != "PYTHONPATH"}

    def run(self, name: str, *arguments: str) -> str:
        """Run a command to its end; return what it prints."""
        return call(self.command(name, *arguments), cwd=self.folder, env=self.env())


def call(command: Sequence[str], **options: object) -> str:
    """Run a command that must succeed; return what it prints."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return str(done.stdout)


def install(uv: str, folder: Path, *, newest: bool) -> Installed:
    """Build the wheel and install it into a new environment below ``folder``."""
    call([uv, "build", "--quiet", "--wheel", "--out-dir", str(folder / "dist"), str(ROOT)])
    (wheel,) = (folder / "dist").glob("*.whl")
    call([uv, "venv", "--quiet", "--python", sys.executable, str(folder / "env")])
    made = Installed(folder / "env" / "bin", folder / "work")
    made.folder.mkdir()
    lock = [] if newest else ["--constraints", str(ROOT / "requirements.lock")]
    call([uv, "pip", "install", "--quiet", "--python", str(made.bin / "python"), *lock, str(wheel)])
    found = made.run("python", "-c", WHERE)
    assert found.startswith(str(folder / "env")), f"imported from {found}"
    return made


def demo(made: Installed) -> None:
    """The guided example ends with a report."""
    said = made.run("kshot-viz", "demo", "--out", "demo")
    assert "plain" in said, said
    assert "<html" in (made.folder / "demo" / "report.html").read_text("utf-8").lower()


def lab(made: Installed) -> None:
    """JupyterLab starts on the notebooks that were copied, and the first one runs."""
    port, token = free_port(), "a-token-of-this-test"
    env = made.env()
    settings = {
        "ServerApp": {
            "ip": "127.0.0.1",
            "port": port,
            "port_retries": 0,
            "open_browser": False,
            "allow_root": True,
        },
        "IdentityProvider": {"token": token},
    }
    config = Path(env["JUPYTER_CONFIG_DIR"]) / "jupyter_server_config.json"
    config.write_text(json.dumps(settings), "utf-8")
    command = made.command("kshot-viz", "lab", "--notebooks", "mine")
    with running(command, env, made.folder, ready="is running at") as log:
        assert "Copied" in log[0], "".join(log)
        server = Server(f"http://127.0.0.1:{port}", token, made.folder / "mine")
        assert b"jupyter-config-data" in first_page(server, f"lab/tree/{FIRST}")
        run_in_kernel_of(server, made, env)


def first_page(server: Server, path: str) -> bytes:
    """Ask until the server listens: it says that it runs a moment before."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return server.ask("GET", path)
        except HTTPError:
            raise
        except URLError:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def run_in_kernel_of(server: Server, made: Installed, env: dict[str, str]) -> None:
    """Open a session of the first notebook, and run its cells in the kernel that it gets."""
    asked = {"path": FIRST, "name": FIRST, "type": "notebook", "kernel": {"name": "python3"}}
    kernel = json.loads(server.ask("POST", "api/sessions", asked))["kernel"]["id"]
    connection = Path(env["JUPYTER_RUNTIME_DIR"]) / f"kernel-{kernel}.json"
    made.run("python", "-c", CELLS, str(connection), str(server.root / FIRST))
    server.end_kernels()


def dashboard(made: Installed) -> None:
    """The page of a folder of images answers, and shows the views instead of an error."""
    made.run("python", "-c", PICTURES)
    words = ["pictures", "--query", "3", "--episodes", "2", "--port", str(free_port())]
    command = made.command("kshot-viz", "dashboard", *words)
    with running(command, made.env(), made.folder, ready="?token=") as log:
        found = ADDRESS.search("".join(log))
        assert found is not None, "".join(log)
        server = Server(found[1], found[2], made.folder)
        page = first_page(server, f"?token={server.token}").decode()
    # Where anything is wrong, the page holds a line that says so instead.
    assert "WholeDashboard()" in page, page[-3000:]


STEPS: dict[str, Callable[[Installed], None]] = {
    one.__name__: one for one in (lab, dashboard, demo)
}


def timed(name: str, began: float) -> None:
    sys.stderr.write(f"{name:>10}: {time.monotonic() - began:.0f} s\n")


def main() -> int:
    """Return 0, or fail with what a command printed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--uv", default="uv", help="the installer")
    parser.add_argument("--newest", action="store_true", help="do not hold to the lock")
    parser.add_argument("steps", nargs="*", help=f"of {', '.join(STEPS)}; all by default")
    given = parser.parse_args()
    os.environ.setdefault("MPLBACKEND", "agg")
    uv = str(Path(given.uv).resolve()) if os.sep in given.uv else given.uv
    with tempfile.TemporaryDirectory(prefix="kshot-wheel-") as folder:
        began = time.monotonic()
        made = install(uv, Path(folder), newest=given.newest)
        timed("install", began)
        for name in given.steps or STEPS:
            began = time.monotonic()
            STEPS[name](made)
            timed(name, began)
    return 0


if __name__ == "__main__":
    sys.exit(main())
