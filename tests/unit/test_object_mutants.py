"""Mutants of Services, Ingresses and routes: which there are, when two do the same, what a lab declares."""

import pytest
import yaml

from checker import effect
from checker.errors import ContentError
from checker.object_bench import declared
from checker.object_mutants import mutants, vocabulary

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: shop}
spec:
  type: NodePort
  selector: {app: shop}
  ports: [{port: 80, targetPort: 8080, nodePort: 30080}]
"""
ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, annotations: {note: text}}
spec:
  hostnames: [shop.example.com]
  rules:
    - matches: [{path: {type: PathPrefix, value: /shop}}]
      backendRefs: [{name: shop, port: 80, weight: 9}]
"""
OTHERS = """
apiVersion: v1
kind: Service
metadata: {name: blog}
spec: {ports: [{port: 90}]}
"""


def of(*texts, others=OTHERS):
    objects = [yaml.safe_load(text) for text in texts]
    return mutants(objects, vocabulary([*objects, yaml.safe_load(others)]))


def test_every_field_of_a_service_is_changed():
    assert [str(each).removeprefix("Service/shop: ") for each in of(SERVICE)] == [
        "metadata dropped: the whole object",
        "spec dropped",
        "spec.type dropped",
        "spec.type NodePort -> ClusterIP",
        "spec.type NodePort -> LoadBalancer",
        "spec.selector dropped",
        "spec.selector.app dropped",
        "spec.selector.app shop -> blog",
        "spec.selector.app shop -> x-shop",
        "spec.ports dropped",
        "spec.ports[0] dropped",
        "spec.ports[0].port dropped",
        *(f"spec.ports[0].port 80 -> {port}" for port in (81, 90, 8080, 30080)),
        "spec.ports[0].targetPort dropped",
        *(f"spec.ports[0].targetPort 8080 -> {port}" for port in (80, 90, 8081, 30080)),
        "spec.ports[0].nodePort dropped",
        *(f"spec.ports[0].nodePort 30080 -> {port}" for port in (80, 90, 8080, 30081)),
    ]


def test_fields_of_a_route_get_values_that_mean_something():
    found = {str(each).removeprefix("HTTPRoute/shop: ") for each in of(ROUTE)}
    assert {
        "metadata.annotations.note dropped",
        "spec.hostnames[0] shop.example.com -> x-shop.example.com",
        "spec.rules[0].matches[0].path.type PathPrefix -> Exact",
        "spec.rules[0].matches[0].path.value /shop -> /",
        "spec.rules[0].matches[0].path.value /shop -> /shopx",
        "spec.rules[0].backendRefs[0].name shop -> blog",
        "spec.rules[0].backendRefs[0].weight 9 -> 0",
        "spec.rules[0].backendRefs[0].weight 9 -> 45",
    } <= found


def test_workloads_are_left_alone():
    assert of("{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {replicas: 1}}") == []


def test_two_that_come_to_the_same_are_one():
    found = [each.objects for each in of(SERVICE, ROUTE)]
    assert all(each not in found[:at] for at, each in enumerate(found))


def live(**spec):
    defaults = {"type": "ClusterIP", "clusterIP": "10.96.0.9", "ports": [{"port": 80, "protocol": "TCP"}]}
    return {"metadata": {"name": "shop"}, "spec": {**defaults, **spec}}


def slices(*addresses, service="shop", port=8080):
    endpoints = [{"addresses": [each], "conditions": {"ready": True}} for each in addresses]
    labels = {effect.SERVICE_LABEL: service}
    return [{"metadata": {"labels": labels}, "endpoints": endpoints, "ports": [{"port": port, "protocol": "TCP"}]}]


STATED = {"spec": {"ports": [{"port": 80, "nodePort": 30080}]}}
DRAWN = {"spec": {"ports": [{"port": 80}]}}


def test_a_service_does_what_its_endpoints_do_whatever_selects_them():
    one = effect.service(live(selector={"app": "shop"}), STATED, slices("10.244.1.2"))
    same = effect.service(live(selector={"tier": "a"}, clusterIP="10.96.0.77"), STATED, slices("10.244.1.2"))
    other = effect.service(live(selector={"app": "shop"}), STATED, slices("10.244.1.3"))
    assert one == same != other
    assert effect.service(live(), STATED, slices("10.244.1.2", port=9090)) != one
    assert effect.service(live(), STATED, slices("10.244.1.2", service="blog")) != one


def test_a_node_port_counts_where_it_is_stated():
    ports = [{"port": 80, "protocol": "TCP", "nodePort": 30080}]
    drawn = [{"port": 80, "protocol": "TCP", "nodePort": 31999}]
    assert effect.service(live(ports=ports), STATED, []) != effect.service(live(ports=drawn), STATED, [])
    assert effect.service(live(ports=ports), DRAWN, []) == effect.service(live(ports=drawn), DRAWN, [])


def test_of_other_kinds_the_specification_counts():
    one = {"kind": "Ingress", "metadata": {"resourceVersion": "1"}, "spec": {"a": 1}, "status": {"b": 1}}
    same = {"kind": "Ingress", "metadata": {"annotations": {effect.APPLIED: "x"}}, "spec": {"a": 1}}
    other = {"kind": "Ingress", "metadata": {"annotations": {"rewrite": "x"}}, "spec": {"a": 1}}
    assert effect.other(one) == effect.other(same) != effect.other(other)


def test_a_lab_declares_what_is_the_same_on_the_wire(tmp_path):
    file = tmp_path / "mutants.yaml"
    assert declared(file, set()) == {}
    file.write_text("- {mutant: 'a: b', why: nothing is there}", encoding="utf-8")
    assert declared(file, {"a: b", "c: d"}) == {"a: b": "nothing is there"}


@pytest.mark.parametrize("text", ["- mutant: 'a: b'", "a: b", "- {mutant: 'z', why: y}", "- ["])
def test_a_declaration_names_a_mutant_and_why(tmp_path, text):
    file = tmp_path / "mutants.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ContentError):
        declared(file, {"a: b"})
