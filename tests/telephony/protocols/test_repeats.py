from __future__ import annotations

from telephony.protocols.repeats import MAX_IN_A_ROW, REMEMBERED, Repeats


def test_a_name_is_known_for_a_while():
    repeats = Repeats()
    assert not repeats.has(0)
    assert repeats.has(0)
    for number in range(1, REMEMBERED + 1):
        assert not repeats.has(number)
    assert not repeats.has(0)


def test_messages_that_each_come_twice_are_all_told():
    repeats = Repeats()
    assert [repeats.has(number) for number in range(300) for _ in range(2)] == [False, True] * 300


def test_a_second_of_messages_may_come_again():
    repeats = Repeats()
    assert not any(repeats.has(number) for number in range(MAX_IN_A_ROW))
    assert all(repeats.has(number) for number in range(MAX_IN_A_ROW))
    assert not repeats.has("next")


def test_a_peer_that_does_not_number_is_not_believed_again():
    repeats = Repeats()
    told = [repeats.has(7) for _ in range(MAX_IN_A_ROW + 3)]
    assert told == [False, *[True] * MAX_IN_A_ROW, False, False]
    assert not repeats.has("new")
    assert not repeats.has("new")
