"""What Meta's platforms (WhatsApp, Messenger, Instagram) share: webhook signature, batches, the Graph API."""
