"""LINE: webhook events in, replies and pushes of the Messaging API out."""
