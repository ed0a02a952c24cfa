//! How people want to be told, and that it holds wherever they are connected.

mod calls;
mod live;
