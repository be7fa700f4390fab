"""What the live tests share: the cluster under test, the command line, and a lab that is taken away at the end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from checker import paths
from checker.cluster import survey
from checker.lab import Lab, open_lab
from checker.objects import Api

ROOT = paths.ROOT
Checker = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def cluster() -> str:
    """The name of a cluster that is up; the live tests have no other way to run."""
    name = paths.cluster_name()
    if wrong := survey.fault(survey.take(name)):
        pytest.exit(f"The live tests need a cluster. {wrong}", returncode=2)
    return name


@pytest.fixture
def checker(cluster: str) -> Checker:
    """Run `python -m checker` as a learner does and return the finished process."""

    def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "checker", *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            timeout=300,
            env={**os.environ, "DEEP_DIVE_CLUSTER": cluster, "COLUMNS": "200", **environment},
        )

    return run


@pytest.fixture
def api(cluster: str) -> Api:
    """The API of the cluster under test."""
    return Api(cluster)


@pytest.fixture
def lab_3(cluster: str) -> Iterator[Lab]:
    """Lab 3 at its start."""
    lab = open_lab(3, cluster)
    lab.reset()
    yield lab
    lab.stop()
