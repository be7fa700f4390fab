"""The learner's kubeconfig: gets the course's context, keeps everything else, current context included."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from checker.errors import HostError

Config = dict[str, Any]
SECTIONS = ("clusters", "users", "contexts")


def default_file() -> Path:
    """Return the file that the learner's kubectl writes to: the first of `$KUBECONFIG` there is, else the usual one."""
    listed = [Path(each) for each in os.environ.get("KUBECONFIG", "").split(os.pathsep) if each]
    existing = [each for each in listed if each.exists()]
    return (existing or listed[-1:] or [Path.home() / ".kube" / "config"])[0]


def add(own: Path, target: Path | None = None) -> str:
    """Put the context of our own kubeconfig into the learner's; make it current only where no other one is.

    Returns:
        The current context afterwards.

    Raises:
        HostError: the learner's file cannot be read or written.
    """
    file = target or default_file()
    ours, theirs = _read(own), _read(file)
    for section in SECTIONS:
        names = {each["name"] for each in ours.get(section, [])}
        kept = [each for each in theirs.get(section) or [] if each["name"] not in names]
        theirs[section] = kept + ours.get(section, [])
    known = {each["name"] for each in theirs["contexts"]}
    if theirs.get("current-context") not in known:
        theirs["current-context"] = ours["current-context"]
    _write(file, {"apiVersion": "v1", "kind": "Config", **theirs})
    return str(theirs["current-context"])


def remove(name: str, target: Path | None = None) -> None:
    """Take the context, cluster and user of that name out of the learner's kubeconfig; the rest stays.

    Raises:
        HostError: the learner's file cannot be read or written.
    """
    file = target or default_file()
    theirs = _read(file)
    if not any(each["name"] == name for section in SECTIONS for each in theirs.get(section) or []):
        return
    for section in SECTIONS:
        theirs[section] = [each for each in theirs.get(section) or [] if each["name"] != name]
    if theirs.get("current-context") == name:
        theirs["current-context"] = ""
    _write(file, theirs)


def current(target: Path | None = None) -> str:
    """Return the learner's current context; empty if there is none."""
    return str(_read(target or default_file()).get("current-context") or "")


def _read(file: Path) -> Config:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, yaml.YAMLError) as error:
        raise HostError(f"The kubeconfig {file} cannot be read.", f"kubectl --kubeconfig {file} config view") from error
    return content if isinstance(content, dict) else {}


def _write(file: Path, config: Config) -> None:
    """Replace the file in one step and keep its rights; it holds keys, so a new one is for its owner only."""
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o600
    real = file.resolve()
    draft = real.with_name(f".{real.name}.{os.getpid()}")
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as stream:
            yaml.safe_dump(config, stream, sort_keys=False)
        draft.replace(real)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise HostError(f"The kubeconfig {file} cannot be written: {error.strerror}.", f"ls -l {file}") from error
