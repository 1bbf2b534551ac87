"""WeChat Official Account (微信公众号): messages by callback, answers by customer-service message."""
