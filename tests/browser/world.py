"""A lively installation to look at: two campaigns, a day of attempts, finished and live calls, a recording."""

from __future__ import annotations

import random
import wave
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from django.contrib.auth.models import User
from django.utils import timezone

from campaigns.enums import (
    AttemptState,
    CampaignState,
    ContactState,
    EndedBy,
    Outcome,
    ResultStep,
    Role,
    SpeakerKind,
    StepState,
)
from campaigns.models import Call, CallAnalysis, CallStep, Campaign, CampaignEvent, Contact
from tests.factories import (
    CONVERSATION,
    Line,
    make_agent,
    make_attempt,
    make_call,
    make_campaign,
    make_contact,
    make_customer,
    make_list,
    make_user,
)

RATE_HZ = 8000
NAMES = (
    "Nguyễn Thị Minh Khai",
    "Trần Văn Hùng",
    "Lê Hoàng Anh",
    "Phạm Quỳnh Trang",
    "Võ Đức Thịnh",
    "Đặng Thuỳ Linh",
    "Bùi Quang Huy",
    "Hoàng Mai Phương",
    "Ngô Gia Bảo",
    "Đỗ Khánh Vy",
)
SURVEY = (
    Line(
        SpeakerKind.AGENT,
        "Hello, this is the service desk of Blue River. Do you have two minutes for four short questions?",
        400,
        6200,
    ),
    Line(SpeakerKind.CUSTOMER, "Yes, go ahead.", 7000, 8100),
    Line(SpeakerKind.AGENT, "Was your problem solved the last time you called us?", 8900, 12000),
    Line(SpeakerKind.CUSTOMER, "Yes, it was.", 12900, 13900),
    Line(
        SpeakerKind.AGENT,
        "Would you recommend us to a friend or a colleague, and may we ask why that is so?",
        14700,
        17600,
        heard="Would you recommend us to a friend",
    ),
    Line(SpeakerKind.CUSTOMER, "Maybe. It took a while to get through.", 17200, 19800),
    Line(SpeakerKind.AGENT, "Thank you, that helps. Is our price fair for what you get?", 20600, 24300),
    Line(SpeakerKind.CUSTOMER, "No.", 25600, 26000),
    Line(SpeakerKind.AGENT, "Would you like to speak to a person about that?", 26800, 29700),
    Line(SpeakerKind.CUSTOMER, "No, thanks.", 30500, 31400),
    Line(SpeakerKind.AGENT, "Thank you for your time. Goodbye.", 32200, 34600),
)
ENDINGS = (
    (Outcome.ANSWERED, ContactState.DONE, 9),
    (Outcome.NO_ANSWER, ContactState.PENDING, 7),
    (Outcome.BUSY, ContactState.PENDING, 4),
    (Outcome.MACHINE, ContactState.PENDING, 2),
    (Outcome.INVALID_NUMBER, ContactState.BLOCKED, 1),
    (Outcome.NO_ANSWER, ContactState.EXHAUSTED, 2),
    (Outcome.UNCONFIRMED, ContactState.PENDING, 1),
)


@dataclass(frozen=True, slots=True)
class World:
    manager: User
    campaign: Campaign
    paused: Campaign
    draft: Campaign
    ended_call: Call
    called: Contact
    live_call: Call
    waiting: Contact


def make_world(data_dir: Path) -> World:
    """Rows around the present moment; the same ones every time but for the clock."""
    now = timezone.now()
    dice = random.Random(7)
    agent = make_agent("Customer survey", version=3)
    campaign = make_campaign(
        "Autumn service survey",
        agent=agent,
        launched_at=now - timedelta(hours=20),
        max_concurrent_calls=12,
        calls_per_second=2.5,
    )
    paused = make_campaign("Renewal reminders, north", agent=make_agent("Renewals"), state=CampaignState.PAUSED)
    draft = make_campaign("Winter check-in", agent=agent, state=CampaignState.DRAFT)
    make_campaign("Spring pilot", agent=agent, state=CampaignState.FINISHED)
    for index in range(90):
        _past_contact(campaign, now, index, dice)
    waiting = [_waiting_contact(campaign, now, index) for index in range(40)]
    for _ in range(30):
        make_contact(paused, customer=_customer(dice), next_attempt_at=now)
    lists = make_list("October callers", customers=[contact.customer for contact in waiting], columns=["city", "plan"])
    campaign.customer_lists.add(lists)
    for minutes, kind, message in (
        (1200, "launch", "Launched with 133 contacts"),
        (600, "pause", "Paused"),
        (590, "resume", "Resumed"),
    ):
        CampaignEvent.objects.create(campaign=campaign, at=now - timedelta(minutes=minutes), kind=kind, message=message)
    live = [_live_call(campaign, now, seconds) for seconds in (14, 48, 133)]
    ended_call = _read_call(campaign, now, data_dir)
    assert ended_call.attempt is not None
    return World(
        manager=make_user("mai.tran", role=Role.MANAGER, first_name="Mai", last_name="Trần", is_staff=True),
        campaign=campaign,
        paused=paused,
        draft=draft,
        ended_call=ended_call,
        called=ended_call.attempt.contact,
        live_call=live[0],
        waiting=waiting[0],
    )


def _customer(dice: random.Random):
    return make_customer(name=dice.choice(NAMES))


def _past_contact(campaign: Campaign, now: datetime, index: int, dice: random.Random) -> None:
    outcome, state, _ = dice.choices(ENDINGS, weights=[weight for *_, weight in ENDINGS])[0]
    at = now - timedelta(minutes=8 + abs(dice.gauss(300, 260)), seconds=index)
    next_at = now + timedelta(hours=1) if state is ContactState.PENDING else None
    is_answered = outcome is Outcome.ANSWERED
    disposition = dice.choice(("completed", "completed", "callback_requested", "declined")) if is_answered else ""
    contact = make_contact(
        campaign,
        customer=_customer(dice),
        state=state,
        last_outcome=outcome,
        attempts_made=1,
        disposition=disposition,
        next_attempt_at=next_at,
    )
    attempt = make_attempt(contact, outcome=outcome, at=at)
    if is_answered:
        make_call(attempt, lines=CONVERSATION, duration_s=dice.uniform(9, 95), disposition=disposition)


def _waiting_contact(campaign: Campaign, now: datetime, index: int) -> Contact:
    customer = make_customer(name=NAMES[index % len(NAMES)], attributes={"city": "Đà Nẵng", "plan": "Fibre 300"})
    return make_contact(
        campaign, customer=customer, attributes=customer.attributes, next_attempt_at=now + timedelta(minutes=index)
    )


def _live_call(campaign: Campaign, now: datetime, seconds: int) -> Call:
    started_at = now - timedelta(seconds=seconds)
    contact = make_contact(campaign, customer=make_customer(name=NAMES[seconds % 10]), state=ContactState.DIALING)
    attempt = make_attempt(
        contact, at=started_at - timedelta(seconds=9), state=AttemptState.IN_CALL, answered_at=started_at
    )
    return make_call(attempt, lines=SURVEY[:2], duration_s=None)


def _read_call(campaign: Campaign, now: datetime, data_dir: Path) -> Call:
    contact = make_contact(
        campaign,
        customer=make_customer(name="Nguyễn Thị Minh Khai"),
        state=ContactState.DONE,
        last_outcome=Outcome.ANSWERED,
        attempts_made=2,
        disposition="completed",
    )
    make_attempt(contact, outcome=Outcome.BUSY, at=now - timedelta(hours=2), hangup_cause="USER_BUSY")
    attempt = make_attempt(
        contact,
        outcome=Outcome.ANSWERED,
        at=now - timedelta(minutes=3),
        hangup_cause="NORMAL_CLEARING",
        switch_call_id="7f0c2a52-1b7e",
    )
    call = make_call(
        attempt,
        lines=SURVEY,
        duration_s=36.4,
        disposition="completed",
        ended_by=EndedBy.AGENT_HANGUP,
        vendor_call_id="7f0c2a52-1b7e",
        recording_path="recordings/call.wav",
    )
    write_recording(data_dir / "recordings" / "call.wav", SURVEY, duration_s=36.4)
    CallAnalysis.objects.create(
        call=call,
        summary="Completed after 36 s: problem solved, would maybe recommend, finds the price not fair.",
        metrics={
            "customer_talk_ms": 6100,
            "agent_talk_ms": 21_600,
            "agent_talk_share": 0.7797,
            "silence_share": 0.24,
            "response_ms_median": 800,
            "response_ms_p95": 800,
            "interruptions": 1,
            "turns": 11,
            "customer_words": 16,
        },
        question_answers=[
            {
                "question": "Was your problem solved the last time you called us?",
                "answer": "Yes, it was.",
                "key": "solved",
                "value": "yes",
                "asked_at_ms": 8900,
            },
            {
                "question": "Would you recommend us to a friend or a colleague?",
                "answer": "Maybe. It took a while to get through.",
                "key": "recommend",
                "value": "maybe",
                "asked_at_ms": 14_700,
            },
            {
                "question": "Is our price fair for what you get?",
                "answer": "No.",
                "key": "price",
                "value": "no",
                "asked_at_ms": 20_600,
            },
        ],
        disposition="completed",
        computed_at=now,
    )
    states = {ResultStep.RECORDING: StepState.FAILED, ResultStep.WEBHOOKS: StepState.PENDING}
    files = {ResultStep.TRANSCRIPT_FILE: {"file": f"call_{call.pk}_20261121T141413Z_transcript.json"}}
    for step in ResultStep:
        state = states.get(step, StepState.DONE)
        error = "not there yet: 404" if state is StepState.FAILED else ""
        CallStep.objects.create(call=call, step=step, state=state, run_at=now, error=error, result=files.get(step, {}))
    return call


def write_recording(path: Path, lines: tuple[Line, ...], *, duration_s: float) -> None:
    """A stereo WAV, customer left and agent right: noise that swells like syllables where someone speaks."""
    dice = np.random.default_rng(1)
    samples = dice.normal(0, 60, (round(duration_s * RATE_HZ), 2))
    for line in lines:
        start, end = line.start_ms * RATE_HZ // 1000, line.end_ms * RATE_HZ // 1000
        swell = np.abs(np.sin(np.arange(end - start) / RATE_HZ * 2 * np.pi * 2.1)) * dice.uniform(0.5, 1)
        samples[start:end, int(line.speaker is SpeakerKind.AGENT)] += dice.normal(0, 4000, end - start) * swell
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as recording:
        recording.setnchannels(2)
        recording.setsampwidth(2)
        recording.setframerate(RATE_HZ)
        recording.writeframes(samples.clip(-32768, 32767).astype("<i2").tobytes())
