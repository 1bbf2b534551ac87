"""WeCom customer service (微信客服): callbacks that only ring, messages pulled by cursor, sessions of five states."""
