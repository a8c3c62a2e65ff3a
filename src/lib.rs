//! Codex Dispatch: merge a YAML file to main; a machine carries it out once, inside limits, and the record comes back.
//!
//! The rooms, highest floor first (ARCHITECTURE.md draws them; `tests/tidy.rs` holds imports to going down only):
//! faces [`cli`] · orchestration [`dispatch`], [`view`], [`report`], [`selftest`], [`host_check`] · shell [`repo`], [`inbox`], [`journal`],
//! [`run`], [`spool`], [`publish`], [`contract`] … · core [`admit`], [`route`], [`policy`], [`schema`], [`record`] … · nouns
//! [`id`], [`request`], [`job`], [`outcome`], [`event`] … · ground [`yaml`], [`diagnostic`], [`units`] …

pub mod cli;

pub mod dispatch;
pub mod health;
pub mod host_check;
pub mod plan;
pub mod rehearsal;
pub mod report;
pub mod retention;
pub mod selftest;
pub mod submit;
pub mod trial;
pub mod view;

pub mod archive;
pub mod contract;
pub mod env_file;
pub mod hand_in;
pub mod host;
pub mod inbox;
pub mod journal;
pub mod lock;
pub mod metrics;
pub mod notify;
pub mod publish;
pub mod removal;
pub mod repo;
pub mod run;
pub mod spool;
pub mod statedir;

pub mod admit;
pub mod bundle;
pub mod claim;
pub mod command;
pub mod config;
pub mod fixture;
pub mod form;
pub mod guide;
pub mod handler;
pub mod host_file;
pub mod host_status;
pub mod pause;
pub mod policy;
pub mod queue;
pub mod rate;
pub mod record;
pub mod redact;
pub mod rerun;
pub mod route;
pub mod row;
pub mod scaffold;
pub mod schema;
pub mod state;
pub mod template;

pub mod event;
pub mod id;
pub mod job;
pub mod outcome;
pub mod probe;
pub mod request;

pub mod backoff;
pub mod clock;
pub mod diagnostic;
pub mod durable;
pub mod explain;
pub mod fields;
pub mod paths;
pub mod patience;
pub mod planted;
pub mod resource;
pub mod room;
pub mod units;
pub mod yaml;
