"""An AI voice service behind LiveCall's gRPC protocol: one bidirectional stream per call."""
