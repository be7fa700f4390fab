"""Lab 01: a Running Pod answers on its own IP."""

from checker import Traffic

TRAFFIC = Traffic.parse("""
             web:8080   client:8080
    client   open       -
    node     open       -
    web      -          open
""")


def check_the_pod_has_its_own_address(lab):
    """The web Pod has an address of its own, not its node's."""
    lab.expect_own_address("web")


def check_the_pod_answers(lab, after=check_the_pod_has_its_own_address):
    """Pods on both workers, and every node, reach the web Pod on its own IP, port 8080."""
    lab.expect(TRAFFIC)


def check_nobody_translates_addresses(lab, after=check_the_pod_answers):
    """Server and client see each other's own Pod address, whichever of the two calls."""
    lab.expect_client_address("client", "web:8080")
    lab.expect_client_address("web", "client:8080")
