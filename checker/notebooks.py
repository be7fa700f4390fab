"""Open copies of the workshop notebooks in JupyterLab, with this environment's Python, and nothing sent outside."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from checker import paths
from checker.errors import CourseError, HostError

NOTEBOOKS = paths.ROOT / "notebooks"
COPIES = "notebooks"
"""The folder of the learner's copies, below the work folder."""

QUIET = (
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
    "--log-level=WARN",
)
"""JupyterLab asks outside servers for news, updates and extensions unless told not to, and says a lot as it starts."""


def copy_notebooks() -> tuple[Path, list[Path]]:
    """Copy the notebooks to the work folder, never over a file that is there; returns the folder and the new copies.

    JupyterLab saves outputs into the file that it shows, and the course's own notebooks carry none.
    """
    folder = paths.work_dir() / COPIES
    folder.mkdir(parents=True, exist_ok=True)
    copied = []
    for source in sorted(NOTEBOOKS.glob("*.ipynb")):
        target = folder / source.name
        if not target.exists():
            shutil.copyfile(source, target)
            copied.append(target)
    return folder, copied


def environment() -> dict[str, str]:
    """Return the environment for Jupyter: settings, history and caches stay in the course's own cache folder.

    The user's own kernels and settings are out of sight with it, so that `python3` is the Python that runs this.
    """
    home = paths.cache_dir() / "jupyter"
    folders = {
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": home / "lab" / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "lab" / "workspaces",
        "IPYTHONDIR": home / "ipython",
        "MPLCONFIGDIR": home / "matplotlib",
    }
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)  # IPython and Matplotlib go elsewhere where theirs is missing
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    return {**kept, **{name: str(folder) for name, folder in folders.items()}, "JUPYTER_PREFER_ENV_PATH": "1"}


def command(folder: Path, extra: list[str]) -> list[str]:
    """Return the command that serves a folder of notebooks to this machine only.

    Raises:
        HostError: JupyterLab is not installed beside this Python.
    """
    program = Path(sys.executable).with_name("jupyter-lab")
    if not program.exists():
        raise HostError("JupyterLab is not installed in the course's environment.", "make notebooks")
    # Jupyter refuses root since its server may face a network. This one faces 127.0.0.1 alone, and asks for a token.
    root = ["--allow-root"] if os.geteuid() == 0 else []
    return [str(program), str(folder), "--ServerApp.ip=127.0.0.1", *QUIET, *root, *extra]


def main(extra: list[str]) -> None:
    """Copy what is new and become JupyterLab; further arguments go to it.

    Raises:
        HostError: JupyterLab is not installed beside this Python.
    """
    folder, copied = copy_notebooks()
    for each in copied:
        print(f"Copied {each.name} to {os.path.relpath(folder)}/; what you change stays there.", flush=True)
    argv = command(folder, extra)
    os.execve(argv[0], argv, environment())


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except CourseError as error:
        print(f"? {error.message}\n  Run: {error.mend}", file=sys.stderr)
        sys.exit(error.exit_code)
