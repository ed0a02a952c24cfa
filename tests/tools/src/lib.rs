//! Whole-system tools: replay, audit, bench.
