"""How Clarion is reached: the command line, the HTTP server and the worker. They alone read settings."""
