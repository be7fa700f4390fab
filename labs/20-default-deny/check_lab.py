"""Lab 20: shut a namespace, keep its names working."""

from checker import Traffic

IN = Traffic.parse("""
                             vault:8080   vault:8080/udp   clerk:8080   clerk:8080/udp   clusterip/vault:80
    vault                    -            -                dropped      dropped          -
    clerk                    dropped      dropped          -            -                dropped
    lab-20-other/neighbour   dropped      dropped          dropped      dropped          dropped
    lab-20-other/test-dns    dropped      dropped          dropped      dropped          dropped
""")

OUT_BY_TCP = Traffic.parse("""
                            lab-20-other/neighbour:8080  lab-20-other/neighbour:53  lab-20-other/test-dns:53
    vault                   dropped                      dropped                    dropped
    clerk                   dropped                      dropped                    dropped
    lab-20-other/neighbour  -                            -                          open
    lab-20-other/test-dns   open                         open                       -
""")

OUT_BY_UDP = Traffic.parse("""
                            lab-20-other/neighbour:8080/udp  lab-20-other/neighbour:53/udp  lab-20-other/test-dns:53/udp
    vault                   dropped                          dropped                        dropped
    clerk                   dropped                          dropped                        dropped
    lab-20-other/neighbour  -                                -                              open
    lab-20-other/test-dns   open                             open                           -
""")

OUTSIDE = Traffic.parse("""
                             outside:80   outside:53   outside:8081/udp
    vault                    dropped      dropped      dropped
    clerk                    dropped      dropped      dropped
    lab-20-other/neighbour   open         open         open
    lab-20-other/test-dns    open         open         open
""")

CLUSTER_DNS = Traffic.parse("""
                             clusterip/kube-system/kube-dns:53   clusterip/kube-system/kube-dns:9153
    vault                    open                                dropped
    clerk                    open                                dropped
    lab-20-other/neighbour   open                                open
    lab-20-other/test-dns    open                                open
""")

# By name, `dropped` says that the name was found, by UDP, and that the call to its address was not let through.
# Without an answer from DNS it is `no-name`.
NAMES = Traffic.parse("""
                             http://neighbour.lab-20-other
    vault                    dropped
    clerk                    dropped
    lab-20-other/test-dns    open
""")

SHUT = Traffic({**IN.cells, **OUT_BY_TCP.cells, **OUT_BY_UDP.cells, **OUTSIDE.cells, **CLUSTER_DNS.cells})


def check_nothing_but_dns(lab):
    """Nothing gets into the namespace, and nothing out of it but to the cluster's DNS; the neighbours stay open."""
    lab.expect(SHUT)


def check_names_resolve(lab, after=check_nothing_but_dns):
    """Every Pod of the namespace resolves names."""
    lab.expect(NAMES)


def check_new_pods_as_well(lab, after=check_names_resolve):
    """A Pod that comes later is shut as well, and resolves names as well."""
    lab.restart("clerk")
    lab.expect(Traffic({**SHUT.cells, **NAMES.cells}))
