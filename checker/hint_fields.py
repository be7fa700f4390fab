"""Which causes name which field of a policy: by this a hint for a mutant is judged to point at what was mutated."""

from __future__ import annotations

import re

DNS = {"M21", "M22", "M23"}
MISSING = {"no-policy", "no-rule", "one-direction", "M21", "M28"}
PEERS = {"M23", "M24", "M28", "M25", "M26", "M33", "M34", "too-wide", "wrong-peer", "by-address", "except", "open-rule"}
PORTS = {"M22", "M23", "M30", "no-ports", "wrong-port", "wrong-protocol", "open-rule"}

NAMING: tuple[tuple[str, set[str]], ...] = (
    (r"metadata", MISSING),
    (r"metadata\.namespace", {"M32", *MISSING}),
    (r"spec\.podSelector.*", {"M27", "selects-nothing", "wrong-target"}),
    (r"spec\.policyTypes.*", {"M29", "one-direction", "no-policy"}),
    (r"spec\.(ingress|egress)", {"M29", "M28", *MISSING}),
    (r"spec\.(ingress|egress)\[\d+\]", {"M23", "M28", "too-wide", *MISSING}),
    (r"spec\.(ingress|egress)\[\d+\]\.(from|to).*", PEERS),
    (r"spec\.(ingress|egress)\[\d+\]\.ports.*", PORTS),
)
"""The field, whole, and the causes whose sentence is about it; a cause may be about more than one field."""


def names(field: str, cause: str) -> bool:
    """Tell whether a cause is about a field."""
    return any(re.fullmatch(pattern, field) and cause in causes for pattern, causes in NAMING)
