"""WhatsApp Cloud API: batches of messages and statuses in, texts, buttons, lists and templates out."""
