"""SMS over HTTP, a module a provider: the request that sends, the table of its errors, and what its callbacks say.

Read first `meanings` (what a provider's code comes to) and `callbacks` (what all callbacks share), then any provider:
`twilio`, `vonage`, `bird`, `aws` with `aws_signing` and `sns`, `signed_http`. `..http_channel` carries the requests.
"""
