//! What a handler can and cannot do, with real processes.
//!
//! As root, every test runs a second time as an ordinary user (`the_same_holds_for_an_ordinary_user`).

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use codex_dispatch::job::Level;
use codex_dispatch::run::sandbox::{
    Cause, Control, Ending, Given, Launch, Limits, Mount, RunError, Slot, SlotSetup, Stopped, Stream, User, sweep,
};
use nix::mount::{MntFlags, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
use tempfile::TempDir;

/// Longer than anything takes on a machine that is merely busy.
const DEADLINE: Duration = Duration::from_mins(2);
const UID: u32 = 60720;
const ALL: [Level; 3] = [Level::None, Level::Confined, Level::Isolated];
/// Those that have walls.
const WALLED: [Level; 2] = [Level::Confined, Level::Isolated];

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn keeper() -> PathBuf {
    std::env::var_os("SANDBOX_TEST_KEEPER").map_or_else(|| env!("CARGO_BIN_EXE_dispatch").into(), PathBuf::from)
}

/// A slot, and a work folder that its jobs may write to.
struct Bench {
    slot: Slot,
    level: Level,
    folder: TempDir,
}

/// A mount of the test's own.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

struct Ran {
    ending: Ending,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn code(&self) -> i32 {
        match &self.ending.cause {
            Cause::Exited(code) => *code,
            other => panic!("{other:?}\n{}{}", self.stdout, self.stderr),
        }
    }
}

impl Bench {
    fn new(level: Level) -> Self {
        Self::with(level, |_| {})
    }

    fn with(level: Level, change: impl FnOnce(&mut SlotSetup)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let work = folder.path().join("work");
        fs::create_dir(&work).unwrap();
        if is_root() {
            chown(&work, Some(UID), Some(UID)).unwrap();
        }
        let mut setup = SlotSetup { index: 1, level, network: false, keeper: keeper(), cgroup_name: None };
        change(&mut setup);
        let slot = Slot::start(&setup).unwrap();
        Self { slot, level, folder }
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// A shell script in the work folder.
    fn script(&self, script: &str) -> Launch {
        let isolated = self.level == Level::Isolated;
        Launch {
            argv: ["/bin/sh", "-c", script].map(String::from).into(),
            env: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
            cwd: if isolated { "/work".into() } else { self.work() },
            stdin: Vec::new(),
            mounts: match self.level {
                Level::Isolated => vec![mount(&self.work(), "/work", true)],
                Level::Confined => vec![shown(&self.work(), true)],
                Level::None => Vec::new(),
            },
            empty_dirs: Vec::new(),
            files: Vec::new(),
            scratch: Vec::new(),
            refresh: None,
            watched: Vec::new(),
            user: is_root().then(|| User::unnamed(UID)),
            tcp_ports: None,
            secrets: Vec::new(),
            secrets_dir: "/run/secrets".into(),
            limits: Limits {
                timeout: DEADLINE,
                grace: DEADLINE,
                memory: 0,
                pids: 0,
                cpu_time: None,
                tmp: 16 << 20,
                file_size: 0,
                nofile: 0,
            },
            locks: Vec::new(),
        }
    }

    fn run(&mut self, launch: Launch) -> Ran {
        self.try_run(launch, &Control::new().unwrap()).unwrap()
    }

    fn try_run(&mut self, launch: Launch, control: &Control) -> Result<Ran, RunError> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut sink = |stream, bytes: &[u8]| match stream {
            Stream::Stdout => stdout.extend_from_slice(bytes),
            Stream::Stderr => stderr.extend_from_slice(bytes),
        };
        let ending = self.slot.run(launch, &mut sink, control)?;
        Ok(Ran {
            ending,
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        })
    }

    fn sh(&mut self, script: &str) -> Ran {
        let launch = self.script(script);
        self.run(launch)
    }

    /// Runs while `meanwhile` looks on from another thread. It is called when the handler has written its first line, and gets it.
    fn run_watched(
        &mut self,
        launch: Launch,
        control: &Control,
        meanwhile: impl FnOnce(&str) + Send,
    ) -> Result<Ending, RunError> {
        let (says, hears) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let line: String = hears.recv_timeout(DEADLINE).unwrap();
                meanwhile(line.trim());
            });
            let mut sink = |_, bytes: &[u8]| {
                let _ = says.send(String::from_utf8_lossy(bytes).into_owned());
            };
            self.slot.run(launch, &mut sink, control)
        })
    }
}

fn mount(source: &Path, target: &str, writable: bool) -> Mount {
    Mount { source: source.into(), target: target.into(), writable }
}

/// Granted where it lies.
fn shown(path: &Path, writable: bool) -> Mount {
    Mount { source: path.into(), target: path.into(), writable }
}

/// Waits until nobody holds the lock. Not at once: a child that another test is starting has copies of our descriptors until it executes.
fn wait_unlocked(path: &Path) {
    let (says, hears) = mpsc::channel();
    let file = File::open(path).unwrap();
    std::thread::spawn(move || {
        let _ = says.send(file.lock());
    });
    hears.recv_timeout(DEADLINE).expect("still locked").unwrap();
}

fn is_locked(path: &Path) -> bool {
    File::open(path).unwrap().try_lock().is_err()
}

// How a job ends.

#[test]
fn exit_codes_and_signals_come_back() {
    for level in ALL {
        let mut bench = Bench::new(level);
        for code in [0, 1, 77, 255] {
            assert_eq!(bench.sh(&format!("exit {code}")).ending.cause, Cause::Exited(code));
        }
        assert_eq!(bench.sh("kill -SEGV $$").ending.cause, Cause::Signaled(11));
    }
}

#[test]
fn a_command_that_cannot_start_says_why() {
    for level in ALL {
        let mut bench = Bench::new(level);
        let mut launch = bench.script("");
        launch.argv = vec!["/nonexistent/command".into()];
        let Cause::NotStarted(why) = bench.run(launch).ending.cause else {
            panic!("it started");
        };
        assert!(why.contains("/nonexistent/command") && why.contains("No such file"), "{why}");
        let mut launch = bench.script("");
        launch.cwd = "/nonexistent/folder".into();
        let Cause::NotStarted(why) = bench.run(launch).ending.cause else {
            panic!("it started");
        };
        assert!(why.contains("/nonexistent/folder"), "{why}");
    }
}

#[test]
fn a_timeout_that_is_honoured_leaves_the_handlers_own_code() {
    for level in ALL {
        let mut bench = Bench::new(level);
        let mut launch = bench.script("trap 'echo bye; exit 3' TERM; while :; do sleep 0.01; done");
        launch.limits.timeout = Duration::from_millis(300);
        let ran = bench.run(launch);
        assert!(ran.ending.timed_out && ran.ending.stopped.is_none());
        assert_eq!(ran.code(), 3);
        assert_eq!(ran.stdout, "bye\n");
    }
}

#[test]
fn who_ignores_term_is_killed_after_the_grace() {
    for level in ALL {
        let mut bench = Bench::new(level);
        let mut launch = bench.script("trap '' TERM; (trap '' TERM; sleep 100000) & wait; sleep 100000");
        launch.limits.timeout = Duration::from_millis(50);
        launch.limits.grace = Duration::from_millis(50);
        let ran = bench.run(launch);
        assert!(ran.ending.timed_out);
        assert_eq!(ran.ending.cause, Cause::Signaled(9));
    }
}

#[test]
fn stop_terminates_and_kill_kills() {
    for level in ALL {
        let mut bench = Bench::new(level);
        let control = Control::new().unwrap();
        let script = "trap 'exit 4' TERM; echo up; while :; do sleep 0.01; done";
        let stopped = bench.run_watched(bench.script(script), &control.clone(), |_| control.stop());
        let stopped = stopped.unwrap();
        assert_eq!(stopped.cause, Cause::Exited(4));
        assert!(stopped.stopped == Some(Stopped::WithAll) && !stopped.timed_out);

        let control = Control::new().unwrap();
        let script = "trap '' TERM; echo up; while :; do sleep 0.01; done";
        let killed = bench.run_watched(bench.script(script), &control.clone(), |_| {
            control.stop();
            control.kill();
        });
        let killed = killed.unwrap();
        assert_eq!(killed.cause, Cause::Signaled(9));
        assert!(killed.stopped == Some(Stopped::WithAll));
        assert_eq!(bench.sh("exit 5").code(), 5, "the slot lives on");
    }
}

#[test]
fn a_control_that_was_stopped_before_stops_at_once() {
    for level in ALL {
        let mut bench = Bench::new(level);
        let control = Control::new().unwrap();
        control.kill();
        let launch = bench.script("sleep 100000");
        assert!(bench.try_run(launch, &control).unwrap().ending.stopped.is_some());
    }
}

// What goes in and out.

#[test]
fn standard_input_arrives_whole() {
    for level in ALL {
        let mut bench = Bench::new(level);
        let mut launch = bench.script("cat");
        launch.stdin = (0..1 << 20).map(|byte: u32| b'a' + (byte % 23) as u8).collect();
        let sent = String::from_utf8(launch.stdin.clone()).unwrap();
        let ran = bench.run(launch);
        assert!(ran.stdout == sent, "{} bytes of {}", ran.stdout.len(), sent.len());
        assert_eq!(bench.sh("cat; echo end").stdout, "end\n");
    }
}

#[test]
fn both_streams_are_told_apart_and_can_be_opened_again() {
    for level in ALL {
        let mut bench = Bench::new(level);
        let ran = bench.sh("echo out; echo err >&2; echo again > /dev/stdout; echo more > /dev/stderr");
        assert_eq!(ran.stdout, "out\nagain\n");
        assert_eq!(ran.stderr, "err\nmore\n");
    }
}

#[test]
fn much_output_comes_whole() {
    for level in ALL {
        let mut bench = Bench::new(level);
        let ran = bench.sh("head -c 3000000 /dev/zero | tr '\\0' x; head -c 3000000 /dev/zero >&2");
        assert_eq!((ran.stdout.len(), ran.stderr.len()), (3_000_000, 3_000_000));
    }
}

#[test]
fn the_environment_and_descriptors_are_what_was_asked_for() {
    for level in ALL {
        let mut bench = Bench::new(level);
        let mut launch = bench.script("");
        launch.argv = vec!["env".into()];
        launch.env.push(("ODD".into(), "a = b\nc".into()));
        let ran = bench.run(launch);
        assert_eq!(ran.stdout, "ODD=a = b\nc\nPATH=/usr/local/bin:/usr/bin:/bin\n");
        let mut launch = bench.script("");
        launch.argv = ["ls", "/proc/self/fd"].map(String::from).into();
        // One that is open across executions, as whoever started us may have left it.
        let leaked = File::open("/dev/null").unwrap();
        rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
        let mut bench = Bench::new(level);
        // The fourth is ls's own, on the folder.
        assert_eq!(bench.run(launch).stdout, "0\n1\n2\n3\n");
    }
}

#[test]
fn the_working_folder_is_the_one_asked_for() {
    for level in ALL {
        let mut bench = Bench::new(level);
        let launch = bench.script("pwd; echo x > made");
        let cwd = launch.cwd.clone();
        assert_eq!(bench.run(launch).stdout.trim(), cwd.to_str().unwrap());
        assert_eq!(fs::read(bench.work().join("made")).unwrap(), b"x\n");
    }
}

#[test]
fn secrets_are_private_files_that_go_away() {
    for level in ALL {
        let mut bench = Bench::new(level);
        let mut launch = bench.script("");
        if level != Level::Isolated {
            launch.secrets_dir = bench.work().join("secrets");
        }
        let folder = launch.secrets_dir.display().to_string();
        launch.argv[2] = format!("cd {folder} && ls && cat TOKEN && stat -c %a TOKEN && ! echo x 2>/dev/null > TOKEN");
        launch.secrets = vec![("TOKEN".into(), b"s3cret\n".to_vec())];
        let ran = bench.run(launch);
        assert_eq!(ran.stdout, "TOKEN\ns3cret\n400\n", "{}", ran.stderr);
        assert_eq!(ran.code(), 0);
        assert!(!bench.work().join("secrets").exists());
        assert_ne!(bench.sh(&format!("cat {folder}/TOKEN")).code(), 0);
    }
}

#[test]
fn secrets_go_away_with_a_killed_supervisor_too() {
    for level in [Level::None, Level::Confined] {
        let mut bench = Bench::new(level);
        let keepers = children();
        let mut launch = bench.script("echo up; exec sleep 100000");
        launch.secrets_dir = bench.folder.path().join("secrets");
        launch.secrets = vec![("TOKEN".into(), b"s3cret".to_vec())];
        let folder = launch.secrets_dir.clone();
        let error = bench.run_watched(launch, &Control::new().unwrap(), |_| {
            assert!(folder.join("TOKEN").exists());
            let supervisors = with_parent(|parent| keepers.contains(&parent));
            let supervisor = nix::unistd::Pid::from_raw(supervisors[0]);
            nix::sys::signal::kill(supervisor, nix::sys::signal::Signal::SIGKILL).unwrap();
        });
        assert!(matches!(error, Err(RunError::Lost { .. })), "{level:?}");
        assert!(!folder.exists(), "{level:?}");
    }
}

// What is left of a job: nothing.

#[test]
fn daemons_do_not_outlive_their_job() {
    for level in ALL {
        let mut bench = Bench::new(level);
        // setsid and a double fork; the daemon holds a lock of its own and keeps no descriptor of ours.
        let ran = bench.sh("exec 9> lock; flock 9; mkfifo up; \
             setsid sh -c '(trap \"\" TERM HUP; echo up > up; exec sleep 100000) > /dev/null 2>&1 < /dev/null &' & \
             read line < up; exit 6");
        assert_eq!(ran.code(), 6);
        wait_unlocked(&bench.work().join("lock"));
    }
}

#[test]
fn locks_are_held_until_the_whole_job_has_gone() {
    for level in ALL {
        let mut bench = Bench::new(level);
        let path = bench.folder.path().join("lock");
        let lock = File::create(&path).unwrap();
        lock.lock().unwrap();
        let mut launch = bench.script("echo up; while [ ! -e go ]; do sleep 0.01; done");
        launch.locks = vec![lock];
        let go = bench.work().join("go");
        let ending = bench.run_watched(launch, &Control::new().unwrap(), |_| {
            assert!(is_locked(&path));
            fs::write(go, "").unwrap();
        });
        assert_eq!(ending.unwrap().cause, Cause::Exited(0));
        wait_unlocked(&path);
    }
}

#[test]
fn a_killed_dispatcher_takes_its_jobs_along() {
    for level in ["none", "confined", "isolated"] {
        let folder = tempfile::tempdir().unwrap();
        let lock = folder.path().join("lock");
        let mut dispatcher = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "helper_dispatcher", "--ignored", "--nocapture"])
            .env("SANDBOX_TEST_LOCK", &lock)
            .env("SANDBOX_TEST_LEVEL", level)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(dispatcher.stdout.take().unwrap()).lines();
        let work = lines
            .find_map(|line| Some(line.unwrap().split_once("up in ")?.1.to_owned()))
            .expect("the handler has started");
        let held_by_handler = Path::new(&work).join("held");
        assert!(is_locked(&lock) && is_locked(&held_by_handler));
        dispatcher.kill().unwrap();
        dispatcher.wait().unwrap();
        wait_unlocked(&lock);
        assert!(!is_locked(&held_by_handler), "{level}: the lock went before the work did");
        fs::remove_dir_all(Path::new(&work).parent().unwrap()).unwrap();
    }
}

/// Not a test but the dispatcher that `a_killed_dispatcher_takes_its_jobs_along` kills.
#[test]
#[ignore = "a part of another test"]
fn helper_dispatcher() {
    let level = Level::from_word(&std::env::var("SANDBOX_TEST_LEVEL").unwrap()).unwrap();
    let mut bench = Bench::new(level);
    let lock = File::create(std::env::var_os("SANDBOX_TEST_LOCK").unwrap()).unwrap();
    lock.lock().unwrap();
    let mut launch =
        bench.script("trap '' TERM; exec 9> held; flock 9; setsid sleep 100000 & echo up; wait; sleep 100000");
    launch.locks = vec![lock];
    let work = bench.work();
    let mut sink = |_, _: &[u8]| {
        println!("up in {}", work.display());
        std::io::stdout().flush().unwrap();
    };
    bench.slot.run(launch, &mut sink, &Control::new().unwrap()).unwrap();
}

#[test]
fn a_killed_keeper_is_an_error_and_then_started_again() {
    let mut bench = Bench::new(Level::Isolated);
    let before = children();
    assert!(!before.is_empty());
    let control = Control::new().unwrap();
    let launch = bench.script("echo up; sleep 100000");
    let error = bench.run_watched(launch, &control, |_| {
        // Its pid 1 of the slot, below the process that is our child.
        let keeper =
            with_parent(|parent| before.contains(&parent)).into_iter().find(|pid| is_our_keeper(*pid, &before));
        let keeper = nix::unistd::Pid::from_raw(keeper.unwrap());
        nix::sys::signal::kill(keeper, nix::sys::signal::Signal::SIGKILL).unwrap();
    });
    let error = error.unwrap_err();
    assert!(matches!(error, RunError::Lost { .. }), "{error}");
    assert_eq!(bench.sh("exit 8").code(), 8);
}

/// What waits for a job and is ended from outside costs that job nothing.
#[test]
fn a_pid_1_that_is_killed_before_its_job_is_replaced() {
    let mut bench = Bench::new(Level::Isolated);
    for _ in 0..3 {
        let stubs = children();
        let keepers = with_parent(|parent| stubs.contains(&parent));
        let waiting = loop {
            let newest = with_parent(|parent| keepers.contains(&parent)).into_iter().max();
            let handle = newest.and_then(rustix::process::Pid::from_raw);
            if let Some(handle) = handle.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) {
                break handle;
            }
            std::thread::yield_now();
        };
        pidfd_send_signal(&waiting, rustix::process::Signal::KILL).unwrap();
        // Readable when it has ended, its socket closed.
        let mut watched = [PollFd::new(waiting.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut watched, PollTimeout::try_from(DEADLINE).unwrap()), Ok(1));
        assert_eq!(bench.sh("exit 8").code(), 8);
    }
}

/// Tests may run in parallel in one process: each keeper is told by the thread that has started it.
fn children() -> Vec<i32> {
    let own = format!("/proc/self/task/{}/children", nix::unistd::gettid());
    let pids = fs::read_to_string(own).unwrap();
    pids.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn with_parent(is: impl Fn(i32) -> bool) -> Vec<i32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| {
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
            is(parent).then(|| entry.file_name().to_str()?.parse().ok())?
        })
        .collect()
}

fn is_our_keeper(pid: i32, stubs: &[i32]) -> bool {
    with_parent(|parent| stubs.contains(&parent)).contains(&pid)
}

// The view of an isolated job.

#[test]
fn what_is_mounted_read_only_cannot_be_written() {
    let mut bench = Bench::new(Level::Isolated);
    let snapshot = bench.folder.path().join("snapshot");
    for place in ["logs", "requests"] {
        fs::create_dir_all(snapshot.join(place)).unwrap();
    }
    fs::write(snapshot.join("file"), "kept").unwrap();
    fs::set_permissions(&snapshot, fs::Permissions::from_mode(0o777)).unwrap();
    let log = bench.folder.path().join("log");
    fs::create_dir(&log).unwrap();
    fs::set_permissions(&log, fs::Permissions::from_mode(0o777)).unwrap();
    let mut launch = bench.script(
        "cat /repo/file; echo; ls /repo/logs; cat /repo/requests/team/a.yml; echo in > /repo/logs/one/made; \
         rm -f /repo/requests/team/a.yml 2> /dev/null && echo removed; \
         for place in /repo/new /repo/file /repo/logs/new /repo/requests/new /repo/requests/team/a.yml /usr/new /etc/passwd /new /dev/new /run/new; do \
           if echo x 2> /dev/null > $place; then echo \"wrote $place\"; fi; done",
    );
    launch.mounts.push(mount(&snapshot, "/repo", false));
    launch.empty_dirs.extend(["/repo/logs", "/repo/requests"].map(PathBuf::from));
    launch.files.push(Given { place: "/repo/requests/team/a.yml".into(), bytes: b"given\n".to_vec() });
    launch.mounts.push(mount(&log, "/repo/logs/one", true));
    let ran = bench.run(launch);
    assert_eq!(ran.stdout, "kept\none\ngiven\n", "{}", ran.stderr);
    assert_eq!(fs::read_to_string(log.join("made")).unwrap(), "in\n");
    assert_eq!(fs::read_to_string(snapshot.join("file")).unwrap(), "kept");
}

/// Also what was mounted when the next job's root had been laid out already.
#[test]
fn what_the_host_mounts_later_is_shown_with_the_same_flags() {
    use nix::mount::MsFlags;
    if !is_root() {
        return;
    }
    let tmpfs = |place: &Path| {
        let none: Option<&str> = None;
        nix::mount::mount(Some("tmpfs"), place, Some("tmpfs"), MsFlags::empty(), Some("mode=777,size=1m")).unwrap();
        // Else nothing that is mounted below it reaches those who copied it before.
        nix::mount::mount(none, place, none, MsFlags::MS_SHARED, none).unwrap();
        Mounted(place.to_owned())
    };
    let folder = tempfile::tempdir().unwrap();
    let _above = tmpfs(folder.path());
    let mut bench = Bench::new(Level::Isolated);
    // The last thing that is opened before its job comes is the root that has been laid out.
    let stubs = children();
    let keepers = with_parent(|parent| stubs.contains(&parent));
    let is_laid_out = |pid: i32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        open.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|path| path.ends_with("new"))
    };
    while !with_parent(|parent| keepers.contains(&parent)).into_iter().any(is_laid_out) {
        std::thread::yield_now();
    }
    let later = folder.path().join("later");
    fs::create_dir(&later).unwrap();
    let _below = tmpfs(&later);
    fs::write(later.join("file"), "there").unwrap();
    let mut launch = bench.script("cat /data/later/file && echo x > /data/later/file");
    launch.mounts.push(mount(folder.path(), "/data", false));
    let ran = bench.run(launch);
    assert_eq!(ran.stdout, "there");
    assert!(ran.stderr.contains("Read-only"), "{}", ran.stderr);
}

#[test]
fn a_single_file_can_be_granted() {
    let mut bench = Bench::new(Level::Isolated);
    let file = bench.folder.path().join("settings");
    fs::write(&file, "on").unwrap();
    let mut launch = bench.script("cat /srv/app/settings; ls /srv /srv/app");
    launch.mounts.push(mount(&file, "/srv/app/settings", false));
    assert_eq!(bench.run(launch).stdout, "on/srv:\napp\n\n/srv/app:\nsettings\n");
    // And the next job of the slot sees nothing of it.
    assert_ne!(bench.sh("ls /srv").code(), 0);
}

#[test]
fn a_source_that_is_missing_is_named() {
    let mut bench = Bench::new(Level::Isolated);
    let mut launch = bench.script("true");
    launch.mounts.push(mount(Path::new("/nonexistent/data"), "/data", false));
    let error = bench.try_run(launch, &Control::new().unwrap()).err().unwrap();
    assert!(matches!(error, RunError::Unavailable(_)));
    assert!(error.to_string().contains("/nonexistent/data"), "{error}");
}

#[test]
fn links_of_an_earlier_job_are_not_followed() {
    let mut bench = Bench::new(Level::Isolated);
    let outside = bench.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    bench.sh("ln -s /etc cache");
    let mut launch = bench.script("true");
    launch.mounts.push(mount(&outside, "/work/cache/deep", true));
    assert!(bench.try_run(launch, &Control::new().unwrap()).is_err());
}

#[test]
fn the_host_is_out_of_sight() {
    let mut bench = Bench::new(Level::Isolated);
    let hidden = bench.folder.path().join("hidden");
    fs::write(&hidden, "x").unwrap();
    let script = format!(
        "for place in /root /home /etc/shadow /etc/ssh /sys /host /.host /view /new /boot /proc/1/root/host {}; do \
           if [ -e $place ]; then echo \"sees $place\"; fi; done; \
         ls /; cut -d ' ' -f 5 /proc/self/mountinfo | grep -e '^/[.]*host' -e '^/view'; true",
        hidden.display()
    );
    let ran = bench.sh(&script);
    let seen: Vec<&str> = ran.stdout.lines().collect();
    let allowed = ["bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin", "tmp", "usr", "work"];
    let strange: Vec<_> = seen.iter().filter(|name| !allowed.contains(name)).collect();
    assert!(strange.is_empty(), "{strange:?}");
}

#[test]
fn other_processes_are_out_of_sight() {
    let mut bench = Bench::new(Level::Isolated);
    let ran = bench
        .sh("set -- /proc/[0-9]*; echo $#; cat /proc/1/environ /proc/1/maps 2> /dev/null; ls /proc/1/fd 2> /dev/null");
    // pid 1 and the shell; and of pid 1 nothing can be read.
    assert_eq!(ran.stdout, "2\n");
}

#[test]
fn a_job_has_no_rights() {
    let mut bench = Bench::new(Level::Isolated);
    let ran = bench.sh(
        "id -u; id -un; grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups)' /proc/self/status | tr -d '\\t'; umask; \
         for attempt in 'unshare -U true' 'unshare -m true' 'mount -t tmpfs x /tmp' 'mknod /tmp/sda b 8 0' 'kill -9 1; false' \
           'chroot / true' 'hostname other' 'umount /work' 'su root -c true'; do \
           if sh -c \"$attempt\" > /dev/null 2>&1 < /dev/null; then echo \"managed $attempt\"; fi; done",
    );
    let uid = if is_root() { UID } else { nix::unistd::geteuid().as_raw() };
    let expected = format!(
        "{uid}\njob\nGroups: \nCapInh:0000000000000000\nCapPrm:0000000000000000\nCapEff:0000000000000000\n\
         CapBnd:0000000000000000\nCapAmb:0000000000000000\nNoNewPrivs:1\nSeccomp:2\n0022\n"
    );
    assert_eq!(ran.stdout, expected, "{}", ran.stderr);
}

#[test]
fn without_network_nothing_is_reachable() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    let mut bench = Bench::new(Level::Isolated);
    let unix = bench.folder.path().join("socket");
    let _listener = UnixListener::bind(&unix).unwrap();
    let script = format!(
        "cat /proc/net/dev | grep -c :; \
         perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0) or exit 1; \
           connect(S, sockaddr_in({port}, inet_aton(\"127.0.0.1\"))) or exit 2' && echo tcp; \
         perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0) or exit 1; \
           connect(S, sockaddr_un(\"{}\")) or exit 2' && echo unix; ls /etc/resolv.conf 2> /dev/null; true",
        unix.display()
    );
    assert_eq!(bench.sh(&script).stdout, "1\n");
}

#[test]
fn with_network_the_host_is_reachable() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    let mut bench = Bench::with(Level::Isolated, |setup| setup.network = true);
    let ran = bench.sh(&format!(
        "perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0) or exit 1; \
           connect(S, sockaddr_in({port}, inet_aton(\"127.0.0.1\"))) or exit 2' && echo tcp; ls /etc/resolv.conf"
    ));
    assert_eq!(ran.stdout, "tcp\n/etc/resolv.conf\n", "{}", ran.stderr);
}

// The view of a confined job.

/// A folder of the host that everybody may read and write, with a file in it: only the walls keep a handler out.
fn open_folder(bench: &Bench) -> PathBuf {
    let outside = bench.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::set_permissions(&outside, fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(outside.join("canary"), "seen").unwrap();
    fs::set_permissions(outside.join("canary"), fs::Permissions::from_mode(0o666)).unwrap();
    outside
}

/// What a handler may not reach at `confined`, a line of shell each, which succeeds where it does.
fn ways_out(outside: &Path) -> String {
    let outside = outside.display();
    let attempts = [
        format!("cat {outside}/canary"),
        format!("echo x > {outside}/canary"),
        format!("echo x > {outside}/new"),
        format!("ls {outside}"),
        format!("ln {outside}/canary linked"),
        format!("mv {outside}/canary moved"),
        format!("ln -s {outside}/canary link && cat link"),
        format!("perl -e 'truncate(\"{outside}/canary\", 0) or exit 1'"),
        format!("perl -e 'mkdir \"{outside}/folder\" or exit 1'"),
        format!("{outside}/../work/../outside/program"),
        "ls /tmp".into(),
        "ls /dev/shm".into(),
        "ls /root".into(),
        "ls /home".into(),
        "ls /run".into(),
        "ls /etc".into(),
        "cat /etc/shadow".into(),
        "cat /etc/hostname".into(),
        "ls /proc".into(),
        "cat /proc/1/status".into(),
        "cat /proc/$PPID/cmdline".into(),
        "ls /proc/$PPID/fd".into(),
        "cat /proc/self/net/tcp".into(),
        "ls /sys".into(),
        "perl -e 'open(T, \"+<\", \"/dev/ptmx\") or exit 1'".into(),
        "kill -0 $PPID".into(),
        "ipcmk -Q".into(),
        "ipcmk -M 4096".into(),
        "renice 5 -p $PPID".into(),
        "taskset -p 1 $PPID".into(),
        "prlimit --pid $PPID --nofile=3:3".into(),
        "ionice -c 3 -p $PPID".into(),
        "touch mine && chmod 4755 mine".into(),
        "touch mine && chmod 2755 mine".into(),
        "unshare -U true".into(),
        "mount -t tmpfs x .".into(),
        "chroot . true".into(),
        "su root -c true".into(),
    ];
    let quoted = attempts.map(|attempt| format!("'{}'", attempt.replace('\'', r"'\''")));
    format!(
        "for attempt in {}; do if eval \"$attempt\" > /dev/null 2>&1 < /dev/null; then echo \"managed $attempt\"; fi; done",
        quoted.join(" ")
    )
}

#[test]
fn a_confined_job_reaches_what_it_was_granted_and_no_more() {
    let mut bench = Bench::new(Level::Confined);
    let outside = open_folder(&bench);
    fs::write(outside.join("program"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(outside.join("program"), fs::Permissions::from_mode(0o755)).unwrap();
    let ran = bench.sh(&ways_out(&outside));
    assert_eq!((ran.stdout.as_str(), ran.code()), ("", 0), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(outside.join("canary")).unwrap(), "seen");

    // The walls did it: granted, it can be read, then written.
    let names = "cat canary; echo; ./program && echo ran; echo x > new && echo wrote; true";
    let mut launch = bench.script(names);
    launch.cwd.clone_from(&outside);
    launch.mounts.push(shown(&outside, false));
    assert_eq!(bench.run(launch).stdout, "seen\nran\n");
    let mut launch = bench.script(names);
    launch.cwd.clone_from(&outside);
    launch.mounts.push(shown(&outside, true));
    assert_eq!(bench.run(launch).stdout, "seen\nran\nwrote\n");
    let mut launch = bench.script("cat canary");
    launch.mounts.push(shown(&outside.join("missing"), false));
    let error = bench.try_run(launch, &Control::new().unwrap()).err().unwrap();
    assert!(error.to_string().contains("missing"), "{error}");
}

/// The negative control: without walls most of these work, so that the test above tests something.
#[test]
fn without_walls_the_ways_out_are_open() {
    let mut bench = Bench::new(Level::None);
    let outside = open_folder(&bench);
    let ran = bench.sh(&ways_out(&outside));
    for open in [
        "cat ",
        "echo x > ",
        "ls /tmp",
        "ls /etc",
        "ls /proc",
        "cat /proc/1/status",
        "cat /proc/self/net/tcp",
        "ipcmk -Q",
        "touch mine",
    ] {
        assert!(ran.stdout.contains(&format!("managed {open}")), "{open}: {}", ran.stdout);
    }
    if !is_root() {
        for open in ["kill -0", "renice", "taskset", "prlimit", "ionice"] {
            assert!(ran.stdout.contains(&format!("managed {open}")), "{open}: {}", ran.stdout);
        }
    }
    bench.sh("for kind in q m; do ipcs -$kind | awk -v me=$(id -un) '$3 == me { print $2 }' | xargs -r -n 1 ipcrm -$kind; done");
}

#[test]
fn a_confined_job_finds_what_programs_need() {
    let mut bench = Bench::new(Level::Confined);
    let ran = bench.sh(
        "id -u > /dev/null && echo x > /dev/null && head -c 1 /dev/urandom | wc -c && grep -c processor /proc/cpuinfo > /dev/null && \
         cat /proc/sys/kernel/ostype /etc/passwd /proc/$$/status > /dev/null && perl -MSocket -e 'socketpair(A, B, AF_UNIX, SOCK_STREAM, 0) or exit 1' && \
         sh -c 'kill -TERM $$'; test $? = 143 && echo fine",
    );
    assert_eq!(ran.stdout, "1\nfine\n", "{}", ran.stderr);
}

#[test]
fn a_confined_job_has_no_rights() {
    let mut bench = Bench::new(Level::Confined);
    let script = "read -r session < /proc/$$/stat; grep -E '^(Cap(Inh|Prm|Eff|Amb)|NoNewPrivs|Seccomp:)' /proc/$$/status | tr -d '\\t'; umask";
    // Read by the first process itself: of the processes that it starts it sees nothing in /proc.
    let script =
        script.replace("grep -E", "exec 3< /proc/$$/status; grep -E").replace(" /proc/$$/status | tr", " <&3 | tr");
    let ran = bench.sh(&script);
    assert_eq!(
        ran.stdout,
        "CapInh:0000000000000000\nCapPrm:0000000000000000\nCapEff:0000000000000000\nCapAmb:0000000000000000\nNoNewPrivs:1\n\
         Seccomp:2\n0022\n",
        "{}",
        ran.stderr
    );
    let layers = bench.slot.layers();
    for layer in ["capabilities", "landlock", "no_new_privs", "rlimits", "seccomp", "subreaper"] {
        assert!(layers.iter().any(|active| active == layer), "{layer} in {layers:?}");
    }
    assert_eq!(layers.iter().any(|layer| layer == "user"), is_root());
    assert!(!layers.iter().any(|layer| layer.starts_with("namespace.")), "{layers:?}");
}

const CONNECT: &str = "perl -MSocket -e 'socket(S, PF_INET, $ARGV[0] eq \"udp\" ? SOCK_DGRAM : SOCK_STREAM, 0) or exit 1; \
     connect(S, sockaddr_in($ARGV[1], inet_aton(\"127.0.0.1\"))) or exit 2' ";
const UNIX: &str = "perl -MSocket -e 'my $p = $ARGV[0]; $p =~ s/^@/\\0/; socket(S, PF_UNIX, SOCK_STREAM, 0) or exit 1; \
     connect(S, pack_sockaddr_un($p)) or exit 2' ";

#[test]
fn a_confined_job_without_network_reaches_no_socket() {
    use std::os::linux::net::SocketAddrExt;
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    let name = format!("sandbox-test-{}-{port}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let _abstract = UnixListener::bind_addr(&address).unwrap();
    for (level, expected) in [(Level::None, "tcp\nudp\nunix\nabstract\n"), (Level::Confined, "")] {
        let mut bench = Bench::new(level);
        let unix = bench.work().join("socket");
        let _listener = UnixListener::bind(&unix).unwrap();
        fs::set_permissions(&unix, fs::Permissions::from_mode(0o777)).unwrap();
        let script = format!(
            "{CONNECT} tcp {port} && echo tcp; {CONNECT} udp {port} && echo udp; {UNIX} {} && echo unix; {UNIX} @{name} && echo abstract; true",
            unix.display()
        );
        let ran = bench.sh(&script);
        assert_eq!(ran.stdout, expected, "{}", ran.stderr);
    }
}

#[test]
fn tcp_can_be_narrowed_to_ports() {
    let listeners = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap()];
    let [open, shut] = listeners.each_ref().map(|listener| listener.local_addr().unwrap().port());
    for level in WALLED {
        let mut bench = Bench::with(level, |setup| setup.network = true);
        bench.slot.can_narrow_tcp().unwrap();
        let script = format!(
            "{CONNECT} tcp {open} && echo open; {CONNECT} tcp {shut} && echo shut; {CONNECT} udp {shut} && echo udp; \
             perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0) or exit 1; bind(S, sockaddr_in(0, INADDR_LOOPBACK)) or exit 2' && echo bound; true"
        );
        let mut launch = bench.script(&script);
        launch.tcp_ports = Some(vec![open]);
        let ran = bench.run(launch);
        assert_eq!(ran.stdout, "open\nudp\n", "{level:?} {}", ran.stderr);
        assert!(ran.ending.layers.contains(&"landlock.net".to_owned()), "{:?}", ran.ending.layers);
        let ran = bench.sh(&script);
        assert_eq!(ran.stdout, "open\nshut\nudp\nbound\n", "{level:?} {}", ran.stderr);
        assert!(!ran.ending.layers.contains(&"landlock.net".to_owned()), "{:?}", ran.ending.layers);
        let mut launch = bench.script("true");
        launch.tcp_ports = Some(vec![open]);
        let mut without = Bench::new(level);
        assert!(matches!(without.try_run(launch, &Control::new().unwrap()), Err(RunError::Refused { .. })));
    }
}

#[test]
fn processor_time_and_long_files_end_with_their_own_signals() {
    for level in ALL {
        let mut bench = Bench::new(level);
        let mut launch = bench.script("exec perl -e '1 while 1'");
        launch.limits.cpu_time = Some(Duration::from_secs(1));
        assert_eq!(bench.run(launch).ending.cause, Cause::Signaled(nix::libc::SIGXCPU));
        let mut launch = bench.script("exec perl -e 'print \"x\" x 100000' > long");
        launch.limits.file_size = 8192;
        assert_eq!(bench.run(launch).ending.cause, Cause::Signaled(nix::libc::SIGXFSZ));
    }
}

// What stays, and what does not.

#[test]
fn jobs_of_a_slot_leave_nothing_for_the_next() {
    let mut bench = Bench::new(Level::Isolated);
    assert_eq!(bench.sh("echo x > /tmp/left && echo x > /dev/shm/left && ipcmk -Q").code(), 0);
    let ran = bench.sh("ls -A /tmp /dev/shm; ipcs -q | grep -c 0x");
    assert_eq!(ran.stdout, "/dev/shm:\n\n/tmp:\n0\n");
}

#[test]
fn the_temporary_folder_has_a_size() {
    let mut bench = Bench::new(Level::Isolated);
    let mut launch = bench.script("head -c 2000000 /dev/zero > /tmp/x && head -c 2000000 /dev/zero > /dev/shm/x");
    launch.limits.tmp = 1 << 20;
    let ran = bench.run(launch);
    assert_ne!(ran.code(), 0);
    assert!(ran.stderr.contains("No space left"), "{}", ran.stderr);
}

#[test]
fn limits_of_a_process_hold() {
    for level in ALL {
        let mut bench = Bench::new(level);
        let mut launch = bench.script("ulimit -n; ulimit -f; ulimit -t; head -c 9000 /dev/zero > long");
        launch.limits.nofile = 32;
        launch.limits.file_size = 8192;
        launch.limits.cpu_time = Some(Duration::from_millis(6500));
        let ran = bench.run(launch);
        assert_eq!(ran.stdout, "32\n16\n7\n");
        assert_ne!(ran.code(), 0);
        assert_eq!(fs::metadata(bench.work().join("long")).unwrap().len(), 8192);
    }
}

// Control groups, where this machine has them.

fn grouped(name: &str) -> Option<Bench> {
    let name = format!("sandbox-test-{}-{name}", std::process::id());
    let bench = Bench::with(Level::Isolated, |setup| setup.cgroup_name = Some(name));
    let held = |layer: &str| bench.slot.layers().iter().any(|held| held == layer);
    (held("cgroup.memory") && held("cgroup.pids")).then_some(bench)
}

#[test]
fn a_memory_bomb_is_told_as_such() {
    let Some(mut bench) = grouped("memory") else {
        return;
    };
    let mut launch = bench.script("exec perl -e '$x = \"x\" x (1 << 20), push @all, $x . $_ for 1 .. 100000'");
    launch.limits.memory = 64 << 20;
    let ran = bench.run(launch);
    assert!(ran.ending.oom);
    assert_eq!(ran.ending.cause, Cause::Signaled(9));
    // The next job has its own limit, and the slot lives on.
    let mut launch = bench.script("perl -e '$x = \"x\" x (96 << 20); print length $x'");
    launch.limits.memory = 256 << 20;
    let ran = bench.run(launch);
    assert!(!ran.ending.oom);
    assert_eq!(ran.stdout, (96 << 20).to_string());
}

#[test]
fn a_fork_bomb_is_bounded_and_ends() {
    let Some(mut bench) = grouped("pids") else {
        return;
    };
    let mut launch = bench.script("perl -e 'for (1 .. 500) { my $pid = fork; if (!defined $pid) { print \"full at $_\"; exit } if (!$pid) { sleep 100000; exit } }'");
    launch.limits.pids = 20;
    let ran = bench.run(launch);
    assert_eq!(
        ran.stdout.strip_prefix("full at ").map(|at| at.parse::<u32>().unwrap() <= 20),
        Some(true),
        "{}",
        ran.stdout
    );
    assert_eq!(bench.sh("echo on").stdout, "on\n");
}

#[test]
fn groups_go_with_their_slot_and_leftovers_are_swept() {
    let prefix = format!("sandbox-test-{}-swept", std::process::id());
    let family = "sandbox-test-";
    let Some(bench) = grouped("swept") else {
        return;
    };
    // What a living process has made stays, however empty it is.
    sweep(family);
    let groups = || {
        let walk = Command::new("find").args(["/sys/fs/cgroup", "-name", &format!("{prefix}*")]).output().unwrap();
        String::from_utf8(walk.stdout).unwrap()
    };
    let while_in_use = groups();
    assert_eq!(while_in_use.lines().count(), if Path::new("/sys/fs/cgroup/memory").exists() { 2 } else { 1 });
    drop(bench);
    assert_eq!(groups(), "");
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let left = |group: &str| group.replace(&format!("-{}-", std::process::id()), &format!("-{}-", gone.id()));
    for group in while_in_use.lines() {
        fs::create_dir(left(group)).unwrap();
    }
    sweep(family);
    for group in while_in_use.lines() {
        assert!(!Path::new(&left(group)).exists(), "{group}");
    }
}

#[test]
fn what_still_runs_in_leftover_groups_is_ended() {
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let family = format!("sandbox-left-{}-", std::process::id());
    // The group of a slot, as a dispatcher would have made it whose number is nobody's any more.
    let bench = Bench::with(Level::None, |setup| setup.cgroup_name = Some(format!("{family}{}-0", gone.id())));
    let walk = Command::new("find").args(["/sys/fs/cgroup", "-name", &format!("{family}*")]).output().unwrap();
    let groups = String::from_utf8(walk.stdout).unwrap();
    if groups.is_empty() {
        return;
    }
    // It stays behind in the groups, and nobody holds its lifeline.
    let mut left = Command::new("sleep").arg("100000").spawn().unwrap();
    for group in groups.lines() {
        fs::write(Path::new(group).join("cgroup.procs"), left.id().to_string()).unwrap();
    }
    // Its keeper is left as well.
    let Bench { slot, folder, .. } = bench;
    std::mem::forget(slot);
    drop(folder);
    sweep(&family);
    let ended = left.try_wait().unwrap();
    left.kill().unwrap();
    left.wait().unwrap();
    assert!(ended.is_some(), "it still ran");
    for group in groups.lines() {
        assert!(!Path::new(group).exists(), "{group}");
    }
}

#[test]
fn without_groups_rlimits_stand_in() {
    let mut bench = Bench::new(Level::Isolated);
    let layers = bench.slot.layers().to_vec();
    assert!(layers.contains(&"memory: rlimit".into()) && layers.contains(&"pids: rlimit".into()), "{layers:?}");
    assert!(layers.contains(&"seccomp".into()) && layers.contains(&"namespace.net".into()), "{layers:?}");
    let mut launch = bench.script("perl -e '$x = \"x\" x (1 << 30)'");
    launch.limits.memory = 256 << 20;
    assert_ne!(bench.run(launch).ending.cause, Cause::Exited(0));
    let mut launch = bench.script("perl -e 'for (1 .. 500) { my $pid = fork; if (!defined $pid) { print \"full\"; exit } if (!$pid) { sleep 100000; exit } }'");
    launch.limits.pids = 20;
    let ran = bench.run(launch);
    assert_eq!(ran.stdout, "full");
    assert_eq!(ran.ending.layers, layers);
}

#[test]
fn calls_that_lead_around_the_walls_are_refused() {
    let mut bench = Bench::new(Level::Isolated);
    let calls = [
        nix::libc::SYS_io_uring_setup,
        nix::libc::SYS_keyctl,
        nix::libc::SYS_bpf,
        nix::libc::SYS_ptrace,
        nix::libc::SYS_unshare,
        nix::libc::SYS_mount,
    ];
    for call in calls {
        let ran = bench.sh(&format!("perl -e 'exit(syscall({call}, 0, 0, 0, 0, 0) < 0 ? $! + 0 : 0)'"));
        assert_eq!(ran.code(), nix::libc::EPERM, "call {call}: {}", ran.stderr);
    }
    // TIOCSTI
    let ran = bench.sh("perl -e 'my $x = \"x\"; ioctl(STDIN, 0x5412, $x) and exit 0; exit $! + 0'");
    assert_eq!(ran.code(), nix::libc::EPERM);
}

#[test]
fn started_by_hand_the_keeper_says_so() {
    let output = Command::new(keeper()).arg("keeper").stdin(Stdio::null()).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("never by hand"));
}

// Users.

#[test]
fn without_namespaces_and_a_uid_a_job_runs_as_its_dispatcher() {
    let mut bench = Bench::new(Level::None);
    let mut launch = bench.script("id -u; cat /proc/self/oom_score_adj");
    launch.user = None;
    let expected = format!("{}\n500\n", nix::unistd::geteuid());
    assert_eq!(bench.run(launch).stdout, expected);
}

#[test]
fn a_job_runs_as_the_user_asked_for() {
    for level in ALL {
        let mut bench = Bench::new(level);
        let expected = if is_root() { UID } else { nix::unistd::geteuid().as_raw() };
        assert_eq!(bench.sh("id -u; id -g").stdout.lines().next().unwrap(), expected.to_string());
    }
}

#[test]
fn nobody_runs_as_uid_0_by_asking() {
    for level in ALL {
        let mut bench = Bench::new(level);
        let mut launch = bench.script("true");
        launch.user = Some(User::unnamed(0));
        let refused = bench.try_run(launch, &Control::new().unwrap());
        assert!(matches!(refused, Err(RunError::Refused { .. })));
    }
}

#[test]
fn the_same_holds_for_an_ordinary_user() {
    let inner = std::env::var_os("SANDBOX_TEST_KEEPER").is_some();
    let setpriv = Command::new("setpriv").arg("--version").output();
    if inner || !is_root() || setpriv.is_err() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::copy(keeper(), at("dispatch")).unwrap();
    fs::copy(std::env::current_exe().unwrap(), at("tests")).unwrap();
    fs::create_dir(at("tmp")).unwrap();
    fs::set_permissions(at("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    let mut tests = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(at("tests"))
        .env("SANDBOX_TEST_KEEPER", at("dispatch"))
        .env("TMPDIR", at("tmp"))
        .current_dir("/")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = String::new();
    tests.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert!(tests.wait().unwrap().success(), "{output}");
}
