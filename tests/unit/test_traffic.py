"""Traffic tables: what can be written, what is refused, what counts as a difference."""

import pytest

from checker import Outcome, Traffic
from checker.errors import ContentError
from checker.traffic import Flow, Seen, Target

TABLE = """
                     backend:8080   backend:9090/udp   http://web:80/clientip
    frontend         open           dropped            -      # the only one let in
    other/stranger   refused        no-name            open
"""


@pytest.mark.parametrize(
    ("text", "place", "namespace", "host", "port", "protocol", "path"),
    [
        ("backend:8080", "pods", "", "backend", 8080, "tcp", "/hostname"),
        ("other/backend:53/udp", "pods", "other", "backend", 53, "udp", "/hostname"),
        ("clusterip/my-service:80", "clusterip", "", "my-service", 80, "tcp", "/hostname"),
        ("clusterip/other/my-service:80", "clusterip", "other", "my-service", 80, "tcp", "/hostname"),
        ("node/worker:30080", "node", "", "worker", 30080, "tcp", "/hostname"),
        ("node:30080", "node", "", "", 30080, "tcp", "/hostname"),
        ("outside:80", "outside", "", "", 80, "tcp", "/hostname"),
        ("http://my-service", "name", "", "my-service", 80, "http", "/hostname"),
        ("http://web.other:8080/clientip", "name", "", "web.other", 8080, "http", "/clientip"),
        ("tcp://10.96.0.1:443", "name", "", "10.96.0.1", 443, "tcp", "/hostname"),
    ],
)
def test_target_is_read(text, place, namespace, host, port, protocol, path):
    target = Target.parse(text)
    assert (target.place, target.namespace, target.host, target.port) == (place, namespace, host, port)
    assert (target.protocol, target.path, str(target)) == (protocol, path, text)


@pytest.mark.parametrize(
    "text", ["backend", "backend:0", "backend:70000", "a:b", "tcp://name", "ftp://name:21", "http://"]
)
def test_what_is_no_target_is_refused(text):
    with pytest.raises(ContentError, match="is not a target"):
        Target.parse(text)


def test_table_holds_a_cell_for_each_outcome():
    table = Traffic.parse(TABLE)
    cells = {str(flow): str(outcome) for flow, outcome in table.cells.items()}
    assert cells == {
        "frontend -> backend:8080": "open",
        "frontend -> backend:9090/udp": "dropped",
        "other/stranger -> backend:8080": "refused",
        "other/stranger -> backend:9090/udp": "no-name",
        "other/stranger -> http://web:80/clientip": "open",
    }
    assert table.sources == ["frontend", "other/stranger"]
    assert [str(target) for target in table.targets] == ["backend:8080", "backend:9090/udp", "http://web:80/clientip"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs a line of targets"),
        ("a:1 b:2\nx open", "has 1 cells for 2 targets"),
        ("a:1\nx blocked", "'blocked' is no outcome; expected open, refused"),
    ],
)
def test_malformed_table_is_refused(text, message):
    with pytest.raises(ContentError, match=message):
        Traffic.parse(text)


def see(table, **changed):
    """Return the table as seen on the wire: as expected, but for the cells named by their source."""
    seen = {flow: Seen((outcome,)) for flow, outcome in table.cells.items()}
    for source, what in changed.items():
        seen[next(flow for flow in table.cells if flow.source == source)] = what
    return seen


def test_no_difference_where_packets_do_as_expected():
    table = Traffic.parse(TABLE)
    assert table.differences(see(table)) == []


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (Seen((Outcome.REFUSED,)), "frontend -> backend:8080 is refused, expected open"),
        (
            Seen((Outcome.OPEN, Outcome.DROPPED, Outcome.OPEN)),
            "frontend -> backend:8080 is open (2 of 3), dropped (1 of 3), expected open",
        ),
        (Seen((Outcome.OPEN,), flapping=True), "frontend -> backend:8080 is flapping, expected open"),
    ],
)
def test_difference_says_what_was_seen(seen, words):
    table = Traffic.parse(TABLE)
    assert [str(each) for each in table.differences(see(table, frontend=seen))] == [words]


def test_flows_compare_by_value():
    assert Flow("a", Target.parse("b:1")) == Flow("a", Target.parse("b:1"))
