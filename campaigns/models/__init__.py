"""Every table of the platform."""

from campaigns.models.access import ApiToken, IdempotencyRecord
from campaigns.models.agents import Agent, AgentPrompt
from campaigns.models.attempts import AttemptLog, BridgeNode, CallAttempt
from campaigns.models.calling_rules import BlackoutDate, DialingStop
from campaigns.models.calls import Call, CallAnalysis, CallStep, TranscriptTurn
from campaigns.models.campaigns import Campaign, CampaignEvent, Contact
from campaigns.models.customers import Customer, CustomerList, ImportJob, ImportReject, ListEntry
from campaigns.models.endpoints import StreamEndpoint
from campaigns.models.heartbeats import Heartbeat
from campaigns.models.suppression import DncList, DncNumber, DncVersion, SuppressedNumber
from campaigns.models.trunks import Trunk
from campaigns.models.webhooks import OutboxEvent, WebhookDelivery, WebhookDeliveryAttempt, WebhookEndpoint

__all__ = [
    "Agent",
    "AgentPrompt",
    "ApiToken",
    "AttemptLog",
    "BlackoutDate",
    "BridgeNode",
    "Call",
    "CallAnalysis",
    "CallAttempt",
    "CallStep",
    "Campaign",
    "CampaignEvent",
    "Contact",
    "Customer",
    "CustomerList",
    "DialingStop",
    "DncList",
    "DncNumber",
    "DncVersion",
    "Heartbeat",
    "IdempotencyRecord",
    "ImportJob",
    "ImportReject",
    "ListEntry",
    "OutboxEvent",
    "StreamEndpoint",
    "SuppressedNumber",
    "TranscriptTurn",
    "Trunk",
    "WebhookDelivery",
    "WebhookDeliveryAttempt",
    "WebhookEndpoint",
]
