"""Lab 19: let only the frontend in."""

from checker import Traffic

BACKEND = Traffic.parse("""
                            backend:8080   clusterip/backend:80   backend:9090   backend:8080/udp   backend:9090/udp
    stranger                dropped        dropped                dropped        dropped            dropped
    frontend                open           open                   dropped        dropped            dropped
    lab-19-other/frontend   dropped        dropped                dropped        dropped            dropped
""")

OTHERS_TCP = Traffic.parse("""
                            frontend:8080   stranger:8080   lab-19-other/frontend:8080
    backend                 open            open            open
    frontend                open            open            open
    stranger                open            -               open
    lab-19-other/frontend   open            open            -
""")

OTHERS_UDP = Traffic.parse("""
                            frontend:8080/udp   stranger:8080/udp   lab-19-other/frontend:8080/udp
    backend                 open                open                open
    frontend                open                open                open
    stranger                open                -                   open
    lab-19-other/frontend   open                open                -
""")


def check_only_the_frontend(lab):
    """Only the frontend of this namespace reaches the backend, and only on TCP port 8080."""
    lab.expect(BACKEND)


def check_all_else_stays_open(lab, after=check_only_the_frontend):
    """Everybody else can be called as before, and the backend can call out."""
    lab.expect(Traffic({**OTHERS_TCP.cells, **OTHERS_UDP.cells}))


def check_the_rule_follows_the_label(lab, after=check_all_else_stays_open):
    """New frontend Pods, with new addresses, get in as well, and still nobody else."""
    lab.restart("frontend")
    lab.expect(BACKEND)
