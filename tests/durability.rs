//! Faults as inputs, and a checker that holds every commit of the origin against what was submitted and what handlers
//! witnessed (docs/durability.md).
//!
//! `durability/rig.rs` builds the hosts, `writer.rs` submits, `witness.rs` has the handlers, `checker.rs` finds what is
//! wrong (with `record.rs` and `testimony.rs`), `report.rs` says how much of it; `forged.rs` tells the checker lies. Each
//! campaign is a test called `campaign_NAME`: a bounded slice here, and as long as it is given in `scripts/soak.sh`.

#[allow(dead_code, reason = "a frame for every campaign: not each test program uses all of it")]
#[path = "durability/checker.rs"]
mod checker;
#[path = "durability/clock.rs"]
mod clock;
#[path = "support/copies.rs"]
mod copies;
#[path = "durability/disk.rs"]
mod disk;
#[path = "durability/errors.rs"]
mod errors;
#[path = "durability/forged.rs"]
mod forged;
#[path = "durability/full.rs"]
mod full;
#[path = "durability/hosts.rs"]
mod hosts;
#[path = "durability/kill.rs"]
mod kill;
#[allow(dead_code, reason = "a frame for every campaign: not each test program uses all of it")]
#[path = "durability/leftovers.rs"]
mod leftovers;
#[path = "durability/lies.rs"]
mod lies;
#[path = "support/memory.rs"]
mod memory;
#[path = "durability/net.rs"]
mod net;
#[path = "durability/pause.rs"]
mod pause;
#[path = "durability/power.rs"]
mod power;
#[path = "durability/processes.rs"]
mod processes;
#[path = "durability/proxy.rs"]
mod proxy;
#[path = "durability/record.rs"]
mod record;
#[allow(dead_code, reason = "a frame for every campaign: not each test program uses all of it")]
#[path = "durability/report.rs"]
mod report;
#[allow(dead_code, reason = "a frame for every campaign: not each test program uses all of it")]
#[path = "durability/rig.rs"]
mod rig;
#[expect(dead_code, reason = "ssh is for the tests of remotes")]
#[path = "support/servers.rs"]
mod servers;
#[path = "durability/steady.rs"]
mod steady;
#[path = "durability/storm.rs"]
mod storm;
#[expect(dead_code, reason = "what the stories need besides")]
mod support;
#[path = "durability/syscalls.rs"]
mod syscalls;
#[path = "durability/testimony.rs"]
mod testimony;
#[allow(dead_code, reason = "a frame for every campaign: not each test program uses all of it")]
#[path = "durability/witness.rs"]
mod witness;
#[allow(dead_code, reason = "a frame for every campaign: not each test program uses all of it")]
#[path = "durability/writer.rs"]
mod writer;
