"""The phone network: PSR's API, the wire protocols, hangup causes, phone numbers and the PSR simulator.

Owns no table and imports nothing from the other rooms.
"""
