//! `dispatch watch` as a daemon: what it tells the service manager, how it comes to an end, what wakes it, what it leaves
//! alone while nothing happens, how it is started, and what becomes of it when its program is replaced.
//!
//! Real processes on a real repository. What a test waits for is always a word, a file or an end, never a time.

#[path = "daemon/bench.rs"]
mod bench;
#[path = "daemon/container.rs"]
mod container;
#[path = "daemon/endings.rs"]
mod endings;
#[path = "daemon/health.rs"]
mod health;
#[path = "daemon/idle.rs"]
mod idle;
#[path = "daemon/inside.rs"]
mod inside;
#[path = "daemon/manager.rs"]
mod manager;
#[path = "daemon/starts.rs"]
mod starts;
mod support;
#[path = "daemon/unit.rs"]
mod unit;
#[path = "daemon/upgrade.rs"]
mod upgrade;
#[path = "daemon/wakes.rs"]
mod wakes;
#[path = "daemon/words.rs"]
mod words;
