//! What a job sees of the file tree.
//!
//! Owns the view: the keeper prepares what all jobs share (system folders, a part of `/etc`, devices), pid 1 of a job puts it together with
//! what is the job's. The whole host lies at `/host` in the keeper's mount namespace and is detached from the job's before anything of the job
//! runs. Never: decides what a job may see.
//!
//! No path of the job's making is ever followed as root: targets are walked without symbolic links, sources are resolved inside the host's tree.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown, fchown, symlink};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pivot_root;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, unlinkat};

use super::etc;
use super::mounts::MountTable;
use super::wire::{Fault, Job, Step};
use super::{Given, Mount, Scratch, User};

const NONE: Option<&str> = None;
const LAYER: &str = "root";
const SAFE: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV);
const READ_ONLY: MsFlags = SAFE.union(MsFlags::MS_RDONLY);
const PAGE_BYTES: u64 = 4096;
/// Room for the mounts of most hosts.
const MOUNTINFO_BYTES: usize = 16 << 10;

/// Top folders of the system, folders or symbolic links.
pub(super) const SYSTEM: [&str; 7] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];
pub(super) const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// In the keeper: leaves the host's tree at `/host` and makes below `/view` what every job of the slot sees.
pub(super) fn prepare() -> Result<(), Fault> {
    // Slave, not private: what the host unmounts is unmounted here too, and nothing goes the other way.
    let all = MsFlags::MS_REC | MsFlags::MS_SLAVE;
    mount(NONE, "/", NONE, all, NONE).step(LAYER, || "detaching mounts from the host's".into())?;
    tmpfs(Path::new("/tmp"), SAFE, "mode=700,size=1m")?;
    for folder in ["/tmp/host", "/tmp/view", "/tmp/new"] {
        make_folder(Path::new(folder))?;
    }
    pivot_root("/tmp", "/tmp/host").step(LAYER, || "pivot_root".into())?;
    std::env::set_current_dir("/").step(LAYER, || "chdir /".into())?;

    let host = Host::open()?;
    let view = Tree::open("/view")?;
    for name in SYSTEM {
        let source = Path::new("/host").join(name);
        if let Ok(target) = fs::read_link(&source) {
            make_link(&target, &Path::new("/view").join(name))?;
        } else if source.exists() {
            bind(&host, &source_of(name), &view, Path::new(name), READ_ONLY)?;
        }
    }
    for name in etc::SHOWN {
        if let Ok(source) = host.find(&Path::new("/etc").join(name)) {
            bind_found(&host, &source, &view, &Path::new("etc").join(name), READ_ONLY)?;
        }
    }
    prepare_devices()
}

fn prepare_devices() -> Result<(), Fault> {
    let devices = Path::new("/view/dev");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    make_folder(devices)?;
    tmpfs(devices, flags, "mode=755,size=64k")?;
    for name in DEVICES {
        let (source, target) = (Path::new("/host/dev").join(name), devices.join(name));
        File::create(&target).step(LAYER, || format!("making {}", target.display()))?;
        mount(Some(&source), &target, NONE, MsFlags::MS_BIND, NONE).step(LAYER, || format!("binding /dev/{name}"))?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        make_link(Path::new(target), &devices.join(name))?;
    }
    make_folder(&devices.join("shm"))?;
    remount(devices, flags | MsFlags::MS_RDONLY)
}

/// A root that has what those of all jobs have.
pub(super) struct Ground {
    host: Host,
    tree: Tree,
}

/// In pid 1 of a job, in its own namespaces and before the job is known.
pub(super) fn lay_out() -> Result<Ground, Fault> {
    let new = Path::new("/new");
    tmpfs(new, SAFE, "mode=755,size=4m")?;
    let view = Path::new("/view");
    share_view(view, new, device_of(view)?)?;
    for folder in ["etc", "proc", "tmp", "work", "run", "run/secrets", ".host"] {
        make_folder(&new.join(folder))?;
    }
    let flags = SAFE | MsFlags::MS_NOEXEC;
    mount(Some("proc"), &new.join("proc"), Some("proc"), flags, NONE).step("proc", || "mounting /proc".into())?;
    // Last, so that what has been mounted here is not taken for a change.
    Ok(Ground { host: Host::open()?, tree: Tree::open("/new")? })
}

/// After [`lay_out`]: adds what is the job's and moves into the root. The host's tree is gone afterwards. `user` is who the job will be.
/// What it returns keeps each scratch of the job alive.
pub(super) fn assemble(
    ground: Ground,
    job: &Job,
    network: bool,
    user: User,
    as_root: bool,
) -> Result<Vec<OwnedFd>, Fault> {
    let new = Path::new("/new");
    let Ground { host, mut tree } = ground;
    let host = host.renewed()?;
    tree.ours = job.refresh.as_ref().map(|refresh| refresh.to.clone());
    write_etc(&new.join("etc"), job, user)?;
    if network {
        show_network(&host, &tree)?;
    }
    let options = format!("mode=1777,{}", sized(job.limits.tmp));
    tmpfs(&new.join("tmp"), SAFE, &options)?;
    tmpfs(&new.join("dev/shm"), SAFE, &options)?;

    let mut empty = EmptyDirs { wanted: &job.empty_dirs, made: Vec::new(), tree: &tree };
    for granted in &job.mounts {
        empty.make_above(&granted.target)?;
        bind_granted(&host, &tree, granted)?;
    }
    let owner = as_root.then_some(user);
    let scratch = job.scratch.iter().map(|scratch| make_scratch(scratch, &mut empty, owner));
    let scratch = scratch.collect::<Result<_, _>>()?;
    for file in &job.files {
        empty.put(file)?;
    }
    empty.finish()?;
    if !job.secrets.is_empty() {
        write_secrets(&tree, job, as_root.then_some(user))?;
    }
    move_in(new)?;
    Ok(scratch)
}

fn make_scratch(scratch: &Scratch, empty: &mut EmptyDirs<'_>, owner: Option<User>) -> Result<OwnedFd, Fault> {
    empty.make_above(&scratch.place)?;
    let target = empty.tree.folder(&scratch.place)?;
    let options = format!("mode=755,{}{}", sized(scratch.bytes), owned_by(owner));
    tmpfs(&target.by_descriptor(), SAFE, &options)?;
    let root = inside(&empty.tree.root, &scratch.place);
    for name in &scratch.folders {
        let folder = root.join(name);
        let doing = || format!("making {}", folder.display());
        fs::create_dir(&folder).step("scratch", doing)?;
        let (uid, gid) = User::ids(owner);
        chown(&folder, uid, gid).step("scratch", doing)?;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(&root, flags, Mode::empty()).step("scratch", || format!("opening {}", root.display()))
}

/// Mount options that make a user own the top of a file system.
fn owned_by(owner: Option<User>) -> String {
    owner.map_or_else(String::new, |user| format!(",uid={},gid={}", user.uid, user.gid))
}

/// Mount options for so many bytes, and not endlessly many empty files.
fn sized(bytes: u64) -> String {
    let bytes = bytes.max(PAGE_BYTES);
    let inodes = (bytes / PAGE_BYTES).clamp(1024, 1 << 20);
    format!("size={bytes},nr_inodes={inodes}")
}

/// Places that show nothing but what is mounted below them.
struct EmptyDirs<'a> {
    wanted: &'a [PathBuf],
    made: Vec<&'a PathBuf>,
    tree: &'a Tree,
}

impl EmptyDirs<'_> {
    /// Makes those that something is about to be mounted below.
    fn make_above(&mut self, target: &Path) -> Result<(), Fault> {
        self.make(|place| target.starts_with(place))
    }

    /// Writes a file into one of them.
    fn put(&mut self, file: &Given) -> Result<(), Fault> {
        let doing = || format!("writing {}", file.place.display());
        self.make_above(&file.place)?;
        let folder = self.tree.folder(file.place.parent().unwrap_or(&file.place))?;
        let name = file.place.file_name().ok_or("it has no name").step(LAYER, doing)?;
        let create = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let made = openat(&folder.0, name, create, Mode::from_raw_mode(0o644)).step(LAYER, doing)?;
        File::from(made).write_all(&file.bytes).step(LAYER, doing)
    }

    /// Makes the rest, and all read-only.
    fn finish(mut self) -> Result<(), Fault> {
        self.make(|_| true)?;
        self.made.iter().try_for_each(|place| remount(&inside(&self.tree.root, place), READ_ONLY))
    }

    fn make(&mut self, which: impl Fn(&Path) -> bool) -> Result<(), Fault> {
        for place in self.wanted.iter().filter(|place| which(place)) {
            if !self.made.contains(&place) {
                let target = self.tree.folder(place)?;
                tmpfs(&target.by_descriptor(), SAFE, "mode=755,size=1m")?;
                self.made.push(place);
            }
        }
        Ok(())
    }
}

fn move_in(new: &Path) -> Result<(), Fault> {
    pivot_root(new, &new.join(".host")).step(LAYER, || "pivot_root of the job".into())?;
    std::env::set_current_dir("/").step(LAYER, || "chdir /".into())?;
    umount2("/.host", MntFlags::MNT_DETACH).step(LAYER, || "leaving the host's tree".into())?;
    fs::remove_dir("/.host").step(LAYER, || "removing /.host".into())?;
    remount(Path::new("/"), READ_ONLY)
}

/// Shows what the keeper has prepared: mounts copy their flags, so that read-only stays so.
///
/// A folder of the keeper's own, on the device `own`, is made again: shown as it is, a job whose user is the keeper's could write there.
fn share_view(view: &Path, new: &Path, own: u64) -> Result<(), Fault> {
    let entries = fs::read_dir(view).step(LAYER, || format!("reading {}", view.display()))?;
    for entry in entries.flatten() {
        let (from, to) = (entry.path(), new.join(entry.file_name()));
        if let Ok(target) = fs::read_link(&from) {
            make_link(&target, &to)?;
            continue;
        }
        if from.is_dir() {
            make_folder(&to)?;
            if device_of(&from)? == own {
                share_view(&from, &to, own)?;
                continue;
            }
        } else {
            File::create(&to).step(LAYER, || format!("making {}", to.display()))?;
        }
        mount(Some(&from), &to, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE)
            .step(LAYER, || format!("showing {}", from.display()))?;
    }
    Ok(())
}

fn device_of(path: &Path) -> Result<u64, Fault> {
    fs::metadata(path).map(|data| data.dev()).step(LAYER, || format!("looking at {}", path.display()))
}

/// ssh and others fail where their own uid has no name.
fn write_etc(etc: &Path, job: &Job, User { uid, gid }: User) -> Result<(), Fault> {
    let home = job.env.iter().find(|(name, _)| name == "HOME");
    // A colon or a line break would make other fields or entries of it.
    let home = home.map(|(_, home)| home.as_str()).filter(|home| !home.contains([':', '\n'])).unwrap_or("/work");
    let write =
        |name: &str, content: &[u8]| fs::write(etc.join(name), content).step(LAYER, || format!("writing /etc/{name}"));
    write(
        "passwd",
        format!(
            "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\njob:x:{uid}:{gid}:job:{home}:/bin/sh\n\
             nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
        )
        .as_bytes(),
    )?;
    write("group", format!("root:x:0:\njob:x:{gid}:\nnogroup:x:65534:\n").as_bytes())
}

/// How names are found, as it is now: the keeper may be weeks old.
fn show_network(host: &Host, tree: &Tree) -> Result<(), Fault> {
    for name in etc::WITH_NETWORK {
        let path = Path::new("/etc").join(name);
        if let Ok(source) = host.find(&path) {
            bind_found(host, &source, tree, &path, READ_ONLY)?;
        }
    }
    // A copy with links resolved: the file is replaced whenever the network changes.
    let resolv = host.find(Path::new("/etc/resolv.conf")).and_then(|found| fs::read(by_descriptor(&found)));
    let place = inside(&tree.root, Path::new("/etc/resolv.conf"));
    fs::write(&place, resolv.unwrap_or_default()).step(LAYER, || "writing /etc/resolv.conf".into())
}

fn write_secrets(tree: &Tree, job: &Job, owner: Option<User>) -> Result<(), Fault> {
    const LAYER: &str = "secrets";
    let place = tree.folder(&job.secrets_dir)?;
    let flags = SAFE | MsFlags::MS_NOEXEC;
    let bytes: usize = job.secrets.iter().map(|(_, bytes)| bytes.len() + 8192).sum();
    let options = format!("mode=500,size={}{}", bytes + (1 << 16), owned_by(owner));
    tmpfs(&place.by_descriptor(), flags, &options)?;
    let folder = inside(Path::new("/new"), &job.secrets_dir);
    for (name, bytes) in &job.secrets {
        let doing = || format!("writing {name}");
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o400);
        let mut file = options.open(folder.join(name)).step(LAYER, doing)?;
        file.write_all(bytes).step(LAYER, doing)?;
        let (uid, gid) = User::ids(owner);
        fchown(&file, uid, gid).step(LAYER, doing)?;
    }
    remount(&folder, flags | MsFlags::MS_RDONLY)
}

fn bind_granted(host: &Host, tree: &Tree, granted: &Mount) -> Result<(), Fault> {
    let doing = || format!("opening {}", granted.source.display());
    let source = host.find(&granted.source).step("mount", doing)?;
    let flags = if granted.writable { SAFE } else { READ_ONLY };
    bind_found(host, &source, tree, &granted.target, flags)
}

fn source_of(name: &str) -> PathBuf {
    Path::new("/").join(name)
}

fn bind(host: &Host, source: &Path, tree: &Tree, target: &Path, flags: MsFlags) -> Result<(), Fault> {
    let found = host.find(source).step(LAYER, || format!("opening {}", source.display()))?;
    bind_found(host, &found, tree, target, flags)
}

/// Binds with everything mounted below it, and puts the flags on all of it. Without the submounts the kernel refuses an ordinary user, to whom
/// they may hide something.
fn bind_found(host: &Host, source: &OwnedFd, tree: &Tree, target: &Path, flags: MsFlags) -> Result<(), Fault> {
    let doing = || format!("binding to {}", target.display());
    let real = fs::read_link(by_descriptor(source)).step(LAYER, doing)?;
    let place = if real.is_dir() { tree.folder(target)? } else { tree.file(target)? };
    let recursive = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(&by_descriptor(source)), &place.by_descriptor(), NONE, recursive, NONE).step(LAYER, doing)?;
    let bound = inside(&tree.root, target);
    // What the host mounts later does not appear here, where the flags would be missing.
    let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
    mount(NONE, &bound, NONE, private, NONE).step(LAYER, doing)?;
    remount(&bound, host.mounts.flags_at(&real) | flags)?;
    for (below, kept) in host.mounts.below(&real) {
        match set_flags(&bound.join(below), kept | flags) {
            // Listed, but another mount covers it: nobody gets there.
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(error) => return Err(error).step(LAYER, doing),
        }
    }
    Ok(())
}

fn remount(target: &Path, flags: MsFlags) -> Result<(), Fault> {
    set_flags(target, flags).step(LAYER, || format!("setting the flags of {}", target.display()))
}

fn set_flags(target: &Path, flags: MsFlags) -> Result<(), Errno> {
    let flags = flags | MsFlags::MS_BIND | MsFlags::MS_REMOUNT;
    mount(NONE, target, NONE, flags, NONE)
}

fn tmpfs(target: &Path, flags: MsFlags, options: &str) -> Result<(), Fault> {
    mount(Some("tmpfs"), target, Some("tmpfs"), flags, Some(options))
        .step(LAYER, || format!("mounting a tmpfs on {}", target.display()))
}

fn make_folder(path: &Path) -> Result<(), Fault> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.step(LAYER, || format!("making {}", path.display())),
    }
}

fn make_link(target: &Path, path: &Path) -> Result<(), Fault> {
    symlink(target, path).step(LAYER, || format!("linking {}", path.display()))
}

/// An absolute path inside, seen from outside.
fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// A name for what a descriptor stands for, which no rename can turn into another thing.
fn by_descriptor(descriptor: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/host/proc/self/fd/{}", descriptor.as_raw_fd()))
}

/// The host's tree.
struct Host {
    root: OwnedFd,
    mounts: MountTable,
    /// What the table was read from: the kernel marks it when a mount has come or gone since.
    mountinfo: File,
}

impl Host {
    fn open() -> Result<Self, Fault> {
        let doing = || "reading mountinfo".into();
        let mut mountinfo = File::open("/host/proc/self/mountinfo").step(LAYER, doing)?;
        // Each read goes through all mounts again.
        let mut table = String::with_capacity(MOUNTINFO_BYTES);
        mountinfo.read_to_string(&mut table).step(LAYER, doing)?;
        Ok(Self { root: open_folder("/host")?, mounts: MountTable::parse(&table), mountinfo })
    }

    /// The host mounts and unmounts things at any time, and what it does reaches this namespace.
    fn renewed(self) -> Result<Self, Fault> {
        let mut watched = [PollFd::new(self.mountinfo.as_fd(), PollFlags::POLLPRI)];
        if poll(&mut watched, PollTimeout::ZERO) == Ok(0) { Ok(self) } else { Self::open() }
    }

    /// Opens without rights to read or write; symbolic links lead where they do on the host.
    fn find(&self, path: &Path) -> io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        Ok(openat2(&self.root, path, flags, Mode::empty(), resolve)?)
    }
}

/// A tree being built.
struct Tree {
    root: PathBuf,
    descriptor: OwnedFd,
    /// A checkout in which an earlier run may have put anything in the way of a place to mount on.
    ours: Option<PathBuf>,
}

/// A place in it to mount on.
struct Place(OwnedFd);

impl Place {
    fn by_descriptor(&self) -> PathBuf {
        by_descriptor(&self.0)
    }
}

impl Tree {
    fn open(root: &str) -> Result<Self, Fault> {
        Ok(Self { root: root.into(), descriptor: open_folder(root)?, ours: None })
    }

    fn folder(&self, path: &Path) -> Result<Place, Fault> {
        self.walk(path).step("mount", || format!("making the folder {}", path.display()))
    }

    fn file(&self, path: &Path) -> Result<Place, Fault> {
        let doing = || format!("making the file {}", path.display());
        let parent = self.walk(path.parent().unwrap_or(path)).step("mount", doing)?;
        let name = path.file_name().ok_or("it has no name").step("mount", doing)?;
        match step_into(&parent.0, Path::new(name), OFlags::empty()) {
            Ok(file) => return Ok(Place(file)),
            Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error).step("mount", doing),
        }
        let create = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        openat(&parent.0, name, create, Mode::from_raw_mode(0o644)).step("mount", doing)?;
        step_into(&parent.0, Path::new(name), OFlags::empty()).map(Place).step("mount", doing)
    }

    /// Walks down one name at a time, makes what is missing, follows no symbolic link.
    fn walk(&self, path: &Path) -> io::Result<Place> {
        let mut here = self.descriptor.try_clone()?;
        let mut walked = PathBuf::from("/");
        for component in path.components() {
            let name = match component {
                Component::RootDir | Component::CurDir => continue,
                Component::Normal(name) => Path::new(name),
                _ => return Err(io::ErrorKind::InvalidInput.into()),
            };
            let in_the_way = self.ours.as_ref().is_some_and(|ours| walked.starts_with(ours));
            walked.push(name);
            let mut stepped = step_into(&here, name, OFlags::DIRECTORY);
            if in_the_way && matches!(stepped, Err(rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR)) {
                unlinkat(&here, name, AtFlags::empty())?;
                stepped = Err(rustix::io::Errno::NOENT);
            }
            here = match stepped {
                Err(rustix::io::Errno::NOENT) => {
                    mkdirat(&here, name, Mode::from_raw_mode(0o755))?;
                    step_into(&here, name, OFlags::DIRECTORY)?
                }
                found => found?,
            };
        }
        Ok(Place(here))
    }
}

fn step_into(folder: impl AsFd, name: &Path, flags: OFlags) -> Result<OwnedFd, rustix::io::Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let flags = flags | OFlags::PATH | OFlags::CLOEXEC;
    openat2(folder, name, flags, Mode::empty(), resolve)
}

fn open_folder(path: &str) -> Result<OwnedFd, Fault> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).step(LAYER, || format!("opening {path}"))
}
