"""The benchmark: what it asks, how it reads what cyclonus prints, and that the page shows the results on file."""

import json
from dataclasses import replace

import pytest
import yaml

from benchmarks import cyclonus, record, scene
from benchmarks.cells import CELLS, DENIED, WORKLOADS, Cell, expected, score
from benchmarks.traffic_table import INCLUDE, RESULTS
from benchmarks.ways import understand
from checker.probe.outcome import Probe

# As cyclonus prints it: targets in capitals, one sign for each port, in the order of the first field's lines.
PRINTED = """\
time="2026-01-01T00:00:00Z" level=info msg="running kube probe on try 1"
evaluating test case: all available one-off probe
Expected combined:
+--------+-----+-----+
| TCP/80 | X/A | Y/B |
| UDP/81 |     |     |
+--------+-----+-----+
| x/a    | X X | X X |
+--------+-----+-----+

kube results, try 0:
+--------+-----+-----+
| TCP/80 | X/A | Y/B |
| UDP/81 |     |     |
+--------+-----+-----+
| x/a    | . . | X . |
+--------+-----+-----+
| y/b    | ! X | . . |
+--------+-----+-----+

Actual vs expected (last round):
""".splitlines()


def test_the_table_has_324_cells_and_the_policy_closes_32_of_them():
    assert len(set(CELLS)) == 9 * 9 * 2 * 2
    assert all(expected(cell, denied=False) for cell in CELLS)
    closed = [cell for cell in CELLS if not expected(cell, denied=True)]
    assert len(closed) == 8 * 2 * 2
    assert {cell.target for cell in closed} == {DENIED}
    assert DENIED not in {cell.source for cell in closed}


def test_a_score_counts_each_kind_of_error():
    seen: dict[Cell, bool | None] = {cell: expected(cell, denied=True) for cell in CELLS}
    assert score(seen, denied=True) == score(dict.fromkeys(CELLS, True), denied=False)
    closed = [cell for cell in CELLS if not seen[cell]]
    others = [cell for cell in CELLS if seen[cell]]
    seen |= {closed[0]: True, others[0]: False, others[1]: False, closed[1]: None}
    found = score(seen, denied=True)
    assert (found.wrongly_open, found.wrongly_closed, found.untold) == (1, 2, 1)


def test_a_way_that_forgets_a_cell_has_no_score():
    with pytest.raises(ValueError, match="1 cells answered, 324 asked"):
        score({CELLS[0]: True}, denied=False)


def test_cyclonus_table_is_read():
    seen = cyclonus.read(PRINTED)
    assert len(seen) == 8
    assert {cell: found for cell, found in seen.items() if found is not True} == {
        Cell("x/a", "y/b", 80, "tcp"): False,
        Cell("y/b", "x/a", 80, "tcp"): None,
        Cell("y/b", "x/a", 81, "udp"): False,
    }


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (PRINTED[:9], "no results"),
        ([line.replace("| y/b ", "| y/c ") for line in PRINTED], "other rows than columns"),
        ([line.replace("! X", "? X") for line in PRINTED], "sign '\\?'"),
        ([line.replace("! X", "X  ") for line in PRINTED], "zip"),
    ],
)
def test_what_cyclonus_never_printed_is_refused(lines, complaint):
    with pytest.raises(ValueError, match=complaint):
        cyclonus.read(lines)


def test_only_cyclonus_probing_is_timed():
    lines = [(1.0, "waiting"), (3.0, PRINTED[0]), (9.5, PRINTED[1]), (9.9, "done")]
    assert cyclonus.spent(lines) == 6.5
    with pytest.raises(ValueError, match="when it began or ended"):
        cyclonus.spent(lines[:2])


def test_cyclonus_is_pinned_and_asked_for_the_same_table():
    assert cyclonus.version() == "v0.5.6"
    arguments = cyclonus._arguments("kind-deep-dive", 1.0)
    assert "--server-namespace=deep-dive-bench-x,deep-dive-bench-y,deep-dive-bench-z" in arguments
    assert "--server-protocol=TCP,UDP" in arguments
    assert "--job-timeout-seconds=1" in arguments


@pytest.mark.parametrize(
    ("code", "said", "open_"),
    [
        (0, "", True),
        (1, "TIMEOUT\ncommand terminated with exit code 1", False),
        (1, "REFUSED\n", False),
        (1, "error: unable to upgrade connection", None),
    ],
)
def test_an_exec_that_failed_is_not_a_closed_cell(code, said, open_):
    assert understand(code, said) is open_


def test_the_pods_have_the_shape_that_cyclonus_looks_for():
    pod = scene.pod(WORKLOADS[0], "worker")
    containers = pod["spec"]["containers"]
    assert [each["name"] for each in containers] == ["cont-80-tcp", "cont-80-udp", "cont-81-tcp", "cont-81-udp"]
    assert all(len(each["ports"]) == 1 for each in containers)
    assert pod["metadata"]["labels"] == scene.service(WORKLOADS[0])["spec"]["selector"]
    assert scene.service(WORKLOADS[0])["metadata"]["name"] == "s-deep-dive-bench-x-a"
    policy = scene.deny_policy()
    assert f"{policy['metadata']['namespace']}/{policy['spec']['podSelector']['matchLabels']['pod']}" == DENIED


def test_a_probe_goes_from_the_source_to_the_target_s_address():
    pods = {
        name: {"spec": {"nodeName": f"node-{name}"}, "metadata": {"uid": f"uid-{name}"}, "status": {"podIP": name}}
        for name in WORKLOADS
    }
    found = scene.probe(pods, Cell(WORKLOADS[0], WORKLOADS[4], 81, "udp"), 1.0)
    assert isinstance(found, Probe)
    assert (found.source.pod_uid, found.host, found.port) == (f"uid-{WORKLOADS[0]}", WORKLOADS[4], 81)
    assert (found.protocol, found.target and found.target.name) == ("udp", WORKLOADS[4])


def rounds(way, seconds, **more):
    counts = {"wrongly_open": 0, "wrongly_closed": 0, "untold": 0, "mended": None} | more
    return [record.Round(record.STATES[0], way, each, **counts) for each in seconds]


RECORD = record.Record(
    "2026-01-02",
    {"cpus": 2, "cpu": "A processor", "memory_gib": 8, "kernel": "6.1", "load_before": 0.1},
    {"Kubernetes": "v1.37.2"},
    {"ours": "our probes", "rounds": 3, "cells": 324, "denied": 32},
    [*rounds("our probes", [0.4, 0.5, 2.0], mended=1), *rounds("kubectl exec", [10, 15, 11], wrongly_closed=2)],
)


def test_rows_hold_median_spread_ratio_and_the_sums_of_cells():
    assert record.rows(RECORD) == [
        ("all open", "our probes", "0.5 (0.4 to 2.0)", "1.0", "0", "0", "0", "3"),
        ("all open", "kubectl exec", "11.0 (10.0 to 15.0)", "22.0", "0", "6", "0", "-"),
    ]


def test_states_stand_in_their_order_whatever_was_measured_first():
    closed = [replace(each, state=record.STATES[1]) for each in RECORD.rounds]
    found = record.rows(replace(RECORD, rounds=[*closed, *RECORD.rounds]))
    assert [row[0] for row in found] == ["all open", "all open", "one Pod closed", "one Pod closed"]


def test_a_record_survives_its_file():
    assert record.Record.read(json.loads(json.dumps(RECORD.written()))) == RECORD


def test_markdown_is_one_table_and_where_it_was_measured():
    table, where = record.markdown(RECORD).strip().split("\n\n")
    assert {line.count("|") for line in table.splitlines()} == {9}
    assert "2026-01-02: 2 processors (A processor), 8 GiB" in where


def test_the_page_shows_the_results_on_file():
    found = record.Record.read(json.loads(RESULTS.read_text(encoding="utf-8")))
    assert INCLUDE.read_text(encoding="utf-8") == record.markdown(found)
    assert found.versions["cyclonus"] == cyclonus.version()


def test_the_machine_s_shape_is_read():
    found = record.machine()
    assert found["cpus"] >= 1
    assert yaml.safe_dump(found)
    assert record._cpu("no model here\n")
