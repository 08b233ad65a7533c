"""What recipients reach with the links in their messages. No account, no key: only signed tokens."""
