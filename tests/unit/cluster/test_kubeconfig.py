"""The learner's kubeconfig: only our context comes and goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from checker.cluster import kubeconfig
from checker.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path


def config(*names: str, current: str = "") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}"}} for name in names],
        "users": [{"name": name, "user": {}} for name in names],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in names],
        "current-context": current,
    }


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return _written(tmp_path / "own", config("kind-c", current="kind-c"))


@pytest.mark.parametrize(
    ("before", "current"),
    [
        (None, "kind-c"),
        (config("work", current="work"), "work"),
        (config("work"), "kind-c"),  # no context is current
        (config("work", current="long-gone"), "kind-c"),  # one that does not exist
        (config("kind-c", "work", current="work"), "work"),  # ours is there already, from an older cluster
        ({"apiVersion": "v1", "kind": "Config", "clusters": None, "contexts": None, "users": None}, "kind-c"),
    ],
)
def test_our_context_is_added_and_another_stays_current(
    tmp_path: Path, own: Path, before: dict[str, Any] | None, current: str
) -> None:
    file = tmp_path / "folder" / "config"
    if before is not None:
        file.parent.mkdir()
        _written(file, before)

    assert kubeconfig.add(own, file) == current

    after = yaml.safe_load(file.read_text())
    names = [each["name"] for each in after["contexts"]]
    assert sorted(names) == sorted({*([each["name"] for each in (before or {}).get("contexts") or []]), "kind-c"})
    assert after["current-context"] == current


def test_removing_ours_gives_back_the_file_as_it_was(tmp_path: Path, own: Path) -> None:
    file = _written(tmp_path / "config", config("work", current="work"))
    before = yaml.safe_load(file.read_text())

    kubeconfig.add(own, file)
    kubeconfig.remove("kind-c", file)

    assert yaml.safe_load(file.read_text()) == before


def test_a_removed_context_is_no_longer_current(tmp_path: Path, own: Path) -> None:
    file = tmp_path / "config"
    kubeconfig.add(own, file)

    kubeconfig.remove("kind-c", file)

    assert kubeconfig.current(file) == ""


def test_a_file_without_ours_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("# by hand\n")

    kubeconfig.remove("kind-c", file)

    assert file.read_text() == "# by hand\n"


def test_a_new_file_is_for_its_owner_only(tmp_path: Path, own: Path) -> None:
    file = tmp_path / "config"
    kubeconfig.add(own, file)

    assert file.stat().st_mode & 0o777 == 0o600


def test_a_link_stays_a_link(tmp_path: Path, own: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    _written(real, config("work", current="work"))
    link.symlink_to(real)

    kubeconfig.add(own, link)

    assert link.is_symlink()
    assert "kind-c" in real.read_text()


def test_a_broken_file_is_an_error_and_stays(tmp_path: Path, own: Path) -> None:
    file = tmp_path / "config"
    file.write_text("contexts: [")

    with pytest.raises(HostError, match="cannot be read"):
        kubeconfig.add(own, file)
    assert file.read_text() == "contexts: ["


def test_the_file_is_the_one_that_kubectl_writes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/none:{tmp_path}/there")
    (tmp_path / "there").touch()
    assert kubeconfig.default_file() == tmp_path / "there"

    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert kubeconfig.default_file() == tmp_path / ".kube" / "config"


def _written(file: Path, content: dict[str, Any]) -> Path:
    file.write_text(yaml.safe_dump(content))
    return file
