"""Lab 23: exactly the traffic of a table, and no other."""

from checker import Traffic

FRONT = Traffic.parse("""
                           web:8080   web:9090   cart:8080   cart:9090   catalog:8080   catalog:9090
    lab-23-street/visitor  open       dropped    dropped     dropped     dropped        dropped
    web                    -          -          open        dropped     open           dropped
    cart                   dropped    dropped    -           -           dropped        dropped
    catalog                dropped    dropped    dropped     dropped     -              -
    cart-db                dropped    dropped    dropped     dropped     dropped        dropped
    catalog-db             dropped    dropped    dropped     dropped     dropped        dropped
    metrics                dropped    open       dropped     open        dropped        open
    old-report             dropped    dropped    dropped     dropped     dropped        dropped
""")

STORES = Traffic.parse("""
                           cart-db:5432   cart-db:9090   catalog-db:5432   catalog-db:9090
    lab-23-street/visitor  dropped        dropped        dropped           dropped
    web                    dropped        dropped        dropped           dropped
    cart                   open           dropped        dropped           dropped
    catalog                dropped        dropped        open              dropped
    cart-db                -              -              dropped           dropped
    catalog-db             dropped        dropped        -                 -
    metrics                dropped        open           dropped           open
    old-report             dropped        dropped        dropped           dropped
""")

OTHERS = Traffic.parse("""
                           metrics:8080   metrics:8125/udp   old-report:8080   old-report:9090
    lab-23-street/visitor  dropped        dropped            dropped           dropped
    web                    dropped        dropped            dropped           dropped
    cart                   dropped        dropped            dropped           dropped
    catalog                dropped        dropped            dropped           dropped
    cart-db                dropped        dropped            dropped           dropped
    catalog-db             dropped        dropped            dropped           dropped
    metrics                -              -                  dropped           dropped
    old-report             dropped        dropped            -                 -
""")

BEYOND = Traffic.parse("""
                           lab-23-street/visitor:8080   outside:80
    lab-23-street/visitor  -                            open
    web                    dropped                      dropped
    cart                   dropped                      dropped
    catalog                dropped                      dropped
    cart-db                dropped                      dropped
    catalog-db             dropped                      dropped
    metrics                dropped                      dropped
    old-report             dropped                      dropped
""")


def check_exactly_the_table(lab):
    """Every line of the table is open, and every other way between the Pods, and to the outside, is shut."""
    lab.expect(Traffic({**FRONT.cells, **STORES.cells, **OTHERS.cells, **BEYOND.cells}))
