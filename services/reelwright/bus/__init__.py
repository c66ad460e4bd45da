"""The bus: partitioned topics with consumer groups and at-least-once delivery; one protocol, several transports."""
