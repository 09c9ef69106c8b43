import sys

import pytest

from telephony.checks import check_psr_address, check_psr_choices, check_psr_chunk


@pytest.mark.parametrize(
    ("base_url", "token", "ids"),
    [
        ("", "", []),
        ("https://psr.example", "t0ken", []),
        ("http://127.0.0.1:9100", "t0ken", []),
        ("http://localhost:9100", "t0ken", []),
        ("http://[::1]:9100", "t0ken", []),
        ("https://psr.example", "", ["telephony.E001"]),
        ("", "t0ken", ["telephony.E001"]),
        ("psr.example", "t0ken", ["telephony.E002"]),
        ("https://user:pa55@psr.example", "t0ken", ["telephony.E002"]),
        ("https://psr.example", "Bearer t0ken", ["telephony.E005"]),
        ("http://psr.example", "t0ken", ["telephony.W001"]),
    ],
)
def test_psr_address_is_checked_without_showing_it(settings, base_url, token, ids):
    settings.PSR_BASE_URL, settings.PSR_TOKEN = base_url, token

    messages = check_psr_address()

    assert [message.id for message in messages] == ids
    assert all(message.hint for message in messages)
    assert not any("pa55" in str(message) or "t0ken" in str(message) for message in messages)


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("PSR_AUTH_SCHEME", ["Bearer", "Basic"], "bearer"),
        ("PSR_CHUNK_CODEC", ["pcm16", "mp3_independent", "mp3_stream"], "mp3"),
        ("PSR_FLUSH", ["none", "silence_wav"], "yes"),
        ("PSR_STEREO_CUSTOMER_SIDE", ["left", "right"], "both"),
    ],
)
def test_psr_choices_are_checked_and_named(settings, name, right, wrong):
    for value in right:
        setattr(settings, name, value)
        assert check_psr_choices() == []

    setattr(settings, name, wrong)
    (message,) = check_psr_choices()

    assert message.id == "telephony.E003"
    assert name in message.msg
    assert message.hint == f"Set it to one of: {', '.join(right)}."


@pytest.mark.parametrize(
    ("chunk_ms", "ids"), [(None, []), (20, []), (200, []), (0, ["telephony.E004"]), (5000, ["telephony.E004"])]
)
def test_psr_chunk_must_fit_a_message(settings, chunk_ms, ids):
    settings.PSR_CHUNK_MS = chunk_ms

    assert [message.id for message in check_psr_chunk()] == ids


@pytest.mark.parametrize("chunk_codec", ["mp3_independent", "mp3_stream"])
def test_mp3_without_lame_is_told_with_what_to_install(settings, monkeypatch, chunk_codec):
    settings.PSR_CHUNK_CODEC = chunk_codec
    assert check_psr_chunk() == []

    monkeypatch.setitem(sys.modules, "lameenc", None)
    (message,) = check_psr_chunk()

    assert message.id == "telephony.E006"
    assert "pip install lameenc" in str(message.hint)
    settings.PSR_CHUNK_CODEC = "pcm16"
    assert check_psr_chunk() == []
