"""From window results to alerts: rules, incidents, and nothing that reads a clock or a network."""
