"""Sans-I/O codecs: a vendor's wire messages on one side, the events and commands of `events` on the other."""
