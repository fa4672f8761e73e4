"""The server against its own description: schemathesis reads /openapi.json, makes requests of it, well formed and not, follows
its links, and compares what comes back with what is promised."""

import os
import pathlib
import subprocess
import sys

import pytest

from conftest import DEADLINE_S, Server

SCHEMATHESIS = pathlib.Path(sys.executable).with_name("schemathesis")

# Long answers teach nothing here: the context ends them.
CONTEXT_LENGTH = 96

CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
          "response_schema_conformance", "negative_data_rejection", "unsupported_method", "allow_header_conformance",
          "use_after_free"]


@pytest.fixture
def small(model, tmp_path):
    one = Server(tmp_path / "stderr.log", model, "--port", 0, "--device", "cpu", "--random-seed", 7,
                 "--context-length", CONTEXT_LENGTH)
    yield one
    assert one.stop() == 0, one.stderr()


def run_schemathesis(server, folder, *more):
    """Exit status and what it printed. The same requests each time."""
    command = [SCHEMATHESIS, "run", f"{server.url}/openapi.json", "--checks", ",".join(CHECKS), "--max-examples", "20",
               "--generation-deterministic", "--request-timeout", str(DEADLINE_S), "--continue-on-failure", "--no-color",
               "--exclude-path", "/pause_generation",  # nobody else would be answered; operator_test.py asks it
               *more]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ, "COLUMNS": "120"})
    return run.returncode, run.stdout + run.stderr


def test_the_server_does_what_its_description_says(small, tmp_path):
    status, output = run_schemathesis(small, tmp_path)
    assert status == 0, output
    small.wait_idle()
