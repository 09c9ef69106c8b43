"""A certificate of our own, for the servers of these tests."""

import pytest

from tests.certificates import self_signed


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1 and psr.test: (certificate file, key file)."""
    return self_signed(tmp_path_factory.mktemp("tls"), "psr.test")
