//! Outbox, relay, inbox, batched consumers and parking over RabbitMQ.
