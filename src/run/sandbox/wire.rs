//! The messages between dispatcher, keeper and pid 1 of a job.
//!
//! Owns their shape and how they travel: eight bytes of length (little endian) that carry the descriptors, then JSON. Both ends are the same
//! program, so the format has no version. It decides nothing.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Given, Limits, Mount, Refresh, Scratch, User};
use crate::job::Level;

/// The most descriptors that one message carries.
pub(super) const DESCRIPTORS_MAX: usize = 64;
/// The longest message, in bytes.
const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// What a keeper is told once, when it starts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    /// Of every job.
    pub level: Level,
    /// The host's network rather than an empty one.
    pub network: bool,
    /// The `cgroup.procs` files to enter.
    pub cgroups: Vec<PathBuf>,
}

impl Plan {
    /// Namespaces and all that goes with them.
    pub(super) fn is_isolated(&self) -> bool {
        self.level == Level::Isolated
    }
}

/// What pid 1 of a job is told. Its descriptors: stdin, stdout, stderr, then the locks. No `Debug`: it holds secrets.
#[derive(Serialize, Deserialize)]
pub(super) struct Job {
    /// Empty for a probe: everything is set up, nothing is started.
    pub argv: Vec<String>,
    pub env: Vec<(String, String)>,
    pub cwd: PathBuf,
    pub mounts: Vec<Mount>,
    pub empty_dirs: Vec<PathBuf>,
    pub files: Vec<Given>,
    pub scratch: Vec<Scratch>,
    pub refresh: Option<Refresh>,
    pub user: Option<User>,
    /// The ports that TCP is narrowed to, where the slot has a network.
    pub tcp_ports: Option<Vec<u16>>,
    pub secrets: Vec<(String, Vec<u8>)>,
    pub secrets_dir: PathBuf,
    pub limits: Limits,
    /// `RLIMIT_AS` in bytes, where no control group holds the memory.
    pub address_space: Option<u64>,
    /// `RLIMIT_NPROC`, where no control group counts the processes.
    pub processes: Option<u64>,
}

/// What the keeper (`Ready`, `Fault`) or pid 1 of a job says, once.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Report {
    /// Set up; these layers are active.
    Ready(Vec<String>),
    /// A layer could not be set up.
    Fault(Fault),
    /// Set up, but the command did not start.
    NotStarted(String),
    /// The command was started and everything of it is gone, but how it ended was not seen.
    Unseen(String),
    /// It ended with this code, and everything that it had started is gone.
    Exited(i32),
    /// This signal ended it, and everything that it had started is gone.
    Signaled(i32),
}

/// A step of the setup that was refused: which layer it belongs to, and the kernel's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fault {
    pub layer: String,
    pub kernel: String,
}

/// Names the layer and the doing of a step that can be refused.
pub(super) trait Step<T> {
    fn step(self, layer: &str, doing: impl FnOnce() -> String) -> Result<T, Fault>;
}

impl<T, E: std::fmt::Display> Step<T> for Result<T, E> {
    fn step(self, layer: &str, doing: impl FnOnce() -> String) -> Result<T, Fault> {
        self.map_err(|error| Fault { layer: layer.to_owned(), kernel: format!("{}: {error}", doing()) })
    }
}

/// Sends a message, and with it copies of the descriptors.
pub(super) fn send<T: Serialize>(
    mut socket: &UnixStream,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let length = (body.len() as u64).to_le_bytes();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many descriptors"));
    }
    // In one go: the first part would wake a reader that then has to wait for the second.
    let whole = [IoSlice::new(&length), IoSlice::new(&body)];
    let sent = sendmsg(socket, &whole, &mut ancillary, SendFlags::NOSIGNAL)?;
    let of_length = sent.min(length.len());
    socket.write_all(&length[of_length..])?;
    socket.write_all(&body[sent - of_length..])
}

/// Receives a message and its descriptors, which are close-on-exec. `None` at the end of the stream.
pub(super) fn receive<T: DeserializeOwned>(mut socket: &UnixStream) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut length = [0; 8];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut into = [IoSliceMut::new(&mut length)];
        match recvmsg(socket, &mut into, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            received => break received?.bytes,
        }
    };
    if received == 0 {
        return Ok(None);
    }
    let descriptors = ancillary
        .drain()
        .flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect(),
            _ => Vec::new(),
        })
        .collect();
    socket.read_exact(&mut length[received..])?;
    let length = usize::try_from(u64::from_le_bytes(length))
        .ok()
        .filter(|length| *length <= MESSAGE_BYTES_MAX)
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    let mut body = vec![0; length];
    socket.read_exact(&mut body)?;
    Ok(Some((serde_json::from_slice(&body)?, descriptors)))
}

/// A byte on a job's control socket: end the work with SIGTERM.
pub(super) const TERMINATE: u8 = b'T';
/// A byte on a job's control socket: end the work with SIGKILL, and report.
pub(super) const KILL: u8 = b'K';

/// Whole seconds, rounded up, at least one.
pub(super) fn whole_seconds(span: Duration) -> u64 {
    (span.as_secs() + u64::from(span.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_message_arrives_with_its_descriptors() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        let fault = Fault { layer: "seccomp".into(), kernel: "no".into() };
        send(&ours, &Report::Fault(fault.clone()), &[writer.as_fd()]).unwrap();
        drop((ours, writer));
        let (report, descriptors) = receive::<Report>(&theirs).unwrap().unwrap();
        assert_eq!(report, Report::Fault(fault));
        let [descriptor] = <[OwnedFd; 1]>::try_from(descriptors).unwrap();
        std::fs::File::from(descriptor).write_all(b"x").unwrap();
        let mut read = [0; 2];
        assert_eq!(reader.read(&mut read).unwrap(), 1);
        assert!(receive::<Report>(&theirs).unwrap().is_none());
    }

    #[test]
    fn a_length_beyond_reason_is_an_error() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(&u64::MAX.to_le_bytes()).unwrap();
        assert!(receive::<Report>(&theirs).is_err());
    }

    #[test]
    fn seconds_round_up() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1001)), 2);
    }
}
