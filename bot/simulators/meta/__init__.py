"""What the simulated platforms of Meta share: the Graph API's manners and the webhook's signature."""
