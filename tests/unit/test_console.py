"""The console blocks of pages: read, compared, typed into a real bash."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from checker.console import LEARNER, Command, Page, read_page
from checker.errors import ContentError, CourseError, NotReadyError
from checker.rehearsal import Fate, localise, rehearse
from checker.terminal import Shell
from checker.transcript import compare, line_matches, same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def page(tmp_path: Path) -> Callable[[str], Page]:
    def make(text: str) -> Page:
        path = tmp_path / "03-clusterip.md"
        path.write_text(text, encoding="utf-8")
        return read_page(path)

    return make


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with Shell(tmp_path / "kubeconfig", folder=tmp_path, timeout=10) as opened:
        yield opened


# --- reading a page ---------------------------------------------------------------------------------------------


def test_a_block_is_commands_and_their_output(page: Callable[[str], Page]) -> None:
    block = page("# Title\n\n```console\n$ kubectl get pods\nNAME   READY\nweb    1/1\n\n$ true\n```\n").blocks[0]
    assert [(c.prompt, c.text, c.expected) for c in block.commands] == [
        ("$ ", "kubectl get pods", ("NAME   READY", "web    1/1")),
        ("$ ", "true", ()),
    ]
    assert block.commands[1].where.endswith("03-clusterip.md:8")


@pytest.mark.parametrize(
    "prompt", ["tmp-shell:~# ", "/ # ", "~ $ ", "root@deep-dive-worker:/# ", "bash-5.2# ", "/etc # "]
)
def test_shells_inside_pods_have_their_own_prompts(page: Callable[[str], Page], prompt: str) -> None:
    block = page(f"```console\n$ kubectl exec -it web -- sh\n{prompt}hostname\nweb\n{prompt}exit\n```\n").blocks[0]
    assert [c.prompt for c in block.commands] == ["$ ", prompt, prompt]


@pytest.mark.parametrize(
    "line", ["# a comment", "> GET / HTTP/1.1", "$5", "100 # of them", "HTTP/1.1 200 OK", "price: 5$ "]
)
def test_output_is_not_taken_for_a_prompt(page: Callable[[str], Page], line: str) -> None:
    block = page(f"```console\n$ curl -v http://my-service\n*   Trying\n{line}\n```\n").blocks[0]
    assert block.commands[0].expected == ("*   Trying", line)


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("$ echo a \\\n  b", "echo a \\\n  b"),
        ("$ echo a \\\n> b", "echo a \\\nb"),
        ("$ for i in 1 2\n> do echo $i\n> done", "for i in 1 2\ndo echo $i\ndone"),
        ("$ cat <<EOF\na: 1\n  $ b\nEOF", "cat <<EOF\na: 1\n  $ b\nEOF"),
        ("$ kubectl apply -f - <<'EOF'\n> kind: Pod\n> EOF", "kubectl apply -f - <<'EOF'\nkind: Pod\nEOF"),
    ],
)
def test_a_command_goes_on(page: Callable[[str], Page], typed: str, text: str) -> None:
    command = page(f"```console\n{typed}\nout\n```\n").blocks[0].commands[0]
    assert (command.text, command.expected) == (text, ("out",))


def test_front_matter_and_attributes_set_the_state(page: Callable[[str], Page]) -> None:
    found = page(
        "---\nlab: 3\nstate: start\n---\n```console\n$ a\n```\n"
        '```{ .console data-state="solution" }\n$ b\n```\n'
        "```{ .console data-skip='needs a browser' }\n$ c\n```\n"
    )
    assert found.lab == 3
    assert [(b.state, b.skip) for b in found.blocks] == [
        ("start", None),
        ("solution", None),
        ("solution", "needs a browser"),
    ]


def test_fences_of_other_kinds_and_fences_in_fences_are_left_alone(page: Callable[[str], Page]) -> None:
    text = (
        "````markdown\n```console\n$ never\n```\n````\n"
        "```yaml\n$ no\n```\n"
        "??? answer\n\n    ```console\n    $ yes\n      out\n    ```\n"
    )
    blocks = page(text).blocks
    assert [c.text for b in blocks for c in b.commands] == ["yes"]
    assert blocks[0].commands[0].expected == ("  out",)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```console\n$ a\n", "never closed"),
        ("```console\nno prompt\n```\n", "begins with a prompt"),
        ("```console\n```\n", "no command"),
        ("```console\n$ cat <<EOF\nabc\n```\n", "never ends"),
        ('```{ .console skip="x" }\n$ a\n```\n', "data-skip"),
        ('```{ .console data-skip="" }\n$ a\n```\n', "says why"),
        ('---\nlab: 3\nstate: start\n---\n```{ .console data-state="end" }\n$ a\n```\n', "data-state is one of"),
        ('```{ .console data-state="start" }\n$ a\n```\n', "names no lab"),
        ("---\nlab: three\n---\n", "the lab's number"),
        ("---\nlab: 3\n---\n", "also says `state:`"),
        ("---\nlab: 3\nstate: done\n---\n", "`state:` is one of"),
        ("---\nlab: [\n---\n", "not YAML"),
        ("---\nlab: 3\n", "never closed with `---`"),
    ],
)
def test_a_malformed_page_names_the_line(page: Callable[[str], Page], text: str, complaint: str) -> None:
    with pytest.raises(ContentError, match=complaint) as raised:
        page(text)
    assert "03-clusterip.md:" in raised.value.message


# --- comparing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "actual", "matches"),
    [
        ("pod/web created", "pod/web created  ", True),
        ("pod/web created", "pod/web configured", False),
        ("10.96.…", "10.96.12.7", True),
        ("10.96.…", "10.97.12.7", False),
        ("web-… 1/1", "web-7c9 0/1", False),
        ("web   10.96.…      <none>   80/TCP", "web   10.96.1.2   <none>      80/TCP", True),
        ("web 80", "web   80", False),
        ("  name: web", "    name: web", False),
        ("a.c", "abc", False),
        ("(…s) 50%", "(12s) 50%", True),
    ],
)
def test_a_line_matches(expected: str, actual: str, matches: bool) -> None:
    assert line_matches(expected, actual) is matches


@pytest.mark.parametrize(
    ("expected", "actual", "matches"),
    [
        (["…"], [], True),
        (["…", "ok"], ["x", "y", "ok"], True),
        (["a", "…", "z"], ["a", "z"], True),
        (["a", "…", "z"], ["a", "b", "c"], False),
        (["a"], ["a", "b"], False),
        (["a", ""], ["a"], True),
        (["a", "", "b"], ["a", "b"], False),
        ([], ["surprise"], False),
        (["b", "a"], ["a", "b"], False),
    ],
)
def test_lines_match(expected: list[str], actual: list[str], matches: bool) -> None:
    assert same(compare(expected, actual)) is matches


def test_a_difference_shows_both_sides_in_order() -> None:
    steps = compare(["NAME", "web   …", "gone", "…", "end"], ["NAME", "web   12s", "new", "x", "end"])
    assert [str(step) for step in steps] == ["  NAME", "  web   12s", "- gone", "  new", "  x", "  end"]


# --- typing -----------------------------------------------------------------------------------------------------


def test_a_command_gives_its_lines(shell: Shell) -> None:
    assert shell.run("printf 'a\\nb\\n'; printf '\\033[31mred\\033[0m\\n' >&2") == ["a", "b", "red"]
    assert shell.run("true") == []
    assert shell.run("printf 'no newline'") == ["no newline"]


def test_the_shell_keeps_its_state_and_environment(shell: Shell, tmp_path: Path) -> None:
    shell.run("cd / && word=kept")
    assert shell.run('echo "$word $PWD $KUBECONFIG"') == [f"kept / {tmp_path}/kubeconfig"]
    assert shell.run("echo ${PATH%%:*}")[0].endswith("tools")
    assert shell.run("env | grep -c ^PS1=") == ["0"]


def test_a_here_document_is_one_command(shell: Shell) -> None:
    assert shell.run("cat <<'EOF'\nkind: Pod\n  $ not a prompt\nEOF") == ["kind: Pod", "  $ not a prompt"]
    long = "\n".join(f"line {number}" for number in range(2000))
    assert shell.run(f"wc -l <<'EOF'\n{long}\nEOF") == ["2000"]


def test_a_line_written_anew_shows_its_last_form(shell: Shell) -> None:
    assert shell.run("printf 'building 1\\rbuilding 2\\rdone\\n'") == ["done"]


@pytest.fixture
def inner(tmp_path: Path) -> str:
    """A command that opens a shell on a terminal of its own, as `kubectl exec -it` does: it repeats what is typed."""
    script = tmp_path / "inner.py"
    script.write_text(
        "import os, pty\n"
        "os.environ.update(TERM='xterm', PS1=r'\\[\\e]0;a title\\a\\]\\[\\e[1m\\]tmp-shell\\[\\e[0m\\]:~# ')\n"
        "pty.spawn(['bash', '--norc', '--noprofile', '-i'])\n"
    )
    return f"{sys.executable} {script}"


def test_a_shell_within_the_shell(shell: Shell, inner: str) -> None:
    assert shell.run(inner, prompt="tmp-shell:~# ") == []
    typed = "echo inside; echo tmp-shell:~# no prompt"
    assert shell.run(typed, prompt="tmp-shell:~# ") == ["inside", "tmp-shell:~# no prompt"]
    assert shell.run("echo " + "word " * 60, prompt="tmp-shell:~# ") == [("word " * 60).strip()]
    assert shell.run("cat <<EOF\nkind: Pod\nEOF", prompt="tmp-shell:~# ") == ["kind: Pod"]
    assert shell.run("exit") == ["exit"]
    assert shell.run("echo outside") == ["outside"]


def test_enter_is_pressed_where_kubectl_advises_it(shell: Shell, inner: str, tmp_path: Path) -> None:
    script = tmp_path / "late.sh"
    script.write_text(f"echo If you don\\'t see a command prompt, try pressing enter.\nread -r\n{inner}\n")
    assert shell.run(f"bash {script}", prompt="tmp-shell:~# ")[0].endswith("try pressing enter.")
    assert shell.run("echo on", prompt="tmp-shell:~# ") == ["on"]
    assert shell.run("exit") == ["exit"]


def test_a_prompt_shown_twice_on_entry_does_not_put_the_shell_out_of_step(shell: Shell, inner: str) -> None:
    twice = f"printf 'hello\\ntmp-shell:~# '; sleep 0.3; echo; {inner}"
    assert shell.run(twice, prompt="tmp-shell:~# ") == ["hello"]
    assert shell.run("echo on", prompt="tmp-shell:~# ") == ["on"]
    assert shell.run("exit") == ["exit"]


def test_a_late_command_is_named_with_what_came(shell: Shell) -> None:
    with pytest.raises(
        NotReadyError, match=r"`echo begun; sleep 60` did not show the prompt '\$ ' within 0.5 s"
    ) as late:
        shell.run("echo begun; sleep 60", timeout=0.5)
    assert "begun" in late.value.message
    shell.recover()
    assert shell.run("echo back") == ["back"]


def test_a_shell_inside_that_never_opens_is_named(shell: Shell) -> None:
    with pytest.raises(NotReadyError, match="came back to the learner's prompt, expected '/ # '"):
        shell.run("echo 'Error from server (NotFound)'", prompt="/ # ")
    assert shell.run("echo on") == ["on"]


def test_recovery_leaves_a_shell_inside(shell: Shell, inner: str) -> None:
    shell.run(inner, prompt="tmp-shell:~# ")
    with pytest.raises(NotReadyError, match="did not show the prompt"):
        shell.run("cat", prompt="tmp-shell:~# ", timeout=0.5)
    shell.recover()
    assert shell.run("echo home") == ["home"]


def test_an_ended_shell_is_an_error(shell: Shell) -> None:
    with pytest.raises(NotReadyError, match="`exit 3` ended the shell"):
        shell.run("exit 3")


def test_closing_ends_what_still_runs(tmp_path: Path) -> None:
    with Shell(tmp_path / "kubeconfig") as shell:
        pid = int(shell.run("sleep 300 >/dev/null 2>&1 & echo $!")[-1])
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


# --- a whole page -----------------------------------------------------------------------------------------------


def test_a_page_runs_in_order_in_one_shell_at_its_states(page: Callable[[str], Page], shell: Shell, inner: str) -> None:
    states: list[tuple[int, str]] = []
    found = page(
        "---\nlab: 3\nstate: start\n---\n"
        "```console\n$ word=kept\n$ echo one\none\n```\n"
        '```{ .console data-skip="needs a browser" }\n$ exit 1\n```\n'
        '```{ .console data-state="solution" }\n$ echo $word …\nkept …\n```\n'
        "```console\n$ echo right\nwrong\n```\n"
        f"```console\n$ {inner}\ntmp-shell:~# echo in\nin\n```\n"
        "```console\ntmp-shell:~# exit\nexit\n$ echo out\nout\n```\n"
    )
    played = rehearse(found, shell, lambda lab, state: states.append((lab, state)))
    assert [p.fate for p in played] == [Fate.SAME, Fate.SKIPPED, Fate.SAME, Fate.DIFFERS, Fate.SAME, Fate.SAME]
    assert states == [(3, "start"), (3, "solution")]
    assert played[1].detail == "needs a browser"
    assert played[3].detail.splitlines()[1:] == ["    - wrong", "    + right"]


def test_a_page_stops_where_its_state_cannot_be_made(page: Callable[[str], Page], shell: Shell) -> None:
    def refuse(lab: int, state: str) -> None:
        raise CourseError(f"lab {lab} does not reach {state}.")

    found = page("---\nlab: 3\nstate: start\n---\n```console\n$ echo a\na\n```\n```console\n$ echo b\nb\n```\n")
    played = rehearse(found, shell, refuse)
    assert [p.fate for p in played] == [Fate.DIFFERS, Fate.UNREACHED]
    assert "lab 3 does not reach start." in played[0].detail


def test_pages_are_written_for_the_cluster_deep_dive() -> None:
    command = Command(
        "root@deep-dive-worker:/# ",
        "docker exec deep-dive-worker2 ip route; kubectl --context kind-deep-dive -n deep-dive-system get ns",
        ("deep-dive-control-plane", "label deep-dive.cluster=deep-dive", "deep-dive-outside"),
        "docs/x.md:1",
    )
    here = localise(command, "deep-dive-test")
    assert here.prompt == "root@deep-dive-test-worker:/# "
    assert here.text == (
        "docker exec deep-dive-test-worker2 ip route; kubectl --context kind-deep-dive-test -n deep-dive-system get ns"
    )
    assert here.expected == (
        "deep-dive-test-control-plane",
        "label deep-dive.cluster=deep-dive-test",
        "deep-dive-test-outside",
    )
    assert localise(command, "deep-dive") == command
    assert LEARNER == "$ "
