import numpy as np
import pytest

from telephony.g711 import Law, decode, encode

SAMPLES = np.array([0, 1000, -1000, 32767, -32768, 1, -1, 256], "<i2")
EVERY_SAMPLE = np.arange(-32768, 32768).astype("<i2")
EVERY_CODE = bytes(range(256))


def samples_of(companded, law):
    return np.frombuffer(decode(companded, law), "<i2").astype(int)


@pytest.mark.parametrize(
    ("law", "companded", "heard"),
    [
        (Law.MU, "ffce4e8000ff7ee7", [0, 988, -988, 32124, -32124, 0, -8, 260]),
        (Law.A, "d5fa7aaa2ad555c5", [8, 1008, -1008, 32256, -32256, 8, -8, 264]),
    ],
)
def test_sample_vectors_are_encoded_and_decoded(law, companded, heard):
    assert encode(SAMPLES.tobytes(), law).hex() == companded
    assert samples_of(bytes.fromhex(companded), law).tolist() == heard


def test_every_code_survives_but_the_negative_zero_of_the_mu_law():
    assert encode(decode(EVERY_CODE, Law.A), Law.A) == EVERY_CODE
    assert encode(decode(EVERY_CODE, Law.MU), Law.MU) == EVERY_CODE.replace(b"\x7f", b"\xff")


@pytest.mark.parametrize(("law", "loudest", "least_step"), [(Law.MU, 32124, 8), (Law.A, 32256, 16)])
def test_every_sample_comes_back_within_its_step(law, loudest, least_step):
    heard = samples_of(encode(EVERY_SAMPLE.tobytes(), law), law)
    said = EVERY_SAMPLE.astype(int)
    # A step is a sixteenth of its segment, whose ends are powers of two; for the mu-law 132 below them, and 135 where
    # dropping the last two bits of a negative sample rounds it away from zero.
    step = np.maximum(least_step, 2.0 ** np.floor(np.log2(np.abs(said) + 135)) / 16)

    assert (np.abs(heard - np.clip(said, -loudest, loudest)) <= step).all()
    assert (np.diff(heard) >= 0).all()
    assert {heard.min(), heard.max()} == {-loudest, loudest}


@pytest.mark.parametrize("law", list(Law))
def test_no_audio_is_no_audio_and_half_a_sample_is_refused(law):
    assert encode(b"", law) == b""
    assert decode(b"", law) == b""
    with pytest.raises(ValueError):
        encode(b"\x00", law)
