"""Where providers call us: one address a sender. No account, no key: only what their signature proves."""
