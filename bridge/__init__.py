"""One live call: the vendor on one side, the agent on the other. Owns no table."""
