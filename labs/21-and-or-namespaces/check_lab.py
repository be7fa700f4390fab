"""Lab 21: the team's clients in the team's namespaces, and nobody else."""

from checker import Traffic

LEDGER = Traffic.parse("""
                          ledger:8080   ledger:9090   ledger:8080/udp
    lab-21-shop/client    open          dropped       dropped
    lab-21-shop/tool      dropped       dropped       dropped
    lab-21-batch/client   open          dropped       dropped
    lab-21-games/client   dropped       dropped       dropped
    lab-21-games/tool     dropped       dropped       dropped
    client                dropped       dropped       dropped
""")

NEAR = Traffic.parse("""
                          client:8080   lab-21-shop/client:8080   lab-21-shop/tool:8080
    ledger                open          open                      open
    lab-21-shop/client    open          -                         open
    lab-21-shop/tool      open          open                      -
    lab-21-batch/client   open          open                      open
    lab-21-games/client   open          open                      open
    lab-21-games/tool     open          open                      open
    client                -             open                      open
""")

FAR = Traffic.parse("""
                          lab-21-batch/client:8080   lab-21-games/client:8080   lab-21-games/tool:8080
    ledger                open                       open                       open
    lab-21-shop/client    open                       open                       open
    lab-21-shop/tool      open                       open                       open
    lab-21-batch/client   -                          open                       open
    lab-21-games/client   open                       -                          open
    lab-21-games/tool     open                       open                       -
    client                open                       open                       open
""")

NEW_CLIENT = Traffic.parse("""
                          ledger:8080   ledger:9090   ledger:8080/udp
    lab-21-batch/client   open          dropped       dropped
""")


def check_the_teams_clients(lab):
    """The shop team's clients reach the ledger on TCP port 8080, and nobody else reaches it at all."""
    lab.expect(LEDGER)


def check_nobody_else_is_cut_off(lab, after=check_the_teams_clients):
    """Every other Pod is as reachable as before, for the ledger too."""
    lab.expect(Traffic({**NEAR.cells, **FAR.cells}))


def check_a_new_client_gets_in(lab, after=check_nobody_else_is_cut_off):
    """A client that was replaced, and has a new address, gets in as well."""
    lab.restart("lab-21-batch/client")
    lab.expect(NEW_CLIENT)
