"""Which URLs of strangers may be called: a table of tricks, by form and by address."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.policies.safe_urls import SafeUrl, UnsafeUrl, check_addresses, is_public_address, parse_safe_url


@pytest.mark.parametrize(
    ("url", "host", "port", "target"),
    [
        ("https://hooks.acme.io", "hooks.acme.io", 443, "/"),
        ("https://hooks.acme.io/", "hooks.acme.io", 443, "/"),
        ("https://Hooks.ACME.io:443/a/b?c=d&e=%20", "hooks.acme.io", 443, "/a/b?c=d&e=%20"),
        ("HTTPS://hooks.acme.io:8443/x", "hooks.acme.io", 8443, "/x"),
        ("https://hooks.acme.io./x", "hooks.acme.io", 443, "/x"),
        ("https://bücher.acme.io/x", "xn--bcher-kva.acme.io", 443, "/x"),
        ("https://xn--bcher-kva.acme.io/x", "xn--bcher-kva.acme.io", 443, "/x"),
        ("https://a.b-c.d1.io?q", "a.b-c.d1.io", 443, "/?q"),
    ],
)
def test_a_public_url_is_read(url, host, port, target):
    assert parse_safe_url(url) == SafeUrl("https", host, port, target)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "length"),
        ("https://hooks.acme.io/" + "a" * 2048, "length"),
        ("hooks.acme.io/x", "scheme"),
        ("http://hooks.acme.io/x", "scheme"),
        ("ftp://hooks.acme.io/x", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("gopher://hooks.acme.io:443/_x", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("//hooks.acme.io/x", "scheme"),
        ("https://user:secret@hooks.acme.io/", "credentials"),
        ("https://a@127.0.0.1/", "credentials"),
        ("https://@hooks.acme.io/", "credentials"),
        ("https://hooks.acme.io@127.0.0.1/", "credentials"),
        ("https://hooks.acme.io/#@127.0.0.1", "fragment"),
        ("https://hooks.acme.io#", "fragment"),
        ("https://127.0.0.1/", "ip_address"),
        ("https://8.8.8.8/", "ip_address"),
        ("https://127.1/", "ip_address"),
        ("https://0x7f.1/", "ip_address"),
        ("https://0177.0.0.1/", "ip_address"),
        ("https://1.2.3.0x4/", "ip_address"),
        ("https://0x7f000001/", "inner_name"),
        ("https://2130706433/", "inner_name"),
        ("https://[::1]/", "ip_address"),
        ("https://[::ffff:169.254.169.254]/", "ip_address"),
        ("https://[fe80::1%25eth0]/", "ip_address"),
        ("https://[::1/", "malformed"),
        ("https://localhost/", "inner_name"),
        ("https://LOCALHOST./", "inner_name"),
        ("https://foo.localhost/", "inner_name"),
        ("https://printer.local/", "inner_name"),
        ("https://metadata.google.internal/", "inner_name"),
        ("https://db.corp/", "inner_name"),
        ("https://router.home.arpa/", "inner_name"),
        ("https://intranet/", "inner_name"),
        ("https://hooks.acme.io:80/", "port"),
        ("https://hooks.acme.io:22/", "port"),
        ("https://hooks.acme.io:6379/", "port"),
        ("https://hooks.acme.io:0/", "port"),
        ("https://hooks.acme.io:/", "port"),
        ("https://hooks.acme.io:99999/", "malformed"),
        ("https://hooks.acme.io:4x/", "malformed"),
        ("https:///x", "host"),
        ("https://", "host"),
        ("https://hooks..acme.io/", "host"),
        ("https://-hooks.acme.io/", "host"),
        ("https://hooks_acme.io/", "host"),
        ("https://" + "a" * 64 + ".io/", "host"),
        ("https://hooks.acme.io\\@127.0.0.1/", "characters"),
        ("https://hooks.acme.io /x", "characters"),
        (" https://hooks.acme.io/x", "characters"),
        ("https://hooks.acme.io/\r\nHost: evil", "characters"),
        ("https://hooks.acme.io/\tx", "characters"),
        ("https://hooks.acme.io/x\x00", "characters"),
        ("https://hooks\u200b.acme.io/", "characters"),
        ("https://hooks.acme.io/\u202egnp", "characters"),
        ("https://hooks.acme.io/ü", "characters"),
        ("https://１２７.0.0.1/", "ip_address"),
        ("https://127。0。0。1/", "ip_address"),
    ],
)
def test_a_url_that_may_lead_elsewhere_is_refused(url, code):
    with pytest.raises(UnsafeUrl) as refusal:
        parse_safe_url(url)

    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("url", "exception", "host_header"),
    [
        ("http://127.0.0.1:9000/x", "127.0.0.1:9000", "127.0.0.1:9000"),
        ("https://[::1]:9000/x", "[::1]:9000", "[::1]:9000"),
        ("http://crm.lan/x", " CRM.lan:80 ", "crm.lan"),
        ("https://crm.lan/x", "crm.lan:443", "crm.lan"),
    ],
)
def test_an_exception_of_the_installation_allows_that_very_host_and_port(url, exception, host_header):
    safe = parse_safe_url(url, exceptions=[exception])

    assert (safe.is_excepted, safe.host_header) == (True, host_header)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9001/x", "http://localhost:9000/x", "http://127.0.0.2:9000/"])
def test_an_exception_allows_nothing_else(url):
    with pytest.raises(UnsafeUrl):
        parse_safe_url(url, exceptions=["127.0.0.1:9000"])


PUBLIC = ["93.184.215.14", "2606:4700:4700::1111", "1.1.1.1", "::ffff:1.1.1.1"]
NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_passes(address):
    assert is_public_address(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_leads_inside_or_nowhere_does_not_pass(address):
    assert not is_public_address(ipaddress.ip_address(address))


def test_check_addresses_keeps_the_resolvers_order_and_drops_doubles():
    found = check_addresses(["1.1.1.1", "2606:4700::1", "1.1.1.1"])

    assert [str(address) for address in found] == ["1.1.1.1", "2606:4700::1"]


@pytest.mark.parametrize(
    ("addresses", "code"),
    [([], "unresolved"), (["1.1.1.1", "fd00::1"], "address"), (["fe80::1%eth0"], "address"), (["10.0.0.1"], "address")],
)
def test_one_bad_address_condemns_the_name(addresses, code):
    with pytest.raises(UnsafeUrl) as refusal:
        check_addresses(addresses)

    assert refusal.value.code == code


@given(st.text(max_size=60) | st.text(max_size=40).map(lambda text: f"https://{text}"))
def test_any_text_is_read_or_refused(text):
    try:
        safe = parse_safe_url(text)
    except UnsafeUrl:
        return
    assert safe.scheme == "https"
    assert safe.host.isascii()
    assert "." in safe.host


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_judged_like_its_ipv4(address):
    mapped = ipaddress.IPv6Address(f"::ffff:{address}")

    assert is_public_address(mapped) == is_public_address(address)
