//! The seccomp program of a handler.
//!
//! Owns which system calls a handler may not make. The program is laid out as a binary search over the call numbers, because a linear one
//! takes the kernel half a millisecond to prepare. It allows what it does not name: the wall is made of namespaces, users and capabilities,
//! and this closes what leads around them.

use nix::libc;
use seccompiler::sock_filter as Instruction;

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

/// The program. With `network` sockets of both internet families may be made, and always unix ones; no other family, ever.
pub(super) fn program(network: bool) -> Vec<Instruction> {
    let mut calls: Vec<(u32, Vec<Instruction>)> =
        REFUSED.iter().map(|call| (number(*call), vec![refuse(libc::EPERM)])).collect();
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
    calls.push((number(libc::SYS_socket), socket_check(network)));
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

fn socket_check(network: bool) -> Vec<Instruction> {
    let families: &[i32] = if network { &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6] } else { &[libc::AF_UNIX] };
    let mut check = vec![load_argument(0)];
    for (family, to_allow) in families.iter().zip((1..=families.len()).rev()) {
        let jump = u8::try_from(to_allow).expect("there are at most three families");
        check.push(instruction(JUMP_IF_EQUAL, family.cast_unsigned(), jump, 0));
    }
    check.push(refuse(libc::EPERM));
    check.push(allow());
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
    fn verdict(program: &[Instruction], architecture: u32, call: u32, arguments: [u32; 2]) -> u32 {
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
                        OFFSET_ARGUMENTS => arguments[0],
                        _ => arguments[1],
                    }
                }
                JUMP_IF_EQUAL => at += jump(loaded == step.k),
                JUMP_IF_AT_LEAST => at += jump(loaded >= step.k),
                JUMP_IF_ANY_BIT => at += jump(loaded & step.k != 0),
                _ => return step.k,
            }
        }
    }

    fn of(network: bool, call: libc::c_long, arguments: [u32; 2]) -> u32 {
        verdict(&program(network), ARCHITECTURE, number(call), arguments)
    }

    const EPERM: u32 = 0x0005_0000 | libc::EPERM as u32;
    const ENOSYS: u32 = 0x0005_0000 | libc::ENOSYS as u32;

    #[test]
    fn every_named_call_is_refused_and_its_neighbours_are_not() {
        let named: Vec<u32> = REFUSED.iter().map(|call| number(*call)).collect();
        let special = [libc::SYS_clone3, libc::SYS_clone, libc::SYS_ioctl, libc::SYS_socket].map(number);
        let program = program(false);
        for call in 0..600 {
            if special.contains(&call) {
                continue;
            }
            let expected = if named.contains(&call) { EPERM } else { ALLOW };
            assert_eq!(verdict(&program, ARCHITECTURE, call, [0, 0]), expected, "call {call}");
        }
    }

    #[test]
    fn arguments_decide_where_they_should() {
        let inet = libc::AF_INET as u32;
        assert_eq!(of(false, libc::SYS_socket, [libc::AF_UNIX as u32, 0]), ALLOW);
        assert_eq!(of(false, libc::SYS_socket, [inet, 0]), EPERM);
        assert_eq!(of(true, libc::SYS_socket, [inet, 0]), ALLOW);
        assert_eq!(of(true, libc::SYS_socket, [libc::AF_INET6 as u32, 0]), ALLOW);
        assert_eq!(of(true, libc::SYS_socket, [libc::AF_PACKET as u32, 0]), EPERM);
        assert_eq!(of(true, libc::SYS_clone, [libc::CLONE_NEWUSER as u32, 0]), EPERM);
        assert_eq!(of(true, libc::SYS_clone, [libc::CLONE_VM as u32, 0]), ALLOW);
        assert_eq!(of(true, libc::SYS_clone3, [0, 0]), ENOSYS);
        assert_eq!(of(true, libc::SYS_ioctl, [0, TIOCSTI]), EPERM);
        assert_eq!(of(true, libc::SYS_ioctl, [0, TIOCLINUX]), EPERM);
        assert_eq!(of(true, libc::SYS_ioctl, [0, 0x5401]), ALLOW);
    }

    #[test]
    fn foreign_calling_conventions_do_not_pass() {
        let program = program(true);
        assert_eq!(verdict(&program, 0x4000_0003, 0, [0, 0]), KILL_PROCESS);
        if cfg!(target_arch = "x86_64") {
            assert_eq!(verdict(&program, ARCHITECTURE, X32_BIT, [0, 0]), ENOSYS);
        }
    }
}
