"""The committed messages are those of live_call.proto."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.docs.pages import REPOSITORY

PROTO = "bridge/agents/livecall_grpc/proto/live_call.proto"


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    out = tmp_path_factory.mktemp("proto")
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", ".", f"--python_out={out}", f"--pyi_out={out}", PROTO]
    subprocess.run(command, cwd=REPOSITORY, check=True, timeout=60)
    return out


@pytest.mark.parametrize("suffix", ["_pb2.py", "_pb2.pyi"])
def test_generated_messages_are_fresh(generated, suffix):
    name = PROTO.replace(".proto", suffix)
    assert (generated / name).read_text() == (REPOSITORY / name).read_text(), "run `make proto`"
