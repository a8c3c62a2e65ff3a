//! The seccomp program of a handler.
//!
//! Owns which system calls a handler may not make. The program is laid out as a binary search over the call numbers, because a linear one
//! takes the kernel half a millisecond to prepare. It allows what it does not name: the wall is made of namespaces, users and capabilities,
//! and this closes what leads around them.

use nix::libc;
use seccompiler::sock_filter as Instruction;

use super::wire::Plan;

const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_AT_LEAST: u16 = 0x35;
const JUMP_IF_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

const ALLOW: u32 = 0x7fff_0000;
const KILL_PROCESS: u32 = 0x8000_0000;

const OFFSET_CALL: u32 = 0;
const OFFSET_ARCHITECTURE: u32 = 4;
const OFFSET_ARGUMENTS: u32 = 16;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// x32 calls carry this bit and would pass a filter that only knows the plain numbers.
const X32_BIT: u32 = 0x4000_0000;

/// Pushes a line into the terminal's input; the second one pastes its selection.
const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541c;

const NAMESPACES: u32 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP)
    .cast_unsigned();

/// Refused whatever the arguments.
const REFUSED: [libc::c_long; 48] = [
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_chroot,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_personality,
];

/// What leads around walls without namespaces: these objects belong to no file, outlive their maker and are the whole machine's.
const REFUSED_WITHOUT_NAMESPACES: [libc::c_long; 21] = [
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_shmdt,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_mq_timedsend,
    libc::SYS_mq_timedreceive,
    libc::SYS_mq_notify,
    libc::SYS_mq_getsetattr,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_migrate_pages,
];

/// Calls that change how a process is scheduled, or what it may use, and take its number (0 is the caller) as this argument. Without a pid
/// namespace they reach every process of the same user.
const ONLY_ON_ITSELF: [(libc::c_long, u32); 6] = [
    (libc::SYS_prlimit64, 0),
    (libc::SYS_sched_setaffinity, 0),
    (libc::SYS_sched_setattr, 0),
    (libc::SYS_sched_setparam, 0),
    (libc::SYS_sched_setscheduler, 0),
    (libc::SYS_move_pages, 0),
];

/// The same, where the first argument says whose number the second is; this value of it means all processes of a user.
const ONLY_ON_ITS_OWN: [(libc::c_long, u32); 2] =
    [(libc::SYS_setpriority, PRIO_USER), (libc::SYS_ioprio_set, IOPRIO_WHO_USER)];
const PRIO_USER: u32 = 2;
const IOPRIO_WHO_USER: u32 = 3;

/// Calls that give a file its mode, by the argument that says it; with the first argument of flags, only where they make a file. A setuid file
/// in a job's folder would be real on the host, whose other users could run it as the job's.
const SETS_MODE: &[(libc::c_long, Option<u32>, u32)] = &[
    (libc::SYS_fchmod, None, 1),
    (libc::SYS_fchmodat, None, 2),
    (SYS_FCHMODAT2, None, 2),
    (libc::SYS_mknodat, None, 2),
    (libc::SYS_openat, Some(2), 3),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chmod, None, 1),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mknod, None, 1),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_creat, None, 1),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, Some(1), 2),
];
const SYS_FCHMODAT2: libc::c_long = 452;
const SET_ID: u32 = libc::S_ISUID | libc::S_ISGID;
/// Of `O_TMPFILE` the bit that is not `O_DIRECTORY` too.
const MAKES_FILE: u32 = (libc::O_CREAT | (libc::O_TMPFILE & !libc::O_DIRECTORY)).cast_unsigned();

/// What the program depends on.
#[derive(Clone, Copy)]
pub(super) struct Walls {
    /// Sockets of both internet families may be made.
    network: bool,
    /// What is the slot's own through namespaces: unix sockets find nobody, processes of others have no number.
    namespaces: bool,
}

impl Walls {
    pub(super) fn of(plan: &Plan) -> Self {
        Self { network: plan.network, namespaces: plan.is_isolated() }
    }
}

/// The program. No socket of another family, ever.
pub(super) fn program(walls: Walls) -> Vec<Instruction> {
    let mut calls: Vec<(u32, Vec<Instruction>)> =
        REFUSED.iter().map(|call| (number(*call), vec![refuse(libc::EPERM)])).collect();
    if walls.namespaces {
        // Its supervisor has its user: with a limit on that it could end it and choose what is recorded.
        let check = vec![load_argument(0), instruction(JUMP_IF_EQUAL, 1, 0, 1), refuse(libc::EPERM), allow()];
        calls.push((number(libc::SYS_prlimit64), check));
    } else {
        let refused = REFUSED_WITHOUT_NAMESPACES.iter();
        calls.extend(refused.map(|call| (number(*call), vec![refuse(libc::EPERM)])));
        calls.extend(ONLY_ON_ITSELF.iter().map(|(call, argument)| (number(*call), own_number_check(*argument))));
        calls.extend(SETS_MODE.iter().map(|(call, flags, mode)| (number(*call), mode_check(*flags, *mode))));
        // It keeps its mode in memory; told that it does not exist, programs fall back to openat.
        calls.push((number(libc::SYS_openat2), vec![refuse(libc::ENOSYS)]));
        calls.extend(ONLY_ON_ITS_OWN.iter().map(|(call, user)| (number(*call), own_kind_check(*user))));
    }
    // clone3 keeps its flags in memory where no filter sees them; told that it does not exist, libc falls back to clone.
    calls.push((number(libc::SYS_clone3), vec![refuse(libc::ENOSYS)]));
    calls.push((
        number(libc::SYS_clone),
        vec![load_argument(0), instruction(JUMP_IF_ANY_BIT, NAMESPACES, 0, 1), refuse(libc::EPERM), allow()],
    ));
    calls.push((
        number(libc::SYS_ioctl),
        vec![
            load_argument(1),
            instruction(JUMP_IF_EQUAL, TIOCSTI, 1, 0),
            instruction(JUMP_IF_EQUAL, TIOCLINUX, 0, 1),
            refuse(libc::EPERM),
            allow(),
        ],
    ));
    calls.push((number(libc::SYS_socket), socket_check(walls)));
    calls.sort_by_key(|(call, _)| *call);

    let mut program = vec![
        instruction(LOAD, OFFSET_ARCHITECTURE, 0, 0),
        instruction(JUMP_IF_EQUAL, ARCHITECTURE, 1, 0),
        instruction(RETURN, KILL_PROCESS, 0, 0),
        instruction(LOAD, OFFSET_CALL, 0, 0),
    ];
    if cfg!(target_arch = "x86_64") {
        program.push(instruction(JUMP_IF_AT_LEAST, X32_BIT, 0, 1));
        program.push(refuse(libc::ENOSYS));
    }
    program.extend(search(&calls));
    program
}

fn socket_check(walls: Walls) -> Vec<Instruction> {
    let mut families = Vec::new();
    if walls.namespaces {
        families.push(libc::AF_UNIX);
    }
    if walls.network {
        families.extend([libc::AF_INET, libc::AF_INET6]);
    }
    let mut check = vec![load_argument(0)];
    for (family, to_allow) in families.iter().zip((1..=families.len()).rev()) {
        let jump = u8::try_from(to_allow).expect("there are at most three families");
        check.push(instruction(JUMP_IF_EQUAL, family.cast_unsigned(), jump, 0));
    }
    check.push(refuse(libc::EPERM));
    if !families.is_empty() {
        check.push(allow());
    }
    check
}

fn own_number_check(argument: u32) -> Vec<Instruction> {
    vec![load_argument(argument), instruction(JUMP_IF_EQUAL, 0, 1, 0), refuse(libc::EPERM), allow()]
}

fn own_kind_check(user: u32) -> Vec<Instruction> {
    let kind = vec![load_argument(0), instruction(JUMP_IF_EQUAL, user, 2, 0)];
    kind.into_iter().chain(own_number_check(1)).collect()
}

fn mode_check(flags: Option<u32>, mode: u32) -> Vec<Instruction> {
    let mut check = Vec::new();
    if let Some(flags) = flags {
        check.extend([load_argument(flags), instruction(JUMP_IF_ANY_BIT, MAKES_FILE, 1, 0), allow()]);
    }
    check.extend([load_argument(mode), instruction(JUMP_IF_ANY_BIT, SET_ID, 0, 1), refuse(libc::EPERM), allow()]);
    check
}

/// A binary search over sorted calls; each ends in its own return, all others are allowed.
fn search(calls: &[(u32, Vec<Instruction>)]) -> Vec<Instruction> {
    const JUMP: &str = "a subtree is shorter than a jump";
    let mut program = Vec::new();
    if calls.len() <= 2 {
        for (call, body) in calls {
            let over = u8::try_from(body.len()).expect(JUMP);
            program.push(instruction(JUMP_IF_EQUAL, *call, 0, over));
            program.extend(body.iter().cloned());
        }
        program.push(allow());
        return program;
    }
    let (lower, upper) = calls.split_at(calls.len() / 2);
    let lower = search(lower);
    let over = u8::try_from(lower.len()).expect(JUMP);
    program.push(instruction(JUMP_IF_AT_LEAST, upper[0].0, over, 0));
    program.extend(lower);
    program.extend(search(upper));
    program
}

fn number(call: libc::c_long) -> u32 {
    u32::try_from(call).expect("call numbers are small")
}

fn instruction(code: u16, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code, jt, jf, k }
}

fn allow() -> Instruction {
    instruction(RETURN, ALLOW, 0, 0)
}

fn refuse(errno: i32) -> Instruction {
    instruction(RETURN, 0x0005_0000 | errno.cast_unsigned(), 0, 0)
}

/// The low half of an argument (little endian).
fn load_argument(index: u32) -> Instruction {
    instruction(LOAD, OFFSET_ARGUMENTS + 8 * index, 0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would return for a call.
    fn verdict(program: &[Instruction], architecture: u32, call: u32, arguments: [u32; 4]) -> u32 {
        let (mut at, mut loaded) = (0, 0);
        loop {
            let step = &program[at];
            at += 1;
            let jump = |yes: bool| usize::from(if yes { step.jt } else { step.jf });
            match step.code {
                LOAD => {
                    loaded = match step.k {
                        OFFSET_CALL => call,
                        OFFSET_ARCHITECTURE => architecture,
                        argument => arguments[(argument - OFFSET_ARGUMENTS) as usize / 8],
                    }
                }
                JUMP_IF_EQUAL => at += jump(loaded == step.k),
                JUMP_IF_AT_LEAST => at += jump(loaded >= step.k),
                JUMP_IF_ANY_BIT => at += jump(loaded & step.k != 0),
                _ => return step.k,
            }
        }
    }

    const fn walls(network: bool, namespaces: bool) -> Walls {
        Walls { network, namespaces }
    }

    fn of(network: bool, call: libc::c_long, arguments: [u32; 4]) -> u32 {
        verdict(&program(walls(network, true)), ARCHITECTURE, number(call), arguments)
    }

    fn without_namespaces(network: bool, call: libc::c_long, arguments: [u32; 4]) -> u32 {
        verdict(&program(walls(network, false)), ARCHITECTURE, number(call), arguments)
    }

    const EPERM: u32 = 0x0005_0000 | libc::EPERM as u32;
    const ENOSYS: u32 = 0x0005_0000 | libc::ENOSYS as u32;

    #[test]
    fn every_named_call_is_refused_and_its_neighbours_are_not() {
        let by_argument = [libc::SYS_clone3, libc::SYS_clone, libc::SYS_ioctl, libc::SYS_socket];
        for namespaces in [true, false] {
            let mut named: Vec<u32> = REFUSED.iter().map(|call| number(*call)).collect();
            let mut special: Vec<u32> = by_argument.map(number).to_vec();
            if !namespaces {
                named.extend(REFUSED_WITHOUT_NAMESPACES.map(number));
                special.extend(ONLY_ON_ITSELF.map(|(call, _)| number(call)));
                special.extend(ONLY_ON_ITS_OWN.map(|(call, _)| number(call)));
                special.extend(SETS_MODE.iter().map(|(call, ..)| number(*call)));
                special.push(number(libc::SYS_openat2));
            }
            let program = program(walls(false, namespaces));
            for call in (0..600).filter(|call| !special.contains(call)) {
                let expected = if named.contains(&call) { EPERM } else { ALLOW };
                assert_eq!(verdict(&program, ARCHITECTURE, call, [0, 0, 0, 0]), expected, "call {call}");
            }
        }
    }

    #[test]
    fn with_namespaces_the_supervisor_keeps_its_limits() {
        assert_eq!(of(true, libc::SYS_prlimit64, [1, 0, 0, 0]), EPERM);
        assert_eq!(of(true, libc::SYS_prlimit64, [2, 0, 0, 0]), ALLOW);
    }

    #[test]
    fn without_namespaces_more_is_refused() {
        for network in [false, true] {
            let sockets =
                |family: i32| without_namespaces(network, libc::SYS_socket, [family.cast_unsigned(), 0, 0, 0]);
            assert_eq!(sockets(libc::AF_UNIX), EPERM);
            assert_eq!(sockets(libc::AF_INET), if network { ALLOW } else { EPERM });
            assert_eq!(sockets(libc::AF_INET6), if network { ALLOW } else { EPERM });
            assert_eq!(sockets(libc::AF_NETLINK), EPERM);
        }
        for (call, argument) in ONLY_ON_ITSELF {
            let mut arguments = [0; 4];
            assert_eq!(without_namespaces(true, call, arguments), ALLOW, "call {call} on itself");
            arguments[argument as usize] = 77;
            assert_eq!(without_namespaces(true, call, arguments), EPERM, "call {call} on another");
            assert_eq!(of(true, call, arguments), ALLOW, "call {call} where others have no number");
        }
        for (call, user) in ONLY_ON_ITS_OWN {
            assert_eq!(without_namespaces(true, call, [1, 0, 0, 0]), ALLOW, "call {call} on itself");
            assert_eq!(without_namespaces(true, call, [1, 77, 0, 0]), EPERM, "call {call} on another");
            assert_eq!(without_namespaces(true, call, [user, 0, 0, 0]), EPERM, "call {call} on all of its user");
        }
        assert_eq!(without_namespaces(true, libc::SYS_socketpair, [libc::AF_UNIX as u32, 0, 0, 0]), ALLOW);
    }

    #[test]
    fn without_namespaces_no_file_takes_its_owners_rights_along() {
        for (call, flags, mode) in SETS_MODE {
            let asked = |makes: i32, bits: u32| {
                let mut arguments = [0; 4];
                if let Some(flags) = flags {
                    arguments[*flags as usize] = makes.cast_unsigned();
                }
                arguments[*mode as usize] = bits;
                without_namespaces(false, *call, arguments)
            };
            for makes in [libc::O_CREAT, libc::O_TMPFILE] {
                assert_eq!(asked(makes, 0o755), ALLOW, "call {call}");
                assert_eq!(asked(makes, 0o4755), EPERM, "call {call}");
                assert_eq!(asked(makes, 0o2755), EPERM, "call {call}");
            }
            if flags.is_some() {
                assert_eq!(
                    asked(libc::O_DIRECTORY, 0o4755),
                    ALLOW,
                    "call {call} makes nothing: what looks like a mode is chance"
                );
            }
        }
        assert_eq!(without_namespaces(false, libc::SYS_openat2, [0; 4]), ENOSYS);
    }

    #[test]
    fn arguments_decide_where_they_should() {
        let inet = libc::AF_INET as u32;
        assert_eq!(of(false, libc::SYS_socket, [libc::AF_UNIX as u32, 0, 0, 0]), ALLOW);
        assert_eq!(of(false, libc::SYS_socket, [inet, 0, 0, 0]), EPERM);
        assert_eq!(of(true, libc::SYS_socket, [inet, 0, 0, 0]), ALLOW);
        assert_eq!(of(true, libc::SYS_socket, [libc::AF_INET6 as u32, 0, 0, 0]), ALLOW);
        assert_eq!(of(true, libc::SYS_socket, [libc::AF_PACKET as u32, 0, 0, 0]), EPERM);
        assert_eq!(of(true, libc::SYS_clone, [libc::CLONE_NEWUSER as u32, 0, 0, 0]), EPERM);
        assert_eq!(of(true, libc::SYS_clone, [libc::CLONE_VM as u32, 0, 0, 0]), ALLOW);
        assert_eq!(of(true, libc::SYS_clone3, [0, 0, 0, 0]), ENOSYS);
        assert_eq!(of(true, libc::SYS_ioctl, [0, TIOCSTI, 0, 0]), EPERM);
        assert_eq!(of(true, libc::SYS_ioctl, [0, TIOCLINUX, 0, 0]), EPERM);
        assert_eq!(of(true, libc::SYS_ioctl, [0, 0x5401, 0, 0]), ALLOW);
    }

    #[test]
    fn foreign_calling_conventions_do_not_pass() {
        let program = program(walls(true, true));
        assert_eq!(verdict(&program, 0x4000_0003, 0, [0, 0, 0, 0]), KILL_PROCESS);
        if cfg!(target_arch = "x86_64") {
            assert_eq!(verdict(&program, ARCHITECTURE, X32_BIT, [0, 0, 0, 0]), ENOSYS);
        }
    }
}
