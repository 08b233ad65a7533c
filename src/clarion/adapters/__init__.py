"""The outside world, one kind a package: databases, queues, channels. Only `bootstrap` imports them."""
