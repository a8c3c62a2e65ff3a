//! A disk of its own under folders of a rig, whose power can be cut: ext4 in a file on a loop device.
//!
//! What survives a cut is what the file system had brought to the device: `FS_IOC_SHUTDOWN` without a flush of its journal takes
//! everything else away, as a power cut does, and the next mount replays the journal. The mounts live in a mount namespace of
//! the calling thread and of what it starts, so that they go with it; the loop device goes with the last of them. Needs root,
//! a loop device, `mkfs.ext4` and python3 (for the one ioctl); [`alone`] says what is missing.
//!
//! The disk itself keeps its word: what was flushed is kept, in order. A disk that lies is promised nothing.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use uuid::Uuid;

use crate::rig::until;
use crate::support::{self, World};
use crate::writer::Random;

/// The kernel's name of this boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// How long the processes of a cut may take to end, and the kernel to let go of the device.
const PATIENCE: Duration = Duration::from_secs(20);
/// `FS_IOC_SHUTDOWN` is `_IOR('X', 125, u32)`; 2 is `FS_SHUTDOWN_FLAGS_NOLOGFLUSH`: the journal goes with the power too.
const SHUTDOWN: &str = "import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";
/// Mount options: as everybody has them.
pub const USUAL: &str = "loop";
/// With nothing of what ext4 does for programs that forget to sync.
pub const STRICT: &str = "loop,noauto_da_alloc,data=writeback";

/// Runs a test in a mount namespace of its own; where that cannot be, says so and runs nothing.
///
/// # Panics
/// Where the test does.
pub fn alone(test: impl FnOnce() -> io::Result<()> + Send) -> io::Result<()> {
    std::thread::scope(|scope| {
        let own = scope.spawn(|| {
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            let made = unshare(CloneFlags::CLONE_NEWNS)
                .and_then(|()| mount(None::<&str>, "/", None::<&str>, private, None::<&str>));
            match made {
                Ok(()) => test(),
                Err(errno) => {
                    eprintln!("SKIPPED: a mount namespace of its own needs root: {errno}");
                    Ok(())
                }
            }
        });
        own.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A small file system in memory at a folder, until it is unmounted. `limits` are mount options such as `size=48m`.
pub fn small(folder: &Path, limits: &str) -> io::Result<Mounted> {
    fs::create_dir_all(folder)?;
    mount(Some("tmpfs"), folder, Some("tmpfs"), MsFlags::empty(), Some(limits))?;
    Ok(Mounted { at: folder.to_owned() })
}

/// A mount that ends with this value.
pub struct Mounted {
    at: PathBuf,
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = umount2(&self.at, MntFlags::MNT_DETACH);
    }
}

/// A disk under folders of a rig.
pub struct Disk {
    root: PathBuf,
    image: PathBuf,
    at: PathBuf,
    options: &'static str,
    /// Places on the disk, and the folders that they stand for.
    bound: Vec<(PathBuf, PathBuf)>,
    boot: PathBuf,
}

impl Disk {
    /// A disk in the rig's folder; `None`, and said aloud, where this machine has no loop device to mount.
    pub fn new(world: &World, options: &'static str) -> io::Result<Option<Self>> {
        let disk = Self {
            root: world.root().to_owned(),
            image: world.path("disk.img"),
            at: world.path("disk"),
            options,
            bound: Vec::new(),
            boot: world.path("boot_id"),
        };
        fs::create_dir(&disk.at)?;
        fs::File::create(&disk.image)?.set_len(192 << 20)?;
        let made = program("mkfs.ext4", &["-q", "-F", &text(&disk.image)])
            .and_then(|()| disk.mount())
            .and_then(|()| program("python3", &["-c", "import fcntl"]));
        if let Err(error) = made {
            eprintln!("SKIPPED: no file system of our own on a loop device: {error}");
            return Ok(None);
        }
        Ok(Some(disk))
    }

    /// Has a folder lie on the disk from now on, with all that is in it.
    pub fn take(&mut self, folder: &Path) -> io::Result<()> {
        let place = self.at.join(self.bound.len().to_string());
        program("cp", &["-a", &text(folder), &text(&place)])?;
        bind(&place, folder)?;
        self.bound.push((place, folder.to_owned()));
        self.sync()
    }

    /// Makes all that lies on it durable: what others have done before a test begins, or merged.
    pub fn sync(&self) -> io::Result<()> {
        program("sync", &["-f", &text(&self.at)])
    }

    /// The power goes, and comes again: what was not brought to the device is gone, every process is, and another boot begins.
    pub fn cut(&self, random: &mut Random) -> io::Result<()> {
        program("python3", &["-c", SHUTDOWN, &text(&self.at)])?;
        self.end_processes()?;
        self.unmount()?;
        self.mount()?;
        for (place, folder) in &self.bound {
            bind(place, folder)?;
        }
        self.reboot(random)
    }

    /// Takes the disk away; the folders are again as they were before it.
    pub fn end(self) -> io::Result<()> {
        self.unmount()?;
        fs::remove_file(&self.image)
    }

    fn mount(&self) -> io::Result<()> {
        program("mount", &["-o", self.options, &text(&self.image), &text(&self.at)])
    }

    fn unmount(&self) -> io::Result<()> {
        // Whoever looked into it a moment ago may still be on its way out.
        until("nobody uses the disk any more", PATIENCE, || {
            for (_, folder) in self.bound.iter().rev() {
                let _ = umount2(folder, MntFlags::empty());
            }
            let _ = umount2(&self.at, MntFlags::empty());
            // A namespace of a handler that is torn down may hold the old file system longer than we do.
            !is_attached(&self.image)
        })
    }

    fn end_processes(&self) -> io::Result<()> {
        until("every process has ended", PATIENCE, || {
            let left = support::processes_that_know(&self.root);
            for (process, _) in &left {
                // Only what this rig has started knows its folder.
                let _ = Command::new("kill").args(["-KILL", &process.to_string()]).status();
            }
            left.is_empty()
        })
    }

    fn reboot(&self, random: &mut Random) -> io::Result<()> {
        let name = Uuid::from_u64_pair(random.next(), random.next());
        fs::write(&self.boot, format!("{name}\n"))?;
        if is_mounted(Path::new(BOOT_ID), &self.boot) { Ok(()) } else { bind(&self.boot, Path::new(BOOT_ID)) }
    }
}

/// Where a test fails in the middle, its folder must be free to be removed.
impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.end_processes();
        if is_mounted(Path::new(BOOT_ID), &self.boot) {
            let _ = umount2(BOOT_ID, MntFlags::MNT_DETACH);
        }
        for folder in self.bound.iter().map(|(_, folder)| folder).chain([&self.at]) {
            let _ = umount2(folder, MntFlags::MNT_DETACH);
        }
    }
}

fn bind(from: &Path, to: &Path) -> io::Result<()> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>).map_err(Into::into)
}

fn is_mounted(at: &Path, from: &Path) -> bool {
    let same = |path: &Path| fs::metadata(path).map(|data| std::os::unix::fs::MetadataExt::ino(&data)).ok();
    same(at) == same(from)
}

/// Whether a loop device still stands for the file.
fn is_attached(image: &Path) -> bool {
    let wanted = image.canonicalize().unwrap_or_else(|_| image.to_owned());
    let devices = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    devices.filter_map(|device| fs::read(device.path().join("loop/backing_file")).ok()).any(|file| {
        let name = file.strip_suffix(b"\n").unwrap_or(&file);
        name == wanted.as_os_str().as_bytes()
    })
}

fn program(name: &str, arguments: &[&str]) -> io::Result<()> {
    let output = Command::new(name)
        .args(arguments)
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(io::Error::other(format!("{name} {}: {words}", arguments.join(" "))))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// The model itself: what was synced is there after a cut, what was not is not, and nothing is left behind.
#[test]
fn a_cut_takes_what_was_not_synced_and_nothing_else() -> io::Result<()> {
    alone(|| {
        let world = World::new()?;
        let mut random = Random::new(1);
        let Some(mut disk) = Disk::new(&world, STRICT)? else { return world.close() };
        let folder = world.path("clone");
        disk.take(&folder)?;
        let boot = fs::read_to_string(BOOT_ID)?;
        fs::write(folder.join("kept"), "kept")?;
        disk.sync()?;
        fs::write(folder.join("lost"), "lost")?;
        fs::write(folder.join("kept"), "changed")?;
        disk.cut(&mut random)?;
        assert_eq!(fs::read_to_string(folder.join("kept"))?, "kept");
        assert!(!fs::exists(folder.join("lost"))? || fs::read(folder.join("lost"))?.is_empty());
        assert_ne!(fs::read_to_string(BOOT_ID)?, boot);
        let image = world.path("disk.img");
        assert!(is_attached(&image));
        disk.end()?;
        assert!(!is_attached(&image));
        assert_eq!(fs::read_dir(&folder)?.count(), 0);
        world.close()
    })
}
