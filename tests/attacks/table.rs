//! The attacks, each with how it is seen, how it is shown to work without walls, and where it is known to succeed.

use crate::evidence::{self as seen, Evidence};
use crate::stage::User;

/// One attack: handlers that try the same in different words.
pub struct Attack {
    pub name: &'static str,
    /// What it tries, for docs/security.md.
    pub tries: &'static str,
    /// Files of `tests/attacks/`, each a handler of its own.
    pub scripts: &'static [&'static str],
    pub evidence: Evidence,
    pub surroundings: Surroundings,
    pub control: Control,
    /// Where it succeeds all the same.
    pub open: &'static [Open],
    /// Folders to fill.
    pub places: Option<&'static str>,
    /// It has a pass of its own; the others share one.
    pub alone: bool,
    /// What it is to reach can only be laid out by root.
    pub laid_out_by_root: bool,
}

/// What an attack needs around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surroundings {
    Plain,
    /// A second job that runs meanwhile and holds a secret.
    Neighbour,
    /// A job that ran before and held one.
    Predecessor,
    /// A timeout of a second.
    Timeout,
    /// The dispatcher is killed while it runs.
    Killed,
    /// The dispatcher has a terminal.
    Terminal,
    /// The dispatcher was started with open descriptors.
    Descriptors,
}

/// How it is shown that the attack works where nothing contains it.
#[derive(Clone, Copy, Debug)]
pub enum Control {
    /// At level `none`.
    AtNone,
    /// At level `none` as an ordinary user. As root handlers have a user of their own even at `none`, which may do less: there by hand.
    AtNoneOrByHand,
    /// By hand: `none` contains it too, for this reason.
    ByHand(&'static str),
    /// By hand and as root: no other user can do it anywhere.
    ByHandAsRoot,
}

impl Control {
    /// Whether level `none` shows it.
    pub fn is_at_none(self, user: User) -> bool {
        match self {
            Self::AtNone => true,
            Self::AtNoneOrByHand => user == User::Ordinary,
            Self::ByHand(_) | Self::ByHandAsRoot => false,
        }
    }
}

/// A hole that is known.
pub struct Open {
    pub level: &'static str,
    /// Whose dispatcher; everybody's without one.
    pub user: Option<User>,
    pub why: &'static str,
}

const PLAIN: Attack = Attack {
    name: "",
    tries: "",
    scripts: &[],
    evidence: seen::told,
    surroundings: Surroundings::Plain,
    control: Control::AtNone,
    open: &[],
    places: None,
    alone: false,
    laid_out_by_root: false,
};

const NO_MEMORY_GROUP: Open = Open {
    level: "confined",
    user: Some(User::Ordinary),
    why: "without a memory control group (`memory: rlimit` in the record) the limit is each process' own",
};
const NAMES: Open = Open {
    level: "confined",
    user: None,
    why: "Landlock hides what a file holds, not that it is there, how large it is, since when, and what comes into its folder",
};
const PIDS: Open = Open {
    level: "confined",
    user: None,
    why: "without a pid namespace the refusal of a signal says that there is somebody to signal",
};
const ATTRIBUTES: Open = Open {
    level: "confined",
    user: Some(User::Ordinary),
    why: "Landlock has no word for changing mode, times and attributes by path; as root the handler's uid owns nothing else",
};

const SUPERVISED: Control = Control::ByHand("the supervisor ends what is left at every level");
const LIMITED: Control = Control::ByHand("limits are the same at every level");
const COLLECTED: Control = Control::ByHand("artifacts are collected with the same care at every level");

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "read_home",
        tries: "read the home folder of the dispatcher's user",
        scripts: &["read_home.sh"],
        ..PLAIN
    },
    Attack {
        name: "read_root",
        tries: "read root's home folder",
        scripts: &["read_root.sh"],
        control: Control::ByHandAsRoot,
        ..PLAIN
    },
    Attack {
        name: "read_shadow",
        tries: "read the password hashes",
        scripts: &["read_shadow.py"],
        control: Control::ByHandAsRoot,
        ..PLAIN
    },
    Attack {
        name: "read_host_file",
        tries: "read a file that everybody on the host may read",
        scripts: &["read_host_file.sh", "read_host_file.py"],
        ..PLAIN
    },
    Attack {
        name: "read_state",
        tries: "read the dispatcher's journal, spool and object store, and the clone",
        scripts: &["read_state.sh"],
        control: Control::AtNoneOrByHand,
        ..PLAIN
    },
    Attack {
        name: "read_by_handle",
        tries: "read a file by its inode, around every path",
        scripts: &["read_by_handle.py"],
        control: Control::ByHandAsRoot,
        ..PLAIN
    },
    Attack {
        name: "see_files",
        tries: "learn of names and attributes of files of the host",
        scripts: &["see_files.sh", "see_files.py"],
        open: &[NAMES],
        ..PLAIN
    },
    Attack {
        name: "write_outside",
        tries: "write, rename, remove or link files of the host",
        scripts: &["write_outside.sh", "write_outside.py"],
        evidence: seen::written,
        ..PLAIN
    },
    Attack {
        name: "change_metadata",
        tries: "change mode and times of a file of the dispatcher's user",
        scripts: &["change_metadata.py"],
        control: Control::AtNoneOrByHand,
        evidence: seen::metadata,
        open: &[ATTRIBUTES],
        ..PLAIN
    },
    Attack {
        name: "tcp",
        tries: "reach a TCP port of the host, loopback included",
        scripts: &["tcp.sh", "tcp.py"],
        evidence: seen::received,
        ..PLAIN
    },
    Attack {
        name: "udp",
        tries: "send a datagram to the host",
        scripts: &["udp.sh", "udp.py"],
        evidence: seen::received,
        ..PLAIN
    },
    Attack {
        name: "abstract_socket",
        tries: "reach an abstract unix socket",
        scripts: &["abstract_socket.py"],
        evidence: seen::received,
        ..PLAIN
    },
    Attack {
        name: "pathname_socket",
        tries: "reach a unix socket in the file tree",
        scripts: &["pathname_socket.py"],
        evidence: seen::received,
        ..PLAIN
    },
    Attack {
        name: "sysv_memory",
        tries: "read System V shared memory of the host",
        scripts: &["sysv_memory.py"],
        ..PLAIN
    },
    Attack { name: "shared_memory", tries: "read shared memory of the host", scripts: &["shared_memory.sh"], ..PLAIN },
    Attack {
        name: "see_processes",
        tries: "see what other processes were started with",
        scripts: &["see_processes.sh"],
        ..PLAIN
    },
    Attack {
        name: "see_pids",
        tries: "learn whether a process exists",
        scripts: &["see_pids.py"],
        open: &[PIDS],
        ..PLAIN
    },
    Attack {
        name: "signal",
        tries: "signal a process of the same user",
        scripts: &["send_signal.sh", "send_signal.py"],
        evidence: seen::victim_ended,
        ..PLAIN
    },
    Attack {
        name: "signal_dispatcher",
        tries: "end the dispatcher or its keeper",
        scripts: &["signal_dispatcher.py"],
        evidence: seen::dispatcher_ended,
        control: Control::AtNoneOrByHand,
        alone: true,
        ..PLAIN
    },
    Attack {
        name: "trace",
        tries: "trace a process of the same user, read its memory",
        scripts: &["trace_process.py"],
        ..PLAIN
    },
    Attack {
        name: "read_environment",
        tries: "read the environment of a process of the same user",
        scripts: &["read_environment.sh"],
        ..PLAIN
    },
    Attack {
        name: "limits_of_others",
        tries: "lower limits and priority of a process of the same user",
        scripts: &["limits_of_others.py"],
        evidence: seen::victim_limited,
        ..PLAIN
    },
    Attack {
        name: "another_job",
        tries: "read the secret of a job that runs meanwhile",
        scripts: &["another_job.py"],
        surroundings: Surroundings::Neighbour,
        control: Control::AtNoneOrByHand,
        alone: true,
        ..PLAIN
    },
    Attack {
        name: "earlier_job",
        tries: "read what a job left that has ended",
        scripts: &["earlier_job.py"],
        surroundings: Surroundings::Predecessor,
        control: Control::AtNoneOrByHand,
        alone: true,
        ..PLAIN
    },
    Attack {
        name: "fork_bomb",
        tries: "processes and threads without end",
        scripts: &["fork_bomb.sh", "fork_bomb.py", "thread_bomb.py"],
        evidence: seen::forked,
        control: LIMITED,
        alone: true,
        ..PLAIN
    },
    Attack {
        name: "memory_bomb",
        tries: "memory without end",
        scripts: &["memory_bomb.py"],
        evidence: seen::allocated,
        control: LIMITED,
        alone: true,
        ..PLAIN
    },
    Attack {
        name: "memory_of_many",
        tries: "memory without end, in many processes or in files without a name",
        scripts: &["memory_of_many.py", "memory_files.py"],
        evidence: seen::allocated,
        control: LIMITED,
        open: &[Open { level: "isolated", ..NO_MEMORY_GROUP }, NO_MEMORY_GROUP],
        alone: true,
        ..PLAIN
    },
    Attack {
        name: "disk_bomb_tmp",
        tries: "fill the temporary folders",
        scripts: &["disk_bomb.py"],
        evidence: seen::filled,
        places: Some("/tmp:/dev/shm"),
        alone: true,
        ..PLAIN
    },
    Attack {
        name: "disk_bomb_work",
        tries: "fill the work and the log folder",
        scripts: &["disk_bomb.py"],
        evidence: seen::filled,
        control: LIMITED,
        places: Some("$DISPATCH_WORK:$DISPATCH_LOG_DIR"),
        alone: true,
        ..PLAIN
    },
    Attack {
        name: "output_bomb",
        tries: "output without end",
        scripts: &["output_bomb.sh"],
        evidence: seen::flooded,
        control: LIMITED,
        alone: true,
        ..PLAIN
    },
    Attack {
        name: "artifact_bomb",
        tries: "artifacts without end",
        scripts: &["artifact_bomb.py"],
        evidence: seen::many_artifacts,
        control: COLLECTED,
        alone: true,
        ..PLAIN
    },
    Attack {
        name: "daemon",
        tries: "outlive the request as a daemon (setsid, double fork)",
        scripts: &["daemon.sh", "daemon.py"],
        evidence: seen::alive,
        control: SUPERVISED,
        ..PLAIN
    },
    Attack {
        name: "survive_timeout",
        tries: "outlive the timeout by ignoring TERM",
        scripts: &["survive.sh", "survive.py"],
        evidence: seen::outlived,
        surroundings: Surroundings::Timeout,
        control: SUPERVISED,
        alone: true,
        ..PLAIN
    },
    Attack {
        name: "survive_kill",
        tries: "outlive a dispatcher that is killed",
        scripts: &["survive.py"],
        evidence: seen::alive,
        surroundings: Surroundings::Killed,
        control: SUPERVISED,
        alone: true,
        ..PLAIN
    },
    Attack {
        name: "type_on_terminal",
        tries: "type a command into the dispatcher's terminal (TIOCSTI)",
        scripts: &["type_on_terminal.py"],
        evidence: seen::typed,
        surroundings: Surroundings::Terminal,
        control: Control::ByHand("the session is another at every level, and only root may type into another's"),
        alone: true,
        ..PLAIN
    },
    Attack {
        name: "write_on_terminal",
        tries: "write escape sequences to the dispatcher's terminal",
        scripts: &["write_on_terminal.sh"],
        evidence: seen::painted,
        surroundings: Surroundings::Terminal,
        control: Control::AtNoneOrByHand,
        alone: true,
        ..PLAIN
    },
    Attack {
        name: "nested_namespaces",
        tries: "become root in a namespace of its own",
        scripts: &["nested_namespaces.sh", "nested_namespaces.py"],
        ..PLAIN
    },
    Attack {
        name: "mount",
        tries: "mount, remount, unmount",
        scripts: &["mount.sh", "mount.py"],
        control: Control::ByHandAsRoot,
        ..PLAIN
    },
    Attack {
        name: "mknod",
        tries: "make and open a device",
        scripts: &["mknod.py"],
        control: Control::ByHandAsRoot,
        ..PLAIN
    },
    Attack {
        name: "become_root",
        tries: "ask for uid 0 and capabilities",
        scripts: &["become_root.py"],
        control: Control::ByHandAsRoot,
        ..PLAIN
    },
    Attack {
        name: "setuid_program",
        tries: "start a setuid program of root's",
        scripts: &["setuid_program.sh"],
        laid_out_by_root: true,
        ..PLAIN
    },
    Attack {
        name: "leave_setuid_file",
        tries: "leave a setuid program on the host",
        scripts: &["leave_setuid_file.py"],
        evidence: seen::setuid_left,
        control: Control::ByHand("the folders of a run are closed to others at every level"),
        ..PLAIN
    },
    Attack { name: "io_uring", tries: "set up an io_uring", scripts: &["io_uring.py"], ..PLAIN },
    Attack { name: "keyctl", tries: "use the kernel's key rings", scripts: &["keyctl.py"], ..PLAIN },
    Attack {
        name: "bpf",
        tries: "load into the kernel by bpf",
        scripts: &["bpf.py"],
        control: Control::ByHandAsRoot,
        ..PLAIN
    },
    Attack {
        name: "kernel_settings",
        tries: "write kernel settings and control groups",
        scripts: &["kernel_settings.py"],
        control: Control::ByHandAsRoot,
        ..PLAIN
    },
    Attack {
        name: "inherited_descriptors",
        tries: "use descriptors that the dispatcher was started with",
        scripts: &["inherited_descriptors.sh", "inherited_descriptors.py"],
        surroundings: Surroundings::Descriptors,
        control: Control::ByHand("the dispatcher closes them at every level"),
        alone: true,
        ..PLAIN
    },
    Attack {
        name: "leave_link",
        tries: "have a symbolic link collected",
        scripts: &["leave_link.sh"],
        evidence: seen::left_behind,
        control: COLLECTED,
        ..PLAIN
    },
    Attack {
        name: "leave_hard_link",
        tries: "have a hard link collected",
        scripts: &["leave_hard_link.py"],
        evidence: seen::left_behind,
        control: COLLECTED,
        ..PLAIN
    },
    Attack {
        name: "leave_fifo",
        tries: "make the collector wait at a FIFO",
        scripts: &["leave_fifo.sh"],
        evidence: seen::left_behind,
        control: COLLECTED,
        alone: true,
        ..PLAIN
    },
    Attack {
        name: "leave_socket",
        tries: "have a socket collected",
        scripts: &["leave_socket.py"],
        evidence: seen::left_behind,
        control: COLLECTED,
        ..PLAIN
    },
    Attack {
        name: "leave_device",
        tries: "have a device collected",
        scripts: &["leave_device.py"],
        evidence: seen::left_behind,
        control: Control::ByHandAsRoot,
        ..PLAIN
    },
    Attack {
        name: "inject_output",
        tries: "forge lines of the record, give orders to a terminal",
        scripts: &["inject_output.py"],
        evidence: seen::injected,
        control: Control::ByHand("what is printed is escaped at every level"),
        alone: true,
        ..PLAIN
    },
    Attack {
        name: "plant_git",
        tries: "plant settings or hooks of git",
        scripts: &["plant_git.sh"],
        evidence: seen::planted,
        control: Control::AtNoneOrByHand,
        alone: true,
        ..PLAIN
    },
];
