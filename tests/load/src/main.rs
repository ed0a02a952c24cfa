//! The load tools as one program.

fn main() {}
