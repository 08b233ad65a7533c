"""Push messages: FCM over HTTP, APNs over HTTP/2, and browsers by Web Push.

Read in this order: `apns` (connections as the load needs them) with `http2` (what each request came to), `fcm` and
`web_push` (which stand on `http_channel`), the tables of answers beside them; `signed_tokens`, `provider_token`,
`google_token`, `encryption` and `framing` are what these stand on.
"""
