"""From where a vendor may connect."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.policies.peer_networks import MAX_NETWORKS, may_connect, read_networks


def test_networks_are_written_the_usual_way_and_once():
    assert read_networks([" 203.0.113.7 ", "203.0.113.0/255.255.255.0", "203.0.113.7/32", "2001:DB8::/32"]) == [
        "203.0.113.7/32",
        "203.0.113.0/24",
        "2001:db8::/32",
    ]


@pytest.mark.parametrize(
    "value",
    [None, "203.0.113.7", {}, [None], [7], [""], ["example.com"], ["203.0.113.7/24"], ["203.0.113.0/33"], ["1.2.3"]],
)
def test_anything_else_is_refused_with_a_reason(value):
    with pytest.raises(ValueError, match="address"):
        read_networks(value)


def test_the_list_is_bounded():
    many = [f"10.0.0.{number}" for number in range(MAX_NETWORKS + 1)]
    assert len(read_networks(many[:-1])) == MAX_NETWORKS
    with pytest.raises(ValueError, match="at most"):
        read_networks(many)


@pytest.mark.parametrize(
    ("networks", "peer", "is_let_in"),
    [
        ([], "203.0.113.7", True),
        ([], "", True),
        (["203.0.113.0/24"], "203.0.113.7", True),
        (["203.0.113.0/24"], "203.0.114.7", False),
        (["203.0.113.0/24"], "::ffff:203.0.113.7", True),
        (["2001:db8::/32"], "2001:db8::1", True),
        (["2001:db8::/32"], "203.0.113.7", False),
        (["203.0.113.0/24"], "", False),
        (["203.0.113.0/24"], "unix:", False),
    ],
)
def test_who_is_let_in(networks, peer, is_let_in):
    assert may_connect(networks, peer) is is_let_in


@given(st.lists(st.one_of(st.ip_addresses().map(str), st.text(max_size=20), st.integers())), st.text(max_size=20))
def test_any_list_is_read_or_refused(value, peer):
    try:
        networks = read_networks(value)
    except ValueError:
        return
    assert may_connect(networks, peer) in (True, False)
