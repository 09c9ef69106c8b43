"""The agents that talk to the customer, behind the one protocol of `base`."""
