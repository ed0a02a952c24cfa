//! Logs, traces and metrics, and trace context across gRPC and AMQP.
