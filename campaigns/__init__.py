"""Customers, campaigns, dialing, calls, results and webhooks; owns every table and knows no audio."""
