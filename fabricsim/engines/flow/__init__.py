"""The flow engine: rates instead of packets, max-min fair at every instant."""
