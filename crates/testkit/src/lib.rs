//! Dev-only: backing services, a database per test, eventually(), fault proxy.
