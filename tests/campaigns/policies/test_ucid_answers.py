from xml.etree.ElementTree import fromstring

import pytest

from campaigns.policies import ucid_answers

DECLARATION = b"<?xml version='1.0' encoding='utf-8'?>\n"


def test_answers_without_details_are_exactly_these():
    assert ucid_answers.nothing() == DECLARATION + b"<response />"
    assert ucid_answers.hang_up() == DECLARATION + b"<response><hangup /></response>"
    assert ucid_answers.dial("+918012345678") == DECLARATION + b"<response><dial>+918012345678</dial></response>"


def test_stream_is_opened_to_our_socket_with_the_key():
    answer = ucid_answers.open_stream(
        ws_url="wss://voice.example.com/ws",
        key="tls_a-b_c",
        sip_number="520123",
        told={"cid": "9198", "cid_e164": "+9198", "circle": "Karnataka", "operator": "", "event": "NewCall"},
    )

    assert answer == DECLARATION + (
        b'<response><stream is_sip="true" url="wss://voice.example.com/ws?token=tls_a-b_c" '
        b'x-uui="{&quot;cid_e164&quot;: &quot;+9198&quot;, &quot;circle&quot;: &quot;Karnataka&quot;}">520123</stream>'
        b"</response>"
    )


@pytest.mark.parametrize("text", ['"/><hangup/>', "]]>&<x>", "a\x00\x0b\nb\ud800", "é" * 500])
def test_whatever_a_stranger_sends_stays_text(text):
    answer = ucid_answers.open_stream(
        ws_url="wss://voice.example.com/ws", key='"&<', sip_number="520123", told={"operator": text}
    )

    response = fromstring(answer)
    assert [child.tag for child in response] == ["stream"]
    assert [child.tag for child in response[0]] == []
    assert response[0].attrib.keys() == {"is_sip", "url", "x-uui"}
    assert response[0].attrib["url"] == "wss://voice.example.com/ws?token=%22%26%3C"
    assert fromstring(ucid_answers.dial("<hangup/>"))[0].text == "<hangup/>"
