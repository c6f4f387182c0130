//! The candle trainer and decision server.
fn main() {}
