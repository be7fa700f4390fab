"""The docs site: it builds without a warning, loads nothing from elsewhere, and its pages hold what they promise."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from checker.console import is_console, read_page
from checker.paths import DOCS, LABS, ROOT

if TYPE_CHECKING:
    from pathlib import Path

LESSON = re.compile(r"\d\d-[a-z0-9-]+\.md")
PAGES = sorted(DOCS.glob("*.md"))
LESSONS = [page for page in PAGES if LESSON.fullmatch(page.name)]
DIAGRAMS = sorted((DOCS / "assets/diagrams").glob("*.svg"))
FENCE = re.compile(r"^( *)(`{3,})[ \t]*(\S.*)?\n(.*?)^\1\2[ \t]*$", re.MULTILINE | re.DOTALL)
SVG = "{http://www.w3.org/2000/svg}"


class _Loader(yaml.SafeLoader):
    """Reads mkdocs.yml, whose tags name Python objects, as plain data."""


_Loader.add_multi_constructor("", lambda _loader, suffix, _node: suffix)


def config() -> dict[str, Any]:
    return dict(yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader=_Loader))


def build(site: Path, config_file: Path = ROOT / "mkdocs.yml") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config_file), "-d", str(site)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=ROOT)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(folder)
    assert done.returncode == 0, done.stderr
    return folder


# --- the build --------------------------------------------------------------------------------------------------


class _Resources(HTMLParser):
    """Collects what a browser loads by itself: not links to follow, but scripts, styles, images, frames."""

    LOADING = frozenset(
        {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "manifest", "modulepreload"}
    )

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "link" and not self.LOADING & set((values.get("rel") or "").split()):
            return
        names = ("src", "srcset", "data", "poster") + (("href",) if tag in ("link", "use", "image", "base") else ())
        self.found += [value for name in names if (value := values.get(name))]


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        parser = _Resources()
        parser.feed(page.read_text(encoding="utf-8"))
        assert parser.found
        assert [each for each in parser.found if re.match(r"(?:[a-z]+:)?//", each)] == [], page.name


def test_styles_and_pictures_load_nothing_from_elsewhere(site: Path) -> None:
    loads = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')]+)""")
    for style in [*site.rglob("*.css"), *site.rglob("*.svg"), *site.rglob("*.html")]:
        assert loads.findall(style.read_text(encoding="utf-8")) == [], style.name


def test_scripts_name_no_content_network_but_the_two_dead_fallbacks(site: Path) -> None:
    """The theme's bundle holds two addresses for what a browser or a page lacks; here it lacks neither."""
    hosts = re.compile(r"https?://(?:unpkg\.com|cdn[\w.-]*|cdnjs[\w.-]*|fonts\.[\w.-]+|esm\.sh)/[\w@./-]*")
    found = {each for script in site.rglob("*.js") for each in hosts.findall(script.read_text(encoding="utf-8"))}
    assert found <= {"https://unpkg.com/mermaid@11/dist/mermaid.min.js", "https://unpkg.com/resize-observer-polyfill"}


def test_every_resource_is_there(site: Path) -> None:
    for page in site.glob("*.html"):
        parser = _Resources()
        parser.feed(page.read_text(encoding="utf-8"))
        for each in parser.found:
            if page.name != "404.html" and not each.startswith("data:"):
                assert (page.parent / each.split("?")[0].split("#")[0]).exists(), f"{page.name}: {each}"


def test_search_works_without_a_server(site: Path) -> None:
    html = (site / "glossary.html").read_text(encoding="utf-8")
    assert "iframe-worker-shim.js" in html
    assert "EndpointSlice" in (site / "search/search_index.js").read_text(encoding="utf-8")


def test_mermaid_is_loaded_where_it_is_used_and_only_there(site: Path) -> None:
    for page in site.glob("*.html"):
        html = page.read_text(encoding="utf-8")
        assert ("mermaid.min.js" in html) is ('class="mermaid"' in html), page.name


def test_vendored_files_have_their_licences() -> None:
    vendor = DOCS / "assets/vendor"
    for file in [*vendor.glob("*.js"), *vendor.glob("fonts/*.woff2")]:
        assert [each for each in file.parent.glob("*.LICENSE.txt") if file.name.startswith(each.name.split(".")[0])]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[gone](gone.md)", "gone.md"),
        ("[gone](#gone)", "no such anchor"),
        ('--8<-- "labs/gone.md"', "could not be found"),
        ("{{ version.gone }}", "no version of 'gone'"),
        ("![gone](gone.svg)", "gone.svg"),
    ],
)
def test_a_broken_page_fails_the_build(tmp_path: Path, text: str, complaint: str) -> None:
    done = build(tmp_path / "site", small_site(tmp_path, f"# Page\n\n{text}\n"))
    assert done.returncode != 0
    assert complaint in done.stderr


def test_a_page_that_is_not_in_the_navigation_fails_the_build(tmp_path: Path) -> None:
    file = small_site(tmp_path, "# Page\n")
    (tmp_path / "docs/stray.md").write_text("# Stray\n", encoding="utf-8")
    done = build(tmp_path / "site", file)
    assert done.returncode != 0
    assert "stray.md" in done.stderr


def small_site(folder: Path, page: str) -> Path:
    """Write a site of one page that is built as the course's is, and return its configuration file."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    text = re.sub(r"^nav:\n(?: .*\n)+", "nav: [index.md]\n", text, flags=re.MULTILINE)
    text = text.replace("docs/_hooks/site.py", str(DOCS / "_hooks/site.py"))
    (folder / "docs").mkdir()
    (folder / "docs/index.md").write_text(page, encoding="utf-8")
    (folder / "mkdocs.yml").write_text(text, encoding="utf-8")
    return folder / "mkdocs.yml"


# --- the pages --------------------------------------------------------------------------------------------------


def nav_entries(entry: Any) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    return [page for each in (entry.values() if isinstance(entry, dict) else entry) for page in nav_entries(each)]


def test_every_page_is_in_the_navigation_and_lessons_are_in_order() -> None:
    entries = nav_entries(config()["nav"])
    assert sorted(entries) == [page.name for page in PAGES]
    lessons = [each for each in entries if LESSON.fullmatch(each)]
    assert lessons == sorted(lessons)


def test_lessons_stand_under_their_part() -> None:
    parts = {title: nav_entries(pages) for each in config()["nav"] for title, pages in each.items()}
    for lesson in LESSONS:
        part = yaml.safe_load((LABS / lesson.stem / "lab.yaml").read_text(encoding="utf-8"))["part"]
        holding = [title for title, pages in parts.items() if lesson.name in pages]
        assert [title.partition(". ")[2] for title in holding] == [part], lesson.name


def test_lessons_and_labs_have_the_same_stems() -> None:
    labs = {each.name for each in LABS.iterdir() if each.is_dir() and each.name != "__pycache__"}
    assert {each.stem for each in LESSONS} == labs


def test_notebooks_have_a_lesson() -> None:
    notebooks = {each.stem for each in (ROOT / "notebooks").glob("*.ipynb")}
    assert notebooks <= {each.stem for each in LESSONS}


def test_every_lesson_is_on_the_index() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    assert [each.name for each in LESSONS if f"({each.name})" not in index] == []


@pytest.mark.parametrize("page", LESSONS, ids=lambda page: page.stem)
def test_a_lesson_is_the_page_of_its_lab(page: Path) -> None:
    assert read_page(page).lab == int(page.stem[:2])
    text = page.read_text(encoding="utf-8")
    assert f'--8<-- "labs/{page.stem}/task.md"' in text
    assert len(text.splitlines()) <= 200


@pytest.mark.parametrize("page", LESSONS, ids=lambda page: page.stem)
def test_yaml_and_python_of_a_lesson_come_by_snippet(page: Path) -> None:
    for fence in FENCE.finditer(page.read_text(encoding="utf-8")):
        if re.match(r"\{?\s*\.?(ya?ml|python|py)\b", fence[3] or ""):
            lines = [line for line in fence[4].splitlines() if line.strip()]
            assert all(re.match(r'\s*--8<-- "[^"]+"$', line) for line in lines), f"{page.name}: {lines[0]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_console_blocks_are_well_formed(page: Path) -> None:
    found = read_page(page).blocks
    outside = re.sub(r"^````.*?^````", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    written = [fence for fence in FENCE.finditer(outside) if is_console(fence[3] or "")]
    assert len(found) >= len(written)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_shell_sessions_are_console_blocks(page: Path) -> None:
    for fence in FENCE.finditer(page.read_text(encoding="utf-8")):
        assert not re.match(r"\{?\s*\.?(sh|bash|shell|shell-session)\b", fence[3] or ""), f"{page.name}: {fence[3]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_have_no_em_dashes(page: Path) -> None:
    assert "\N{EM DASH}" not in page.read_text(encoding="utf-8")


def test_commands_on_the_commands_page_are_targets() -> None:
    targets = set(re.findall(r"^([a-z][a-z%-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in PAGES:
        for used in re.findall(r"\bmake ([a-z]+(?:-[a-z]+)*(?:-\d+)?)\b(?=[`\n ])", code_of(page)):
            assert re.sub(r"\d+$", "%", used) in targets, f"{page.name}: make {used}"


def code_of(page: Path) -> str:
    text = page.read_text(encoding="utf-8")
    return "\n".join(
        [f"{code}`" for code in re.findall(r"`([^`\n]+)`", text)] + [fence[4] for fence in FENCE.finditer(text)]
    )


def test_troubleshooting_quotes_what_the_course_says() -> None:
    said = [pattern for file in (ROOT / "checker").rglob("*.py") for pattern in sentences(file)]
    text = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    for heading in re.findall(r"^### (.+)$", text, re.MULTILINE):
        assert any(pattern.fullmatch(heading) for pattern in said), heading


def sentences(file: Path) -> list[re.Pattern[str]]:
    """Return the strings of a module that say something, as patterns: whatever is filled in may be anything."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr | ast.Constant):
            parts = [node] if isinstance(node, ast.Constant) else node.values
            words = [str(part.value) if isinstance(part, ast.Constant) else None for part in parts]
            if sum(len(word or "") for word in words) >= 8:
                found.append(re.compile("".join(".+" if word is None else re.escape(word) for word in words)))
    return found


def test_versions_are_those_of_the_course() -> None:
    versions = config()["extra"]["versions"]
    images = (ROOT / "cluster/images.yaml").read_text(encoding="utf-8")
    assert f"tag: v{versions['kubernetes']}." in images
    for name in ("agnhost", "netshoot"):
        assert re.search(rf"{name}\n(?:.*\n){{0,3}}?.*tag: {re.escape(versions[name])}\n", images), name
    tools = (ROOT / "checker/cluster/tools.py").read_text(encoding="utf-8")
    assert versions["kind"].startswith(re.search(r'KIND_VERSION = "([^"]+)"', tools)[1])  # type: ignore[index]


# --- diagrams ---------------------------------------------------------------------------------------------------


def style_of(diagram: Path) -> str:
    return "".join(ET.parse(diagram).getroot().find(f"{SVG}style").text.split())  # type: ignore[union-attr]


@pytest.mark.parametrize("diagram", DIAGRAMS, ids=lambda diagram: diagram.stem)
def test_a_diagram_speaks_the_common_language(diagram: Path) -> None:
    root = ET.parse(diagram).getroot()
    assert root.get("role") == "img"
    for name in ("title", "desc"):
        assert (root.findtext(f"{SVG}{name}") or "").strip(), name
    assert style_of(diagram) == style_of(DOCS / "assets/diagrams/legend.svg")
    known = set(re.findall(r"\.([a-z]+)(?=[ ,{])", style_of(diagram).replace(",", ", ").replace("{", " {")))
    for element in root.iter():
        assert set((element.get("class") or "").split()) <= known
        assert not {"fill", "stroke", "style"} & set(element.keys()), "colours come from the classes"


@pytest.mark.parametrize("diagram", DIAGRAMS, ids=lambda diagram: diagram.stem)
def test_a_diagram_is_on_a_page_and_legible_on_a_phone(diagram: Path) -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    shown = re.findall(rf"!\[([^\]]+)\]\(assets/diagrams/{re.escape(diagram.name)}\)(\{{ \.wide \}})?", text)
    assert shown
    width = float(ET.parse(diagram).getroot().get("viewBox", "").split()[2])
    assert width <= 800
    assert all(bool(wide) is (width > 480) for _, wide in shown)
