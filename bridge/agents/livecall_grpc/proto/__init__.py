"""The messages between bridge and AI service: live_call.proto, and what protoc makes of it (`make proto`)."""
