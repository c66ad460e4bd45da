"""The bus on a Kafka broker: client, consumers, topics, and what is overridden of kafka-python."""
