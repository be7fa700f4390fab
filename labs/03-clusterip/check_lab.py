"""Lab 03: a Service that answers, from the right Pods."""

from checker import Traffic

TRAFFIC = Traffic.parse("""
             clusterip/my-service:80   http://my-service   http://my-service.lab-03   http://my-service.lab-03.svc.cluster.local
    client   open                      open                open                       open
""")


def check_the_service_answers(lab):
    """From both workers, my-service answers on its ClusterIP and by each of its names, port 80."""
    lab.expect(TRAFFIC)


def check_exactly_myapp_answers(lab, after=check_the_service_answers):
    """All Pods of myapp answer in turn, and nobody else does."""
    lab.expect_answered_by("client", "http://my-service", "myapp")
